"""Fresh or late by what an earlier look at the log is worth."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from zkbridge.events import Log
from zkbridge.metrics import Metrics
from zkbridge.polling.contact import FirstContact
from zkbridge.polling.context import Context
from zkbridge.polling.directory import Directory
from zkbridge.polling.reader import LogReader
from zkbridge.polling.translate import Translator
from zkbridge.simulator import SimulatedTerminal
from zkbridge.store import Lane, Store
from zkbridge.zk import ZKDevice


class Bench:
    """A reader with a terminal, a store and a clock in hand."""

    def __init__(self, terminal: SimulatedTerminal, store: Store, device: ZKDevice) -> None:
        self.terminal, self.store, self.device = terminal, store, device
        self.now_s = 0.0
        with store.transaction() as tx:
            known = tx.terminal(
                key="A", id="a", name="A", serial="A", mac=None, host="h", port=4370
            )
        self.context = Context(
            number=known.terminal,
            terminal_id="a",
            translator=Translator("A", UTC),
            directory=Directory(lambda _: True),
            store=store,
            metrics=Metrics(),
            late_after_s=120.0,
            process="p",
            clock=lambda: datetime.now(UTC),
            mono=lambda: self.now_s,
        )
        self.reader = LogReader(Log.PUNCHES, self.context, None)

    def read(self, *, counted: bool) -> list[float | None]:
        """Read; return the ages of what waits now, None for late."""
        self.context.clock_read(self.terminal.wall_clock())
        self.reader.read(
            self.device,
            count=self.terminal.punch_count,
            counted=counted,
            whole=False,
            first=FirstContact(),
            ask_about=lambda _: None,
        )
        waiting = self.store.pending(Lane.NORMAL, self.context.number, 0, 100)
        return [item.freshness.age_s for item in waiting]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with (
        SimulatedTerminal(timezone=UTC) as terminal,
        Store(tmp_path / "store.db") as store,
        ZKDevice(terminal.host, terminal.port) as device,
    ):
        terminal.punch("1", when=terminal.wall_clock() - timedelta(days=1))
        yield Bench(terminal, store, device)


def old_punch(bench: Bench) -> None:
    bench.terminal.punch("7", when=bench.terminal.wall_clock() - timedelta(minutes=50))


def test_what_a_moved_count_announced_was_absent_a_moment_ago(bench: Bench) -> None:
    assert bench.read(counted=True) == []
    bench.now_s = 3600.0
    bench.reader.nothing_new(bench.now_s)
    old_punch(bench)
    bench.now_s += 30.0
    assert bench.read(counted=True) == [0.0]


def test_a_count_that_did_not_move_is_no_evidence(bench: Bench) -> None:
    assert bench.read(counted=True) == []
    bench.now_s = 3600.0
    bench.reader.nothing_new(bench.now_s)
    old_punch(bench)
    bench.now_s += 30.0
    assert bench.read(counted=False) == [None]
