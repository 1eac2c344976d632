"""Commands, and another bridge under the same base topic, over a real mosquitto."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.mosquitto import Mosquitto, Subscriber
from tests.mqtt.conftest import MakePublisher
from tests.mqtt.rig import Site, make_publisher, open_store, wait_until
from zkbridge.mqtt.commands import (
    Command,
    CommandError,
    Poll,
    RateLimit,
    Replay,
    SetLogLevel,
    parse_command,
)
from zkbridge.mqtt.settings import Hooks, Settings

DOOR = "zkbridge/door/command"
BRIDGE = "zkbridge/bridge/command"
POLL = b'{"command": "poll"}'


@pytest.mark.parametrize(
    ("target", "payload", "command"),
    [
        pytest.param("door", POLL, Poll("door"), id="poll"),
        pytest.param(
            "door",
            b'{"command": "replay", "from": "2026-01-01T00:00:00",'
            b' "to": "2026-01-02T00:00:00+02:00"}',
            Replay(
                "door",
                datetime(2026, 1, 1),  # noqa: DTZ001 - in the terminal's zone
                datetime.fromisoformat("2026-01-02T00:00:00+02:00"),
            ),
            id="replay",
        ),
        pytest.param(
            "door",
            b'{"command": "replay", "from": "2026-01-01T00:00:00Z"}',
            Replay("door", datetime(2026, 1, 1, tzinfo=UTC), None),
            id="replay until now",
        ),
        pytest.param(
            "bridge",
            b'{"command": "log_level", "level": "debug"}',
            SetLogLevel("debug"),
            id="level",
        ),
    ],
)
def test_commands_are_read(target: str, payload: bytes, command: Command) -> None:
    assert parse_command(target, payload) == command


@pytest.mark.parametrize(
    ("target", "payload"),
    [
        ("door", b""),
        ("door", b"\xff"),
        ("door", b"[" * 4000),
        ("door", b"{" + b" " * 5000 + b"}"),
        ("door", b'"poll"'),
        ("door", b'{"command": "unlock"}'),
        ("door", b'{"command": "replay"}'),
        ("door", b'{"command": "replay", "from": 5}'),
        ("door", b'{"command": "replay", "from": "yesterday"}'),
        ("door", b'{"command": "replay", "from": "2026-01-02", "to": "2026-01-01"}'),
        ("door", b'{"command": "log_level", "level": "debug"}'),
        ("bridge", POLL),
        ("bridge", b'{"command": "log_level", "level": "loud"}'),
        ("bridge", b'{"command": "log_level", "level": ["debug"]}'),
    ],
)
def test_anything_else_is_no_command(target: str, payload: bytes) -> None:
    with pytest.raises(CommandError):
        parse_command(target, payload)


def test_ten_commands_a_minute_for_each_terminal() -> None:
    limit = RateLimit()
    assert [limit.take("door", 0.0) for _ in range(12)] == [True] * 10 + [False] * 2
    assert limit.take("gate", 0.0)
    assert limit.take("door", 60.0)


def test_a_flood_is_said_once() -> None:
    limit = RateLimit()
    assert [limit.first_refusal("door") for _ in range(3)] == [True, False, False]


def test_commands_reach_the_handler_and_retained_or_broken_ones_do_not(
    site: Site, subscriber: Subscriber, start: MakePublisher, caplog: pytest.LogCaptureFixture
) -> None:
    subscriber.publish(DOOR, POLL, retain=True)
    taken: list[Command] = []
    publisher = start(None, Hooks(command=taken.append))
    wait_until(lambda: publisher._ready)
    with caplog.at_level(logging.WARNING):
        subscriber.publish(DOOR, b"broken")
        subscriber.publish("zkbridge/nowhere/command", POLL)
        subscriber.publish(DOOR, b"x" * 5000)
        subscriber.publish(BRIDGE, b'{"command": "log_level", "level": "debug"}')
        wait_until(lambda: taken)
    assert taken == [SetLogLevel("debug")]
    assert [record.getMessage() for record in caplog.records] == [
        "a command to 'door' is ignored: it is no JSON",
        "a command to 'nowhere' is ignored: there is no such terminal",
        "a command to 'door' is ignored: it is larger than 4096 bytes",
    ]


def test_too_many_commands_give_one_line(
    site: Site, subscriber: Subscriber, start: MakePublisher, caplog: pytest.LogCaptureFixture
) -> None:
    taken: list[Command] = []
    publisher = start(None, Hooks(command=taken.append))
    wait_until(lambda: publisher._ready)
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            subscriber.publish(DOOR, POLL)
        subscriber.publish(BRIDGE, b'{"command": "log_level", "level": "info"}')
        wait_until(lambda: SetLogLevel("info") in taken)
    assert taken == [Poll("door")] * 10 + [SetLogLevel("info")]
    assert len(caplog.records) == 1


def test_two_bridges_recognise_each_other(
    site: Site,
    broker: Mosquitto,
    start: MakePublisher,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = start()
    wait_until(lambda: first._announcer.retained.payload("zkbridge/bridge/state"))
    (tmp_path / "other").mkdir()
    other_store = open_store(tmp_path / "other")
    second = make_publisher(other_store, broker.port)
    with caplog.at_level(logging.ERROR):
        second.start()
        wait_until(lambda: first.status.clash and second.status.clash)
    second.stop()
    assert second.join(10)
    assert first.status.clash == other_store.instance
    assert second.status.clash == site.store.instance
    other_store.close()
    assert len(caplog.records) == 2
    assert all("mqtt.base_topic" in record.getMessage() for record in caplog.records)


def test_what_an_earlier_life_left_is_no_other_bridge(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    state = json.dumps({"instance": "abcd1234", "started_at": "2020-01-01T00:00:00+00:00"})
    subscriber.publish("zkbridge/bridge/state", state, retain=True)
    publisher = start(Settings(directions={"door": "state"}))
    subscriber.wait_count("zkbridge/bridge/state", 2)
    assert publisher.status.clash is None
