"""Terminals that the tests of this folder share."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.simulator.raw import RawClient
from zkbridge.simulator import SimulatedPunch, SimulatedTerminal, pack_time

FIRST_PUNCH = datetime.fromisoformat("2026-11-02T08:00:00")


def punches(count: int, user_id: str = "1001") -> list[SimulatedPunch]:
    """Punches a minute apart."""
    return [
        SimulatedPunch(user_id, pack_time(FIRST_PUNCH + timedelta(minutes=index)), 1, index % 2)
        for index in range(count)
    ]


@pytest.fixture
def terminal() -> Iterator[SimulatedTerminal]:
    """A well-behaved terminal in UTC with two users and a hundred punches."""
    with SimulatedTerminal(timezone=UTC) as running:
        running.add_user("1001", "Anna Kowalska", privilege=14, templates={3: b"\x4d\xfd" * 30})
        running.add_user("1002", "محمد علي", card=123456, password="4321")
        running.load_punches(punches(100))
        yield running


@pytest.fixture
def client(terminal: SimulatedTerminal) -> Iterator[RawClient]:
    """A connected client of that terminal."""
    with RawClient(terminal) as raw:
        raw.connect()
        yield raw
