"""Terminal, broker and subscriber around the real bridge."""

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest

from tests.mosquitto import Mosquitto, Subscriber
from zkbridge.simulator import SimulatedTerminal

SERIAL = "CDEF200960123"


@pytest.fixture
def terminal() -> Iterator[SimulatedTerminal]:
    """A terminal with two users; its clock is in UTC."""
    with SimulatedTerminal(serial=SERIAL, timezone=UTC) as simulated:
        simulated.add_user("7", "Ada Lovelace")
        simulated.add_user("007", "Grace Hopper")
        yield simulated


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker that keeps what it acknowledged."""
    with Mosquitto(tmp_path / "mosquitto", persistence=True) as mosquitto:
        yield mosquitto


@pytest.fixture
def subscriber(broker: Mosquitto) -> Iterator[Subscriber]:
    """Somebody who gets everything, also what comes while the connection is down."""
    with Subscriber(broker.port, lasting=True) as listening:
        yield listening
