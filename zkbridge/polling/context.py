"""What every part of one terminal's worker needs to know about that terminal."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from zkbridge.metrics import Metrics
from zkbridge.polling.directory import Directory
from zkbridge.polling.translate import Translator
from zkbridge.store import Store
from zkbridge.zk import Attendance


@dataclass(slots=True, kw_only=True)
class Context:
    """One terminal while it is connected.

    Attributes:
        number: The store's number for the terminal.
        terminal_id: Part of its topics.
        translator: Its records to events.
        directory: Its people.
        late_after_s: From what age on an event is late.
        process: Identifies this run of the bridge.
        clock: Host's clock, aware UTC.
        mono: Monotonic clock, seconds.
    """

    number: int
    terminal_id: str
    translator: Translator
    directory: Directory
    store: Store
    metrics: Metrics
    late_after_s: float
    process: str
    clock: Callable[[], datetime]
    mono: Callable[[], float]
    _measured: tuple[datetime, float] | None = field(default=None, init=False)

    def user_id(self, record: Attendance) -> str:
        """Return who a punch of the log is of, through the user table where it has an index."""
        if record.uid_only and record.uid is not None:
            return self.directory.user_id(record.uid)
        return record.user_id

    def clock_read(self, wall: datetime | None) -> None:
        """Take note of the terminal's clock, read just now; None: it has none."""
        self._measured = None if wall is None else (wall, self.mono())

    def terminal_clock(self) -> datetime | None:
        """Return the terminal's wall clock now; None when it was not read on this connection."""
        if self._measured is None:
            return None
        wall, at_s = self._measured
        try:
            return wall + timedelta(seconds=self.mono() - at_s)
        except OverflowError:
            return None
