"""Terminal, broker and bridge around a real Home Assistant.

Only collected where ``HALAB`` names the command that starts Home Assistant: ``make test-ha``.
"""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from tests.bridge import BridgeProcess, terminal_options
from tests.ha.lab import COMMAND, HomeAssistant
from tests.mosquitto import Mosquitto, Subscriber
from zkbridge.simulator import SimulatedTerminal

collect_ignore_glob = [] if os.environ.get(COMMAND) else ["test_*.py"]

# The smallest thing that Home Assistant hands on as a JPEG: it looks at none of it.
PICTURE = b"\xff\xd8\xff\xe0" + b"zkbridge" * 50 + b"\xff\xd9"
PEOPLE = {"photos": True, "presence": True, "tags": True}


@dataclass(frozen=True, slots=True)
class House:
    """Everything together, running."""

    terminal: SimulatedTerminal
    broker: Mosquitto
    bridge: BridgeProcess
    home: HomeAssistant
    listener: Subscriber
    _punched: dict[str, datetime] = field(default_factory=dict)

    def punch(self, user_id: str = "7", *, state: int = 0) -> None:
        """Punch at the terminal and wait until it is published."""
        topic = "zkbridge/front_door/punch"
        while self.terminal.wall_clock() == self._punched.get(user_id):
            # Twice in one second is one punch.
            threading.Event().wait(0.05)
        self._punched[user_id] = self.terminal.wall_clock()
        before = len(self.listener.on(f"{topic}/#"))
        self.terminal.punch(user_id, state=state)
        self.listener.wait_for(
            lambda records: sum(r.topic.startswith(topic) for r in records) > before
        )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A terminal with two people, all opt-ins on, Home Assistant has seen it all."""
    folder = tmp_path_factory.mktemp("house")
    with (
        SimulatedTerminal(serial="AJNE210000001", timezone=UTC) as terminal,
        Mosquitto(folder / "mosquitto", persistence=True) as broker,
        Subscriber(broker.port) as listener,
    ):
        terminal.add_user("7", "Ada Lovelace", photo=PICTURE)
        terminal.add_user("8", "Grace Hopper")
        with (
            BridgeProcess(
                folder / "bridge", broker.port, terminal_options(terminal), people=PEOPLE
            ) as bridge,
            HomeAssistant(folder / "home", broker.port) as home,
        ):
            made = House(terminal, broker, bridge, home, listener)
            settle(made)
            yield made


def settle(house: House) -> None:
    """Wait until Home Assistant has said that it is there, and knows the terminal."""
    house.listener.wait_for(
        lambda records: any(
            r.topic == "homeassistant/status" and r.payload == b"online" for r in records
        ),
        60,
    )
    house.home.wait_state("binary_sensor.front_door_online", "on")
