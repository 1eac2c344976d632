"""The last log lines, kept in memory for the page."""

import logging
import threading
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_LINES: Final = 500
_LONGEST: Final = 2000


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the log.

    Attributes:
        number: Counts up from 1 since the start.
        moment: When, UTC.
    """

    number: int
    moment: datetime
    level: str
    logger: str
    text: str


class LogView(logging.Handler):
    """Keeps the last 500 lines of what is logged; any thread."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: deque[LogLine] = deque(maxlen=_LINES)
        self._count = 0
        self._guard = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        try:
            text = self.format(record)[:_LONGEST]
        except (TypeError, ValueError):
            self.handleError(record)
            return
        with self._guard:
            self._count += 1
            moment = datetime.fromtimestamp(record.created, UTC)
            level = record.levelname.lower()
            self._lines.append(LogLine(self._count, moment, level, record.name, text))

    def lines(self, after: int = 0) -> list[LogLine]:
        """Return what is kept, oldest first.

        Args:
            after: Only lines with a higher number.
        """
        with self._guard:
            return [line for line in self._lines if line.number > after]
