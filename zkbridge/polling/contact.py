"""First contact with a terminal: which of its records are news. Pure.

What a log held before contact is taken as known unless ``backfill`` asks for it; what happens
while the first read goes on is news like any other.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from zkbridge.config import Backfill, TerminalOptions, since
from zkbridge.events import Source
from zkbridge.polling.translate import CLOCK_TOLERANCE_S
from zkbridge.store import KnownTerminal

_LOGGER = logging.getLogger(__name__)
# Of a terminal whose records an earlier store knew (contract 5.4).
_RECOVERY: Final = Backfill(kind="since", age=timedelta(days=7))
CONTACT_CLOCK: Final = "contact_clock"


@dataclass(frozen=True, slots=True)
class FirstContact:
    """What a log's first read publishes.

    Attributes:
        everything: Publish all of it.
        since: Publish what is not older than this, UTC.
        clock: The terminal's clock when contact began: what is stamped later happened after it.
    """

    everything: bool = False
    since: datetime | None = None
    clock: datetime | None = None

    @classmethod
    def planned(
        cls, known: KnownTerminal, options: TerminalOptions, now: datetime
    ) -> "FirstContact":
        """Say what configuration and store ask for.

        Args:
            known: The terminal as the store remembers it; a contact that was cut short left
                there when it began.
            options: The terminal as configured.
            now: Host's clock, UTC.
        """
        backfill = _RECOVERY if known.recovered else options.backfill
        if known.recovered and known.first_contact is None:
            _LOGGER.warning(
                "%s: the store was lost: the last 7 days of its logs go out once more as late"
                " events, what is older is taken as known",
                options.name,
            )
        began = known.facts.get(CONTACT_CLOCK)
        return cls(
            everything=backfill.kind == "all",
            since=since(backfill, now, options.timezone),
            clock=datetime.fromisoformat(began) if isinstance(began, str) else None,
        )

    def source(
        self,
        wall: datetime | None,
        clock: datetime | None,
        moment: Callable[[], datetime | None],
    ) -> Source | None:
        """Say how a record of a first read counts as found.

        Args:
            wall: Its wall-clock time; None for an impossible date.
            clock: The terminal's clock now; None when it has none.
            moment: Tells the same in UTC; asked only where it matters.

        Returns:
            None when it was there before.
        """
        if self._happened_since(wall, clock):
            return Source.POLL
        if self.everything:
            return Source.BACKFILL
        if self.since is not None and (at := moment()) is not None and at >= self.since:
            return Source.BACKFILL
        return None

    def _happened_since(self, wall: datetime | None, clock: datetime | None) -> bool:
        if self.clock is None or wall is None or clock is None:
            return False
        return self.clock <= wall <= clock + timedelta(seconds=CLOCK_TOLERANCE_S)
