"""What is due when: which part of a log the next poll reads. Pure.

Contract 5.5: an idle poll is one small request where counts can be trusted; otherwise the tail
is read and proven; once a day the whole table.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

TAIL_EVERY_S: Final = 3600.0
WHOLE_EVERY_S: Final = 86400.0
USERS_EVERY_S: Final = 6 * 3600.0
CLOCK_EVERY_S: Final = 3600.0
# A whole table that takes longer than this is not read once a day (contract 5.5).
WHOLE_WITHIN_S: Final = 60.0


class Reading(Enum):
    """How much of a log a poll reads."""

    NOTHING = "nothing"
    TAIL = "tail"
    WHOLE = "whole"


@dataclass(slots=True)
class LogSchedule:
    """What is remembered of one log between polls, times on the monotonic clock.

    Attributes:
        incremental: Whether the tail may be read on its own (configuration, and 24 h of rest
            after a proof failed).
        count: Records in the log as the terminal counted them when it was last read.
        tail_at_s: When the tail was last read and proven, None: not on this connection.
        whole_at_s: When the whole table was last read, or this began.
        whole_took_s: How long that took.
        counts_froze: A record appeared although the count did not change.
        expect_news: A live event said that there is something to reconcile.
    """

    incremental: bool = True
    count: int | None = None
    tail_at_s: float | None = None
    whole_at_s: float | None = None
    whole_took_s: float = 0.0
    counts_froze: bool = False
    expect_news: bool = False

    def reading(
        self, now_s: float, *, count: int | None, capacity: int | None, known: bool
    ) -> Reading:
        """Decide what to read.

        Args:
            now_s: Monotonic clock.
            count: Records in the log as the terminal counts them; None: it does not tell.
            capacity: How many records the log can hold; None: unknown.
            known: Whether the log was ever read to its end.
        """
        if not known or self._whole_due(now_s):
            return Reading.WHOLE
        if not self._news(now_s, count, capacity):
            return Reading.NOTHING
        return Reading.TAIL if self.incremental else Reading.WHOLE

    def _whole_due(self, now_s: float) -> bool:
        return (
            self.whole_at_s is not None
            and now_s - self.whole_at_s >= WHOLE_EVERY_S
            and self.whole_took_s < WHOLE_WITHIN_S
        )

    def _news(self, now_s: float, count: int | None, capacity: int | None) -> bool:
        return (
            self.expect_news
            or self.counts_froze
            or self.tail_at_s is None
            or now_s - self.tail_at_s >= TAIL_EVERY_S
            or not count
            or count != self.count
            or (capacity is not None and count >= capacity)
        )

    def finished(
        self, now_s: float, took_s: float, *, count: int | None, whole: bool, new: int
    ) -> None:
        """Take note of a read that came to its end.

        Args:
            now_s: Monotonic clock.
            took_s: How long it took.
            count: What the terminal counted just before.
            whole: Whether it was the whole table.
            new: Records that were not known.
        """
        if count != self.count:
            self.counts_froze = False
        elif new:
            self.counts_froze = True
        self.count = count
        self.tail_at_s = now_s
        self.expect_news = False
        if whole or self.whole_at_s is None:
            self.whole_at_s = now_s
        if whole:
            self.whole_took_s = took_s

    def reconnected(self) -> None:
        """A new connection: what is at the other end has to be proven again."""
        self.tail_at_s = None
