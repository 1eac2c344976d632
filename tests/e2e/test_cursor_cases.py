"""Whatever becomes of a terminal's log: each record arrives once, and none is told again."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.bridge import terminal_options
from tests.e2e.conftest import SERIAL
from tests.e2e.house import House, ids, polled
from tests.mosquitto import Mosquitto, Subscriber
from zkbridge.identity import punch_id
from zkbridge.simulator import (
    SimulatedPunch,
    SimulatedTerminal,
    pack_impossible_time,
    pack_time,
)
from zkbridge.simulator.faults import Closed
from zkbridge.timezones import zone
from zkbridge.zk.opcodes import CMD_READ_BUFFER

Build = Callable[..., House]
Day = tuple[str, datetime]


@pytest.fixture
def house(broker: Mosquitto, subscriber: Subscriber, tmp_path: Path) -> Build:
    """Make a bridge for these terminals."""

    def build(*terminals: dict[str, Any], **sections: object) -> House:
        return House(tmp_path / "bridge", broker, subscriber, terminals, sections)

    return build


def punch_all(terminal: SimulatedTerminal, punches: list[Day]) -> list[str]:
    """Write punches into the log; returns the ids they must have."""
    for user, when in punches:
        terminal.punch(user, when=when, live=False)
    return ids(SERIAL, punches)


def minutes_ago(terminal: SimulatedTerminal, *minutes: float, user: str = "7") -> list[Day]:
    now = terminal.wall_clock()
    return [(user, now - timedelta(minutes=each)) for each in minutes]


# First contact


@pytest.mark.parametrize(
    ("backfill", "published"),
    [("none", 0), ("all", 3), ("7d", 1), ("a date", 1)],
)
def test_first_contact_publishes_what_backfill_asks_for(
    house: Build, terminal: SimulatedTerminal, backfill: str, published: int
) -> None:
    day = 24 * 60
    history = punch_all(terminal, minutes_ago(terminal, 400 * day, 40 * day, 2 * day))
    since = (datetime.now(UTC) - timedelta(days=3)).date()
    wanted: str | date = since if backfill == "a date" else backfill
    with house(polled(terminal, backfill=wanted)) as running:
        new = punch_all(terminal, minutes_ago(terminal, 0))
        running.wait_ids(new)
        assert running.ids() == history[3 - published :] + new
        assert [p["source"] for p in running.punches()] == ["backfill"] * published + ["poll"]
        late = running.subscriber.on("zkbridge/front_door/punch/late")
        assert len(late) == published


# Cleared


def test_a_cleared_log_goes_on_with_what_comes_after(
    house: Build, terminal: SimulatedTerminal
) -> None:
    with house(polled(terminal)) as running:
        before = punch_all(terminal, minutes_ago(terminal, 3, 2, 1))
        running.wait_ids(before)
        terminal.clear_log()
        running.wait_state("front_door", lambda state: state["punches"] == 0)
        after = punch_all(terminal, minutes_ago(terminal, 0))
        running.wait_ids(after)
        assert running.ids() == before + after


@pytest.mark.parametrize("where", ["between polls", "while away"])
def test_a_log_cleared_and_refilled_to_the_same_count_is_noticed(
    house: Build, terminal: SimulatedTerminal, where: str
) -> None:
    with house(polled(terminal)) as running:
        before = punch_all(terminal, minutes_ago(terminal, 30, 20, 10))
        running.wait_ids(before)
        if where == "while away":
            terminal.pause()
        with terminal._server.lock:  # no poll sees the log in between
            terminal.clear_log()
            after = punch_all(terminal, minutes_ago(terminal, 3, 2, 1))
        terminal.resume()
        running.wait_ids(after)
        last = punch_all(terminal, minutes_ago(terminal, 0))
        running.wait_ids(last)
        assert running.ids() == before + after + last


# Interrupted


def test_a_long_read_that_breaks_off_starts_over_without_repeating_anything(
    house: Build, terminal: SimulatedTerminal
) -> None:
    with house(polled(terminal)) as running:
        first = punch_all(terminal, minutes_ago(terminal, 9000))
        running.wait_ids(first)
        terminal.inject(Closed(), CMD_READ_BUFFER, skip=2)
        start = terminal.wall_clock() - timedelta(minutes=8000)
        many = [("7", start + timedelta(minutes=n)) for n in range(2000)]
        terminal.load_punches([SimulatedPunch(user, pack_time(when)) for user, when in many])
        running.wait_ids(ids(SERIAL, many))
        assert terminal.faults_hit == 1
        assert running.ids() == first + ids(SERIAL, many)


@pytest.mark.parametrize("backfill", ["none", "all"])
def test_a_first_contact_that_breaks_off_loses_and_repeats_nothing(
    house: Build, terminal: SimulatedTerminal, backfill: str
) -> None:
    start = terminal.wall_clock() - timedelta(days=30)
    old = [("7", start + timedelta(minutes=n)) for n in range(3000)]
    terminal.operate(0)
    terminal.load_punches([SimulatedPunch(user, pack_time(when)) for user, when in old])
    terminal.inject(Closed(), CMD_READ_BUFFER, skip=1)
    running = house(polled(terminal, backfill=backfill))
    with running.bridge:
        assert terminal.wait_for(lambda: terminal.faults_hit == 1, 30)
        new = punch_all(terminal, [("7", terminal.wall_clock() + timedelta(seconds=1))])
        running.wait_ids(new)
        running.wait_state("front_door", lambda state: state["synced"])
        last = punch_all(terminal, [("007", terminal.wall_clock() + timedelta(seconds=2))])
        running.wait_ids(last)
        expected = ids(SERIAL, old) if backfill == "all" else []
        assert running.ids() == expected + new + last


# At capacity


@pytest.mark.parametrize("where", ["while polled", "while the bridge is down"])
def test_a_log_that_rolls_over_is_told_once(house: Build, broker: Mosquitto, where: str) -> None:
    with SimulatedTerminal(
        serial=SERIAL, timezone=UTC, punch_capacity=100, drop_oldest=40
    ) as terminal:
        old = minutes_ago(terminal, *range(300, 202, -1))
        known = punch_all(terminal, old)
        new = minutes_ago(terminal, *range(50, 0, -1))
        with house(polled(terminal, backfill="all")) as running:
            running.wait_ids(known)
            if where == "while polled":
                for one in new:
                    running.wait_ids(punch_all(terminal, [one]))
                    if one is new[4]:
                        break
                punch_all(terminal, new[5:])
            else:
                running.restart(lambda: punch_all(terminal, new))
            running.wait_ids(ids(SERIAL, new))
            assert terminal.punch_count < 100
            assert running.ids() == known + ids(SERIAL, new)


# Who is it


def test_another_terminal_at_the_address_has_its_own_history(
    house: Build, terminal: SimulatedTerminal
) -> None:
    with house(polled(terminal)) as running:
        first = punch_all(terminal, minutes_ago(terminal, 9))
        running.wait_ids(first)
        terminal.stop()
        other = SimulatedTerminal(serial="OTHER0001", port=terminal.port, timezone=UTC)
        for user, when in minutes_ago(terminal, 8, 7):
            other.punch(user, when=when)
        with other:
            running.wait_state("front_door", lambda state: state["serial"] == "OTHER0001")
            running.bridge.wait_log("its own history starts here")
            running.wait_state(
                "front_door", lambda s: s["serial"] == "OTHER0001" and s["punches"] == 2
            )
            there = minutes_ago(terminal, 6)
            other.punch("7", when=there[0][1])
            running.wait_ids(ids("OTHER0001", there))
        back = punch_all(terminal, minutes_ago(terminal, 5))
        terminal.start()
        running.wait_ids(back)
        assert running.ids() == first + ids("OTHER0001", there) + back


def test_two_terminals_with_one_serial_are_told_apart_by_their_mac(
    house: Build, terminal: SimulatedTerminal
) -> None:
    mac = "00:17:61:00:00:77"
    with SimulatedTerminal(serial=SERIAL, timezone=UTC, options={"MAC": mac}) as twin:
        options = [polled(terminal, name="First"), polled(twin, name="Second")]
        with house(*options) as running:
            same = minutes_ago(terminal, 1)
            punch_all(terminal, same)
            punch_all(twin, same)
            arrived = running.subscriber.wait_for(
                lambda records: sum("/punch" in r.topic for r in records) >= 2
            )
            assert arrived
            keys = {SERIAL, mac, "00:17:61:00:00:01"}
            possible = {punch_id(key, "7", pack_time(same[0][1]), 0) for key in keys}
            found = running.ids("first") + running.ids("second")
            assert len(set(found)) == 2
            assert set(found) <= possible
            assert punch_id(SERIAL, "7", pack_time(same[0][1]), 0) in found


def test_one_terminal_configured_twice_is_read_once(
    house: Build, terminal: SimulatedTerminal
) -> None:
    hosts = {"First": "127.0.0.1", "Second": "localhost"}
    twice = [polled(terminal, name=name, host=host) for name, host in hosts.items()]
    running = house(*twice)
    with running.bridge:
        running.subscriber.wait_for(
            lambda records: (
                any(b'"error":"duplicate_terminal"' in r.payload for r in records)
                and any(b'"synced":true' in r.payload for r in records)
            )
        )
        new = punch_all(terminal, minutes_ago(terminal, 1))
        running.subscriber.wait_for(lambda records: any("/punch" in r.topic for r in records))
        last = punch_all(terminal, minutes_ago(terminal, 0))
        running.subscriber.wait_for(
            lambda records: any(last[0].encode() in r.payload for r in records)
        )
        assert running.ids("first") + running.ids("second") == new + last


@pytest.mark.parametrize(
    ("serial", "mac", "key"),
    [
        ("0000000000", "00:17:61:12:34:56", "00:17:61:12:34:56"),
        ("", "", None),
    ],
    ids=["mac", "address"],
)
def test_a_terminal_without_serial_goes_by_what_it_has(
    house: Build, serial: str, mac: str, key: str | None
) -> None:
    with SimulatedTerminal(serial=serial, timezone=UTC, options={"MAC": mac}) as terminal:
        expected = key or f"127.0.0.1:{terminal.port}"
        with house(polled(terminal)) as running:
            new = minutes_ago(terminal, 1)
            punch_all(terminal, new)
            running.wait_ids(ids(expected, new))
            later = minutes_ago(terminal, 0)
            running.restart(lambda: punch_all(terminal, later))
            running.wait_ids(ids(expected, later))
            assert running.ids() == ids(expected, new + later)


def test_a_firmware_update_that_widens_the_records_repeats_nothing(
    house: Build, broker: Mosquitto
) -> None:
    with (
        SimulatedTerminal(serial=SERIAL, timezone=UTC, punch_size=16) as terminal,
        house(polled(terminal)) as running,
    ):
        old = minutes_ago(terminal, 30, 20, 10)
        known = punch_all(terminal, old)
        running.wait_ids(known)
        terminal.pause()
        terminal.clear_log(logged=False)
        terminal.behave(punch_size=40)
        punch_all(terminal, old)
        new = punch_all(terminal, minutes_ago(terminal, 1))
        terminal.resume()
        running.wait_ids(new)
        assert running.ids() == known + new


# Clocks


def test_a_clock_set_forward_and_back_makes_each_punch_its_own(
    house: Build, terminal: SimulatedTerminal
) -> None:
    with house(polled(terminal)) as running:
        noon = terminal.wall_clock() - timedelta(hours=2)
        steps = (0, 3600, 0, 10, -20, 0)  # the same second three times, left in between
        for step in steps:
            terminal.punch("7", when=noon + timedelta(seconds=step), live=False)
        raw = {step: pack_time(noon + timedelta(seconds=step)) for step in steps}
        wanted = [
            punch_id(SERIAL, "7", raw[step], occurrence)
            for step, occurrence in zip(steps, (0, 0, 1, 0, 0, 2), strict=True)
        ]
        running.wait_ids(wanted)
        assert running.ids() == wanted


def test_a_clock_in_the_year_2000_is_said_and_loses_nothing(
    house: Build, terminal: SimulatedTerminal
) -> None:
    with house(polled(terminal)) as running:
        before = punch_all(terminal, minutes_ago(terminal, 1))
        running.wait_ids(before)
        now = terminal.wall_clock()
        terminal.set_clock(datetime(2000, 1, 1, 0, 1) - now)  # noqa: DTZ001 - a terminal's clock
        then = minutes_ago(terminal, 0)
        after = punch_all(terminal, then)
        running.wait_ids(after)
        assert then[0][1].year == 2000
        terminal.drop_connections()
        running.wait_state("front_door", lambda state: state["error"] == "clock_wrong")
        last = punch_all(terminal, minutes_ago(terminal, -1))
        running.wait_ids(last)
        assert running.ids() == before + after + last


def test_the_doubled_and_the_missing_hour(house: Build) -> None:
    berlin = zone("Europe/Berlin")
    with SimulatedTerminal(serial=SERIAL, timezone=berlin) as terminal:
        autumn = datetime(2025, 10, 26, 2, 30)  # noqa: DTZ001 - a terminal's clock
        spring = datetime(2026, 3, 29, 2, 30)  # noqa: DTZ001 - a terminal's clock
        walls = [autumn, autumn.replace(minute=59), autumn.replace(minute=0), autumn, spring]
        for wall in walls:
            terminal.punch("7", when=wall, live=False)
        with house(polled(terminal, timezone="Europe/Berlin", backfill="all")) as running:
            wanted = [*ids(SERIAL, [("7", autumn)]), *ids(SERIAL, [("7", autumn)], 1)]
            running.wait_ids([*wanted, *ids(SERIAL, [("7", spring)])])
            told = {punch["id"]: punch["timestamp"] for punch in running.punches()}
            assert told[wanted[0]] == "2025-10-26T02:30:00+02:00"
            assert told[wanted[1]] == "2025-10-26T02:30:00+01:00"
            assert told[ids(SERIAL, [("7", spring)])[0]] == "2026-03-29T02:30:00+01:00"
            assert len(told) == len(running.ids()) == 5


# Records


@pytest.mark.parametrize("live", [False, True], ids=["poll", "live"])
def test_equal_records_without_a_step_back_are_one_punch(
    house: Build, terminal: SimulatedTerminal, *, live: bool
) -> None:
    with house(terminal_options(terminal, live=live)) as running:
        moment = terminal.wall_clock()
        for user in ("7", "007", "7", "007"):
            terminal.punch(user, when=moment)
        both = ids(SERIAL, [("7", moment), ("007", moment)])
        running.wait_ids(both)
        terminal.punch("7", when=moment)
        next_ = moment + timedelta(seconds=1)
        terminal.punch("7", when=next_)
        running.wait_ids(ids(SERIAL, [("7", next_)]))
        last = punch_all(terminal, [("007", next_ + timedelta(seconds=1))])
        running.wait_ids(last)  # from the log, after everything before
        assert running.ids() == both + ids(SERIAL, [("7", next_)]) + last


def test_fields_of_16_bits_may_wrap(house: Build) -> None:
    with SimulatedTerminal(serial=SERIAL, timezone=UTC) as terminal:
        start = terminal.wall_clock() - timedelta(days=60)
        times = [start + timedelta(minutes=n) for n in range(65_545)]
        log = [
            SimulatedPunch("7", pack_time(when), uid=(n + 1) & 0xFFFF or 0x10000)
            for n, when in enumerate(times)
        ]
        terminal.operate(0)
        terminal.load_punches(log[:65_530])
        with house(polled(terminal)) as running:
            for first in range(65_530, 65_545, 5):
                terminal.load_punches(log[first : first + 5])
                running.wait_ids(ids(SERIAL, [("7", times[first + 4])]))
            assert running.ids() == ids(SERIAL, [("7", when) for when in times[65_530:]])


def test_an_event_too_narrow_for_a_user_id_leaves_it_to_the_log(house: Build) -> None:
    with SimulatedTerminal(serial=SERIAL, timezone=UTC, event_size=10) as terminal:
        terminal.add_user("70007", "Ada")
        with house(terminal_options(terminal, live=True)) as running:
            first, second = (terminal.wall_clock() + timedelta(seconds=n) for n in range(2))
            terminal.punch("70007", when=first)
            terminal.punch("70007", when=second)
            wanted = ids(SERIAL, [("70007", first), ("70007", second)])
            running.wait_ids(wanted)
            assert running.ids() == wanted


@pytest.mark.parametrize(
    "behaviour",
    [
        {"counts": "zero"},
        {"counts": "frozen"},
        {"counts": "lagging", "count_lag": 2},
        {"free_sizes_bytes": 4},
    ],
    ids=["zero", "frozen", "lagging", "4 bytes"],
)
def test_counts_that_cannot_be_trusted_hide_nothing(
    house: Build, terminal: SimulatedTerminal, behaviour: dict[str, Any]
) -> None:
    known = punch_all(terminal, minutes_ago(terminal, *range(30, 20, -1)))
    terminal.behave(**behaviour)
    with house(polled(terminal)) as running:
        wanted = punch_all(terminal, minutes_ago(terminal, 6))
        terminal.drop_connections()  # frozen counts show when the tail is read for another reason
        running.wait_ids(wanted)
        for minute in (5, 4, 3):
            new = punch_all(terminal, minutes_ago(terminal, minute))
            wanted += new
            running.wait_ids(new)
        assert running.ids() == wanted
        assert not set(known) & set(running.ids())


def test_an_impossible_date_is_told_as_one_and_shifts_no_neighbour(
    house: Build, terminal: SimulatedTerminal
) -> None:
    raw = pack_impossible_time(26, 2, 31, 3600)
    with house(polled(terminal)) as running:
        first = punch_all(terminal, minutes_ago(terminal, 2))
        terminal.punch("7", raw_time=raw, live=False)
        last = punch_all(terminal, minutes_ago(terminal, 1))
        running.wait_ids(last)
        strange = punch_id(SERIAL, "7", raw, 0)
        assert running.ids() == [*first, strange, *last]
        told = running.punches()[1]
        assert (told["timestamp"], told["raw_time"]) == (None, raw)
        assert "raw_time" not in running.punches()[0]


# People


def test_people_go_by_the_name_they_have_now(house: Build, terminal: SimulatedTerminal) -> None:
    with house(polled(terminal)) as running:
        terminal.add_user("8", "Emmy Noether")
        running.wait_ids(punch_all(terminal, minutes_ago(terminal, 9, user="8")))
        terminal.rename_user("8", "E. Noether")
        terminal.operate(70, params=(8, 0, 0, 0))
        running.subscriber.wait_count("zkbridge/front_door/oplog", 1)
        running.wait_ids(punch_all(terminal, minutes_ago(terminal, 8, user="8")))
        with terminal._server.lock:  # as many users as before
            terminal.remove_user("8")
            terminal.add_user("9", "Hypatia")
            punched = punch_all(terminal, minutes_ago(terminal, 7, user="9"))
        running.wait_ids(punched)
        names = [punch["user_name"] for punch in running.punches()]
        assert names == ["Emmy Noether", "E. Noether", "Hypatia"]


def test_nothing_happens_where_nothing_happened(house: Build, terminal: SimulatedTerminal) -> None:
    punch_all(terminal, minutes_ago(terminal, 3, 2, 1))
    with house(polled(terminal)) as running:
        seen = len(running.subscriber.records)
        asked = len(terminal.command_log)
        running.bridge.wait_until(
            lambda: len(terminal.command_log) >= asked + 4, "a few idle polls"
        )
        assert not running.punches()
        said = [r.topic for r in running.subscriber.records[seen:]]
        assert [topic for topic in said if topic.startswith("zkbridge/front_door")] == []
