"""What a reload and an erasure must not lose or keep."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mosquitto import Mosquitto
from zkbridge.bridge import Bridge
from zkbridge.config import Options, parse
from zkbridge.people import Portrait
from zkbridge.simulator import SimulatedTerminal


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "mosquitto") as mosquitto:
        yield mosquitto


def options(
    broker: Mosquitto,
    terminal: SimulatedTerminal,
    folder: Path,
    *,
    name: str = "Front door",
    **changes: object,
) -> Options:
    return parse(
        {
            "mqtt": {"host": "127.0.0.1", "port": broker.port},
            "terminals": [{"name": name, "host": terminal.host, "port": terminal.port}],
            "store": {"path": str(folder / "store.db")},
            "web": {"enabled": False},
            **changes,
        }
    )


def ids(bridge: Bridge) -> list[str]:
    return [worker.view.terminal.id for worker in bridge._fleet]


def synced(bridge: Bridge, terminal: SimulatedTerminal) -> None:
    assert terminal.wait_for(lambda: all(w.view.state.synced for w in bridge._fleet))


def test_a_terminal_renamed_together_with_anything_else_keeps_its_id(
    broker: Mosquitto, tmp_path: Path
) -> None:
    with SimulatedTerminal() as terminal:
        bridge = Bridge(options(broker, terminal, tmp_path))
        bridge.start()
        try:
            synced(bridge, terminal)
            bridge.reload(options(broker, terminal, tmp_path, name="Gate", late_after="5m"))
            synced(bridge, terminal)
            assert ids(bridge) == ["front_door"]
        finally:
            bridge.stop()


def test_a_forgotten_portrait_is_dropped() -> None:
    bridge = Bridge(parse({"mqtt": {"host": "h"}, "web": {"enabled": False}}))
    first, second = Portrait("7", b"a"), Portrait("8", b"b")
    bridge._portraits.put("front", first)
    bridge._portraits.put("back", second)
    bridge._portraits.drop(first)
    assert bridge._portraits.all() == {"back": second}
