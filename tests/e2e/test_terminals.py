"""Terminals as they are: shut, busy, foreign, hanging, quiet; and what one can tell the bridge."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.bridge import terminal_options
from tests.e2e.conftest import SERIAL
from tests.e2e.house import House, content, ids, polled
from tests.mosquitto import Mosquitto, Subscriber
from zkbridge.simulator import PANEL_GREETING, SimulatedTerminal
from zkbridge.simulator.faults import Dribble, Fault, Hang, OversizedTable
from zkbridge.zk.opcodes import ALL_EVENTS, CMD_PREPARE_BUFFER, CMD_REG_EVENT

Build = Callable[..., House]
_COMMAND = "zkbridge/front_door/command"


@pytest.fixture
def house(broker: Mosquitto, subscriber: Subscriber, tmp_path: Path) -> Build:
    """Make a bridge for these terminals."""

    def build(*terminals: dict[str, Any], **sections: object) -> House:
        return House(tmp_path / "bridge", broker, subscriber, terminals, sections)

    return build


def command(house: House, **fields: object) -> None:
    house.subscriber.publish(_COMMAND, json.dumps(fields))


# Terminals that cannot be used


@pytest.mark.parametrize(
    ("broken", "mended", "error"),
    [
        ({"comm_key": 7}, {"comm_key": 0}, "auth_failed"),
        ({"refusal": 6001}, {"refusal": None}, "encrypted"),
        ({"alien": PANEL_GREETING}, {"alien": b""}, "not_a_terminal"),
    ],
    ids=["comm key", "encrypted", "access panel"],
)
def test_a_terminal_that_cannot_be_used_says_why_and_is_used_once_it_can(
    house: Build,
    terminal: SimulatedTerminal,
    broken: dict[str, Any],
    mended: dict[str, Any],
    error: str,
) -> None:
    terminal.behave(**broken)
    running = house(polled(terminal, transport="tcp"))
    with running.bridge:
        state = running.wait_state("front_door", lambda state: state["error"] is not None)
        assert (state["error"], state["mode"], state["synced"]) == (error, "offline", False)
        terminal.behave(**mended)
        command(running, command="poll")  # some of these are tried every 10 minutes only
        running.wait_state("front_door", lambda state: state["synced"] and not state["error"])
        moment = terminal.wall_clock()
        terminal.punch("7", when=moment)
        running.wait_ids(ids(SERIAL, [("7", moment)]))


def test_a_terminal_that_serves_somebody_else_is_busy_until_it_is_free(
    house: Build, terminal: SimulatedTerminal
) -> None:
    terminal.behave(one_client=True)
    with socket.create_connection((terminal.host, terminal.port)):
        terminal.wait_for(lambda: terminal.connections == 1)
        running = house(polled(terminal, transport="tcp", timeout=1))
        running.bridge.start()
        running.wait_state("front_door", lambda state: state["error"] == "busy")
    try:
        running.wait_state("front_door", lambda state: state["synced"] and not state["error"])
    finally:
        running.bridge.stop()


def test_a_terminal_asked_poll_by_poll_is_free_in_between(
    house: Build, terminal: SimulatedTerminal
) -> None:
    terminal.behave(one_client=True)
    with house(polled(terminal, session="per_poll", transport="tcp")) as running:
        assert terminal.wait_for(lambda: terminal.connections == 0)
        moment = terminal.wall_clock()
        terminal.punch("7", when=moment)
        running.wait_ids(ids(SERIAL, [("7", moment)]))
        assert terminal.wait_for(lambda: terminal.connections == 0)
        assert terminal.accepted >= 2


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        (Hang(), None),
        (Dribble(1.0), None),
        (OversizedTable(), CMD_PREPARE_BUFFER),
    ],
    ids=["hangs", "dribbles", "lies about sizes"],
)
def test_a_terminal_that_goes_wrong_holds_up_no_other(
    house: Build, terminal: SimulatedTerminal, fault: Fault, asked: int | None
) -> None:
    with SimulatedTerminal(serial="BAD0000001", timezone=UTC) as bad:
        for number in range(100):
            bad.punch("7", when=bad.wall_clock() - timedelta(minutes=number))
        bad.inject(fault, asked, times=1_000_000)
        wrong = terminal_options(bad, name="Wrong", transport="tcp", timeout=60)
        running = house(wrong, terminal_options(terminal))
        with running.bridge:
            running.wait_state("front_door", lambda state: state["synced"])
            assert bad.wait_for(lambda: bad.faults_hit > 0)
            first = terminal.wall_clock()
            for second in range(20):
                moment = first + timedelta(seconds=second)
                terminal.punch("7", when=moment)
                running.wait_ids(ids(SERIAL, [("7", moment)]))
            said = [r for r in running.subscriber.on("zkbridge/wrong/state") if r.payload]
            assert not any(content(record)["synced"] for record in said)


def test_a_flood_of_events_holds_up_no_other(house: Build, terminal: SimulatedTerminal) -> None:
    with SimulatedTerminal(serial="BAD0000001", timezone=UTC) as bad:
        options = [terminal_options(bad, name="Wrong"), terminal_options(terminal)]
        with house(*options) as running:
            assert bad.wait_for(lambda: bad.registered == 1)
            enough = threading.Event()

            def flood() -> None:
                while not enough.is_set():
                    bad.event(1 << 9, b"\0" * 40)
                    enough.wait(0.0005)

            flooding = threading.Thread(target=flood)
            flooding.start()
            try:
                first = terminal.wall_clock()
                for second in range(20):
                    moment = first + timedelta(seconds=second)
                    terminal.punch("7", when=moment)
                    running.wait_ids(ids(SERIAL, [("7", moment)]))
            finally:
                enough.set()
                flooding.join()


# Live


def test_alarms_and_door_events_have_their_own_topic(
    house: Build, terminal: SimulatedTerminal
) -> None:
    with house(terminal_options(terminal)) as running:
        terminal.alarm(55)
        terminal.alarm(53)
        terminal.alarm(32, uid=1)
        terminal.verify(None)
        records = running.subscriber.wait_count("zkbridge/front_door/alarm", 4)
        alarms = [content(record) for record in records]
        assert [alarm["event_type"] for alarm in alarms] == [
            "tamper", "exit_button", "duress", "verify_failed",
        ]  # fmt: skip
        assert [alarm["code"] for alarm in alarms] == [55, 53, 32, None]
        assert alarms[2]["user_id"] == "7"
        assert {alarm["serial"] for alarm in alarms} == {SERIAL}
        assert len({alarm["id"] for alarm in alarms}) == 4
        assert not any(record.retain for record in records)
        assert terminal.wait_for(lambda: terminal.acknowledged >= 4)


def test_live_events_that_stay_away_are_noticed_and_come_back(
    house: Build, terminal: SimulatedTerminal
) -> None:
    with house(terminal_options(terminal)) as running:
        running.wait_state("front_door", lambda state: state["mode"] == "live")
        connections = terminal.accepted
        terminal.behave(event_mask=0)
        first = terminal.wall_clock()
        wanted = []
        for second in range(2):
            wanted += ids(SERIAL, [("7", first + timedelta(seconds=second))])
            terminal.punch("7", when=first + timedelta(seconds=second))
            running.wait_ids(wanted)
        running.wait_state("front_door", lambda state: state["mode"] == "poll")
        assert terminal.wait_for(lambda: terminal.accepted > connections)  # reopened
        terminal.behave(event_mask=ALL_EVENTS)
        running.wait_state("front_door", lambda state: state["mode"] == "poll")
        registered, seen = terminal.requests[CMD_REG_EVENT], 0
        for second, source in ((2, "poll"), (3, "live")):
            seen = len(running.subscriber.records)
            wanted += ids(SERIAL, [("7", first + timedelta(seconds=second))])
            terminal.punch("7", when=first + timedelta(seconds=second))
            running.wait_ids(wanted)
            assert running.punches()[-1]["source"] == source
            assert terminal.wait_for(lambda: terminal.requests[CMD_REG_EVENT] > registered)
        running.wait_state("front_door", lambda state: state["mode"] == "live", after=seen - 1)
        assert running.ids() == wanted


# Commands


def test_a_command_polls_at_once(house: Build, terminal: SimulatedTerminal) -> None:
    with house(polled(terminal, poll_interval=3600)) as running:
        moment = terminal.wall_clock()
        terminal.punch("7", when=moment)
        command(running, command="poll")
        running.wait_ids(ids(SERIAL, [("7", moment)]))


def test_a_command_replays_a_time_from_the_store_and_from_the_terminal(
    house: Build, terminal: SimulatedTerminal
) -> None:
    now = terminal.wall_clock()
    history = [("7", now - timedelta(hours=hours)) for hours in (30, 3, 2)]
    for user, when in history:
        terminal.punch(user, when=when)
    with house(polled(terminal)) as running:
        new = [("007", now)]
        terminal.punch("007", when=now)
        running.wait_ids(ids(SERIAL, new))
        since = (now - timedelta(hours=4)).isoformat()
        command(running, command="replay", **{"from": since, "to": None})
        late = "zkbridge/front_door/punch/late"
        replayed = [content(r) for r in running.subscriber.wait_count(late, 3)]
        wanted = ids(SERIAL, [*history[1:], *new])
        assert sorted(punch["id"] for punch in replayed) == sorted(wanted)
        assert {punch["source"] for punch in replayed} == {"replay"}
        later = [("007", now + timedelta(seconds=1))]
        terminal.punch("007", when=later[0][1])
        running.wait_ids(ids(SERIAL, later))
        assert sorted(running.ids()) == sorted(wanted + ids(SERIAL, [*new, *later]))


# One person


def test_a_person_is_forgotten_in_the_store_and_at_the_broker(
    house: Build, terminal: SimulatedTerminal
) -> None:
    with house(polled(terminal), people={"presence": True}) as running:
        now = terminal.wall_clock()
        both = [("7", now), ("007", now)]
        for user, when in both:
            terminal.punch(user, when=when)
        running.wait_ids(ids(SERIAL, both))
        topic = "zkbridge/people/7/state"
        running.subscriber.wait_count(topic, 1)
        program = [sys.executable, "-m", "zkbridge"]
        arguments = ["-c", str(running.bridge.config_path)]
        subprocess.run([*program, "forget", "7", *arguments], check=True, capture_output=True)  # noqa: S603 - our own program
        records = running.subscriber.wait_count(topic, 2)
        assert records[-1].payload == b""
        exported = subprocess.run(  # noqa: S603 - our own program
            [*program, "export", "--format", "json", *arguments],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert "Grace Hopper" in exported
        assert "Ada Lovelace" not in exported
        last = [("007", now + timedelta(seconds=1))]
        running.restart(lambda: terminal.punch("007", when=last[0][1]))
        running.wait_ids(ids(SERIAL, last))
        assert running.ids() == ids(SERIAL, both + last)  # forgotten is not unknown


# Another configuration


def test_a_new_configuration_disturbs_only_what_it_changes(
    house: Build, terminal: SimulatedTerminal
) -> None:
    with (
        SimulatedTerminal(serial="SIDE0001", timezone=UTC, options={"MAC": "00:17:61:00:00:02"})
        as side,
        SimulatedTerminal(serial="BACK0001", timezone=UTC, options={"MAC": "00:17:61:00:00:03"})
        as back,
    ):  # fmt: skip
        front = terminal_options(terminal)
        with house(front, polled(side, name="Side")) as running:
            connections = terminal.accepted
            running.bridge.options["terminals"] = [front, polled(back, name="Back")]
            running.bridge.reload()
            running.wait_state("back", lambda state: state["synced"])
            for topic in ("zkbridge/side/state", "zkbridge/side/availability",
                          "homeassistant/device/zkbridge_side/config"):  # fmt: skip
                running.wait_cleared(topic)
            assert side.wait_for(lambda: side.connections == 0)
            moment = terminal.wall_clock()
            for each, serial in ((terminal, SERIAL), (back, "BACK0001")):
                each.punch("7", when=moment)
                name = "front_door" if each is terminal else "back"
                running.wait_ids(ids(serial, [("7", moment)]), name)
            assert terminal.accepted == connections


def test_a_wrong_new_configuration_is_reported_and_the_old_one_stays(
    house: Build, terminal: SimulatedTerminal
) -> None:
    front = polled(terminal)
    with house(front) as running:
        connections = terminal.accepted
        running.bridge.options["terminals"] = [front | {"poll_intervall": 5}]
        running.bridge.reload()
        running.bridge.wait_log("the old one stays")
        assert "poll_intervall" in running.bridge.log
        moment = terminal.wall_clock()
        terminal.punch("7", when=moment)
        running.wait_ids(ids(SERIAL, [("7", moment)]))
        assert terminal.accepted == connections
