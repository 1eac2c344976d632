"""Who was last at a terminal and how many came today: what a state shows beyond the worker's view.

Both come from the store, asked again only for terminals whose punches changed, and at their
midnight. Owned by the publisher's thread.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final

from zkbridge.events import Punch, TerminalView
from zkbridge.mqtt.messages import LastAndToday
from zkbridge.people import Privacy
from zkbridge.store import Store
from zkbridge.timezones import iso_local, to_utc

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Day:
    """One day in a zone.

    Attributes:
        start: Its midnight as the terminals' wall clocks show it, naive.
        begins: The same moment, UTC.
        ends: The next midnight, UTC.
    """

    start: datetime
    begins: datetime
    ends: datetime

    @property
    def text(self) -> str:
        """Its midnight, ISO 8601 with the offset."""
        return iso_local(self.begins, self.start)


def day_at(moment: datetime, local: tzinfo) -> Day:
    """Return the day that a zone has at a moment.

    >>> from zkbridge.timezones import zone
    >>> day_at(datetime(2026, 3, 29, 12, tzinfo=UTC), zone("Europe/Amsterdam")).text
    '2026-03-29T00:00:00+01:00'
    """
    start = datetime.combine(moment.astimezone(local).date(), time.min)
    return Day(start, to_utc(start, local), to_utc(start + _DAY, local))


class Recent:
    """Completes states; knows which of them are out of date."""

    def __init__(self, store: Store, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._zones: Mapping[str, tzinfo] = {}
        self._days: dict[str, Day] = {}
        self._next_midnight: datetime | None = None
        self._versions: Mapping[int, int] = {}

    def configure(self, zones: Mapping[str, tzinfo]) -> None:
        """Take the terminals' zones, by terminal id."""
        self._zones = zones
        self._days = {}
        self._turn_days()

    def changed(self) -> set[str]:
        """Return the terminals whose punches changed since the last call."""
        versions = self._store.punch_versions
        if versions is self._versions:
            return set()
        before, self._versions = self._versions, versions
        return {
            known.id
            for known in self._store.terminals()
            if versions.get(known.terminal) != before.get(known.terminal)
        }

    def midnight_in_s(self) -> float | None:
        """Return the seconds until the next midnight of any terminal; None: there is none."""
        if self._next_midnight is None:
            return None
        return max(0.0, (self._next_midnight - self._clock()).total_seconds())

    def new_days(self) -> set[str]:
        """Return the terminals that have another day than at the last call."""
        before = self._days
        if self._next_midnight is None or self._clock() < self._next_midnight:
            return set()
        self._turn_days()
        return {name for name, day in self._days.items() if before.get(name) != day}

    def _turn_days(self) -> None:
        now = self._clock()
        by_zone = {local: day_at(now, local) for local in set(self._zones.values())}
        self._days = {name: by_zone[local] for name, local in self._zones.items()}
        self._next_midnight = min((day.ends for day in by_zone.values()), default=None)

    def of(self, view: TerminalView, privacy: Privacy) -> LastAndToday:
        """Return what the state of a terminal shows of its punches.

        Raises:
            StoreError: The store cannot be read.
        """
        terminal_id = view.terminal.id
        day = self._days.get(terminal_id)
        punch = self._last(view)
        shown = None if punch is None else privacy.public(punch)
        return LastAndToday(
            user=None if shown is None else shown.user_name or shown.user_id,
            user_id=None if shown is None else shown.user_id,
            type=None if shown is None else shown.event_type,
            method=None if shown is None else shown.verified_by,
            punches=None if day is None else self._store.day_count(terminal_id, day.start.date()),
            since=None if day is None else day.text,
        )

    def _last(self, view: TerminalView) -> Punch | None:
        # The one that the state's time is of, so that time and person never contradict; erased
        # with its contents, the person is not replaced by whoever came before.
        if view.state.last_punch is None:
            return None
        moment = datetime.fromisoformat(view.state.last_punch).astimezone(UTC)
        stored = self._store.punch_at(view.terminal.id, moment)
        return stored.event if stored is not None and isinstance(stored.event, Punch) else None
