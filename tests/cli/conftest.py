"""One simulated terminal that everything in it is known of."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from zkbridge.simulator import SimulatedTerminal

HOSTILE = "\x1b[2J[red]\u202egnp"


@pytest.fixture
def terminal() -> Iterator[SimulatedTerminal]:
    with SimulatedTerminal(timezone=UTC) as made:
        made.add_user("1", "Ana Souza", password="4711", card=99887766, group=2)
        made.add_user("0042", "=1+1")
        made.add_user("x-7", HOSTILE, privilege=14)
        made.punch("1", 1, 0, datetime(2026, 1, 5, 8, 0, 1))  # noqa: DTZ001 - a wall clock
        made.punch("0042", 15, 1, datetime(2026, 1, 6, 17, 30))  # noqa: DTZ001 - a wall clock
        made.punch("x-7", 200, 9, datetime(2026, 1, 7, 12, 0))  # noqa: DTZ001 - a wall clock
        made.operate(30, 3, (1, 0, 0, 0), when=datetime(2026, 1, 4, 9, 0))  # noqa: DTZ001 - a wall clock
        made.reset_counters()
        yield made
