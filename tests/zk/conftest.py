"""Terminals and hypothesis profiles that the tests of this folder share."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings

from zkbridge.simulator import SimulatedPunch, SimulatedTerminal, pack_time
from zkbridge.zk import ZKDevice
from zkbridge.zk.transport import TransportKind

settings.register_profile("default", max_examples=60, deadline=None)
settings.register_profile(
    "fuzz",
    max_examples=int(os.environ.get("ZKBRIDGE_FUZZ_EXAMPLES", "200000")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

FIRST_PUNCH = datetime.fromisoformat("2026-01-05T08:00:00")


def punches(count: int, *, start: int = 0, user_ids: int = 7) -> list[SimulatedPunch]:
    """Punches a minute apart, each at a moment of its own."""
    return [
        SimulatedPunch(
            f"{1001 + index % user_ids}",
            pack_time(FIRST_PUNCH + timedelta(minutes=index)),
            1,
            index % 2,
            1 + index % user_ids,
        )
        for index in range(start, start + count)
    ]


@pytest.fixture
def terminal() -> Iterator[SimulatedTerminal]:
    """A well-behaved terminal in UTC with seven users and an empty log."""
    with SimulatedTerminal(timezone=UTC) as running:
        for index in range(7):
            running.add_user(f"{1001 + index}", f"User {index}", password="4321", card=900 + index)
        yield running


@pytest.fixture(params=["tcp", "udp"])
def kind(request: pytest.FixtureRequest) -> TransportKind:
    """Both ways to talk to a terminal."""
    value: TransportKind = "udp" if request.param == "udp" else "tcp"
    return value


def device(
    terminal: SimulatedTerminal, kind: TransportKind = "tcp", timeout: float = 5.0
) -> ZKDevice:
    """A client of a simulated terminal."""
    return ZKDevice(terminal.host, terminal.port, timeout=timeout, kind=kind)
