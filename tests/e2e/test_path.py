"""From the door to the subscriber: simulated terminal, real bridge, real broker."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.bridge import BridgeProcess, terminal_options
from tests.e2e.conftest import SERIAL
from tests.mosquitto import Mosquitto, Record, Subscriber
from zkbridge.identity import operation_id, punch_id
from zkbridge.simulator import SimulatedTerminal
from zkbridge.simulator.records import pack_time

PUNCH = "zkbridge/front_door/punch"
LATE = "zkbridge/front_door/punch/late"
STATE = "zkbridge/front_door/state"
AVAILABLE = "zkbridge/front_door/availability"


def payload(record: Record) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(record.payload)
    return content


def wait_synced(subscriber: Subscriber) -> None:
    """Wait until the bridge has read the terminal's logs to their end."""
    subscriber.wait_for(
        lambda records: any(r.topic == STATE and payload(r)["synced"] for r in records)
    )


def punch_ids(subscriber: Subscriber) -> list[str]:
    return [payload(r)["id"] for r in subscriber.on("zkbridge/front_door/punch/#")]


@pytest.mark.parametrize("live", [True, False], ids=["live", "poll"])
def test_a_punch_arrives_once_with_everything_known_about_it(
    terminal: SimulatedTerminal, broker: Mosquitto, subscriber: Subscriber, tmp_path: Path,
    *, live: bool,
) -> None:  # fmt: skip
    options = terminal_options(terminal, live=live)
    with BridgeProcess(tmp_path / "bridge", broker.port, options):
        wait_synced(subscriber)
        wall = terminal.wall_clock()
        terminal.punch("007", verify=15, state=1, when=wall)
        record = subscriber.wait_count(PUNCH, 1)[0]
        terminal.punch("7")
        subscriber.wait_count(PUNCH, 2)

    content = payload(record)
    seen_at = datetime.fromisoformat(content.pop("seen_at"))
    assert timedelta() <= seen_at - wall.replace(tzinfo=UTC) < timedelta(seconds=10)
    assert content == {
        "id": punch_id(SERIAL, "007", pack_time(wall), 0),
        "event_type": "check_out",
        "user_id": "007",
        "user_name": "Grace Hopper",
        "timestamp": wall.replace(tzinfo=UTC).isoformat(),
        "verified_by": "face",
        "verify_code": 15,
        "punch_code": 1,
        "terminal_id": "front_door",
        "terminal_name": "Front door",
        "serial": SERIAL,
        "source": "live" if live else "poll",
    }
    assert (record.qos, record.retain) == (1, False)
    assert record.expiry_s is not None
    assert record.expiry_s <= 3600
    assert len(punch_ids(subscriber)) == 2


def test_an_operation_arrives_once(
    terminal: SimulatedTerminal, broker: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    with BridgeProcess(tmp_path / "bridge", broker.port, terminal_options(terminal)):
        wait_synced(subscriber)
        terminal.operate(4, admin=1, params=(1, 2, 3, 4))
        record = subscriber.wait_count("zkbridge/front_door/oplog", 1)[0]

    content = payload(record)
    raw = bytes.fromhex(content["raw"])
    wall = datetime.fromisoformat(content["timestamp"])
    content.pop("seen_at")
    assert len(raw) == 16
    assert content == {
        "id": operation_id(SERIAL, raw, 0),
        "event_type": "menu_entered",
        "op_code": 4,
        "timestamp": wall.isoformat(),
        "admin_uid": 1,
        "params": [1, 2, 3, 4],
        "raw": raw.hex(),
        "terminal_id": "front_door",
        "terminal_name": "Front door",
        "serial": SERIAL,
        "source": "poll",
    }


def test_what_was_there_before_first_contact_stays_there(
    terminal: SimulatedTerminal, broker: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    for minute in range(50):
        terminal.punch("7", when=terminal.wall_clock() - timedelta(minutes=60 - minute))
    with BridgeProcess(tmp_path / "bridge", broker.port, terminal_options(terminal)):
        wait_synced(subscriber)
        terminal.punch("7")
        subscriber.wait_count(PUNCH, 1)
    assert len(punch_ids(subscriber)) == 1


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_restarted_bridge_loses_and_repeats_nothing(
    terminal: SimulatedTerminal, broker: Mosquitto, subscriber: Subscriber, tmp_path: Path,
    how: str,
) -> None:  # fmt: skip
    bridge = BridgeProcess(tmp_path / "bridge", broker.port, terminal_options(terminal))
    with bridge:
        wait_synced(subscriber)
        terminal.punch("7")
        subscriber.wait_count(PUNCH, 1)
        if how == "kill":
            bridge.kill()
        else:
            assert bridge.stop() == 0
        assert subscriber.on(AVAILABLE)[-1].payload == (b"online" if how == "kill" else b"offline")
        terminal.punch("007")
        bridge.start()
        terminal_punches = "zkbridge/front_door/punch"
        subscriber.wait_for(
            lambda records: sum(r.topic.startswith(terminal_punches) for r in records) >= 2
        )
        terminal.punch("7", state=1, when=terminal.wall_clock() + timedelta(seconds=2))
        subscriber.wait_for(
            lambda records: sum(r.topic.startswith(terminal_punches) for r in records) >= 3
        )
    ids = punch_ids(subscriber)
    # A kill may come between an acknowledgement and its record: that one message may repeat.
    repeated = 1 if how == "kill" else 0
    assert len(set(ids)) == 3
    assert len(ids) <= 3 + repeated


def test_nothing_is_missed_while_the_broker_is_away(
    terminal: SimulatedTerminal, broker: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    with BridgeProcess(tmp_path / "bridge", broker.port, terminal_options(terminal)) as bridge:
        wait_synced(subscriber)
        subscriber.expect_restart()
        broker.stop()
        bridge.wait_log("broker", count=1)
        wall = terminal.wall_clock()
        for second in range(30):
            terminal.punch("7", when=wall - timedelta(seconds=30 - second))
        broker.start()
        subscriber.wait_ready()
        subscriber.wait_for(lambda records: sum(r.topic.startswith(PUNCH) for r in records) >= 30)
    records = subscriber.on("zkbridge/front_door/punch/#")
    times = [payload(r)["timestamp"] for r in records]
    assert times == sorted(times)
    assert len(set(punch_ids(subscriber))) == len(records) == 30


def test_what_happened_while_the_terminal_was_away_is_late_when_it_is_old(
    terminal: SimulatedTerminal, broker: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    bridge = BridgeProcess(
        tmp_path / "bridge", broker.port, terminal_options(terminal), late_after=5
    )
    with bridge:
        wait_synced(subscriber)
        terminal.pause()
        subscriber.wait_for(
            lambda records: any(r.topic == AVAILABLE and r.payload == b"offline" for r in records)
        )
        subscriber.wait_for(
            lambda records: any(
                r.topic == STATE
                and (payload(r)["error"], payload(r)["mode"]) == ("unreachable", "offline")
                for r in records
            )
        )
        wall = terminal.wall_clock()
        terminal.punch("7", when=wall - timedelta(minutes=10))
        terminal.punch("007", when=wall - timedelta(minutes=9))
        terminal.resume()
        late = subscriber.wait_count(LATE, 2)
    assert [payload(r)["user_id"] for r in late] == ["7", "007"]
    assert all(payload(r)["source"] == "poll" for r in late)
    assert not subscriber.on(PUNCH)


def test_only_a_little_is_read_when_only_a_little_is_new(
    broker: Mosquitto, subscriber: Subscriber, tmp_path: Path
) -> None:
    with SimulatedTerminal(serial=SERIAL, timezone=UTC) as terminal:
        terminal.add_user("7", "Ada")
        terminal.operate(0)  # of an empty log the counts say nothing
        start = terminal.wall_clock() - timedelta(days=40)
        for number in range(20_000):
            terminal.punch("7", when=start + timedelta(minutes=number), live=False)
        options = terminal_options(terminal, live=False, poll_interval=1)
        with BridgeProcess(tmp_path / "bridge", broker.port, options) as bridge:
            wait_synced(subscriber)
            requests = len(terminal.command_log)
            bridge.wait_until(lambda: len(terminal.command_log) >= requests + 3, "three idle polls")
            idle = {entry.command for entry in terminal.command_log[requests : requests + 3]}
            assert idle == {50}
            sent = terminal.bytes_out
            terminal.punch("7", when=start + timedelta(minutes=20_000))
            subscriber.wait_count(PUNCH, 1)
            assert terminal.bytes_out - sent < 4096
