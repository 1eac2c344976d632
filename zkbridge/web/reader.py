"""What the page shows, read from the store. Blocking: called off the server's loop."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Final

from zkbridge.events import Punch
from zkbridge.metrics import Readings, TerminalReading
from zkbridge.store import EventFilter, Store, UserDay
from zkbridge.web.forecast import WINDOW, full_on
from zkbridge.web.health import Health
from zkbridge.web.shapes import iso, problems, punch_json, terminal_json

_LATEST: Final = 12
# Marks on one row of the day.
_MARKS: Final = 60
_MOST_LATEST: Final = 200
_DAYS: Final = timedelta(days=29)
# Longer than any wait for Home Assistant's restart.
_PATIENCE: Final = timedelta(minutes=10)
_LONGEST_RANGE: Final = timedelta(days=366)
_MOST_OF_ONE: Final = 20_000
_A_DAY: Final = timedelta(days=1)
# How far a terminal's day can begin before and end after the same day in UTC.
_ZONES: Final = timedelta(hours=15)


class Reader:
    """Reads for the endpoints and the live feed; any thread.

    Args:
        store: Read only.
        health: How the bridge is doing.
        version: The bridge's.
        clock: Aware UTC.
    """

    def __init__(
        self,
        store: Store,
        *,
        health: Callable[[], Health],
        version: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._health = health
        self._version = version
        self._clock = clock

    def today(self) -> date:
        """The date in the host's zone."""
        return self._clock().astimezone().date()

    # the live feed

    def newest(self) -> int:
        """Return the sequence number of the newest event."""
        return self._store.last_seq()

    def since(self, seq: int, limit: int) -> list[tuple[int, Mapping[str, object]]]:
        """Return punches stored after that one, oldest first."""
        return [(stored.seq, punch_json(stored)) for stored in self._store.after(seq, limit)]

    # states

    def overview(self) -> dict[str, object]:
        """Return how the bridge is doing; equal as long as nothing has changed."""
        health = self._health()
        views = self._store.views()
        depth = self._store.queue_depth()
        oldest = self._store.oldest_pending() if depth else None
        stuck = oldest is not None and self._clock() - oldest > _PATIENCE
        found = problems(health, views, waiting_since=oldest if stuck else None)
        return {
            "version": self._version,
            "started_at": iso(health.started_at),
            "today": self.today().isoformat(),
            "status": "ok" if not found else str(found[0]["severity"]),
            "problems": found,
            "broker": {
                "address": health.broker,
                "connected": health.broker_connected,
                "error": health.broker_error,
            },
            "queue": {"depth": depth, "oldest": iso(oldest) if oldest else None},
            "refused": health.refused,
            "terminals_online": sum(view.online is True for view in views),
            "terminals": self.terminals(),
        }

    def terminals(self) -> list[dict[str, object]]:
        """Return all terminals, each with the day on which its log will be full."""
        today = self.today()
        return [
            terminal_json(
                view,
                full_on(
                    view.state.punches,
                    view.state.punches_capacity,
                    self._store.day_counts(today - WINDOW, today - _A_DAY, view.terminal.id),
                    today,
                ),
            )
            for view in self._store.views()
        ]

    def readings(self) -> Readings:
        """Return what the gauges of ``/metrics`` show."""
        health = self._health()
        return Readings(
            version=self._version,
            queue_depth=self._store.queue_depth(),
            oldest_undelivered_s=self._store.oldest_pending_age(),
            broker_connected=health.broker_connected,
            refused=health.refused,
            terminals=tuple(
                TerminalReading(
                    terminal_id=view.terminal.id,
                    up=view.online,
                    clock_drift_s=view.state.clock_drift,
                    log_used=view.state.log_used,
                    users=view.state.users,
                    punches=view.state.punches,
                    undecodable=view.state.undecodable,
                )
                for view in self._store.views()
            ),
        )

    # stored punches

    def page(
        self, wanted: EventFilter, limit: int, before: int | None
    ) -> tuple[list[dict[str, object]], int | None]:
        """Return punches, newest first, and where the next page begins; None: there is none."""
        found = self._store.query(
            since=wanted.since,
            until=wanted.until,
            terminal=wanted.terminal,
            user_id=wanted.user_id,
            limit=limit,
            before_seq=before,
        )
        following = found[-1].seq if len(found) == limit else None
        return [punch_json(stored) for stored in found], following

    def day(self, day: date | None, limit: int, offset: int) -> dict[str, object]:
        """Return who came on a day, by the terminals' clocks, and how many in each hour.

        Args:
            day: None: today.
            limit: At most so many people, those seen last first.
            offset: So many of them were asked for already.
        """
        today = self.today()
        day = day or today
        # First, so that the live feed repeats rather than leaves out what comes meanwhile.
        seq = self._store.last_seq()
        people = self._store.user_days(day, day)
        people.sort(key=lambda person: person.last, reverse=True)
        counts = self._store.hour_counts(day, day)
        hours = [0] * 24
        for count in counts:
            hours[count.hour] += count.punches
        return {
            "date": day.isoformat(),
            "today": today.isoformat(),
            "seq": seq,
            "total": sum(hours),
            "hours": hours,
            "people_total": len(people),
            "people": [self._person(person) for person in people[offset : offset + limit]],
            "terminals": self._terminal_hours(day, people),
            "latest": self._latest(day, people, _LATEST),
        }

    def _person(self, person: UserDay) -> dict[str, object]:
        found = self._store.query(
            since=person.first,
            until=person.last + timedelta(microseconds=1),
            user_id=person.user_id,
            limit=_MARKS,
        )
        marks = [
            (stored.event.timestamp, stored.event.event_type, stored.terminal.id)
            for stored in reversed(found)
            if isinstance(stored.event, Punch) and stored.event.timestamp
        ]
        # Of very many only the newest are marked: the first is placed by their zone.
        zone = datetime.fromisoformat(marks[-1][0]).tzinfo if marks else None
        return {
            "user_id": person.user_id,
            "user_name": person.user_name,
            "count": person.punches,
            "first": person.first.astimezone(zone).isoformat(),
            "last": person.last.astimezone(zone).isoformat(),
            "marks": [
                {"timestamp": timestamp, "event_type": event_type, "terminal_id": terminal}
                for timestamp, event_type, terminal in marks
            ],
        }

    def _terminal_hours(self, day: date, people: Sequence[UserDay]) -> list[dict[str, object]]:
        names = {view.terminal.id: view.terminal.name for view in self._store.views()}
        hours: dict[str, list[int]] = {}
        for count in self._store.hour_counts(day, day):
            names.setdefault(count.terminal, count.terminal)
            hours.setdefault(count.terminal, [0] * 24)[count.hour] += count.punches
        rows: list[dict[str, object]] = []
        for terminal, name in names.items():
            counted = hours.get(terminal, [0] * 24)
            latest = self._latest(day, people, 1, terminal) if sum(counted) else []
            rows.append(
                {
                    "terminal_id": terminal,
                    "terminal_name": name,
                    "count": sum(counted),
                    "hours": counted,
                    "last": latest[0]["timestamp"] if latest else None,
                }
            )
        return rows

    def _latest(
        self, day: date, people: Sequence[UserDay], limit: int, terminal: str | None = None
    ) -> list[dict[str, object]]:
        """Return the newest punches of a day by the terminals' clocks."""
        if not people:
            return []
        found = self._store.query(
            since=min(person.first for person in people),
            until=max(person.last for person in people) + timedelta(microseconds=1),
            terminal=terminal,
            limit=_MOST_LATEST,
        )
        # Days of other zones reach into that time.
        prefix = day.isoformat()
        fitting = (
            punch_json(stored)
            for stored in found
            if isinstance(stored.event, Punch) and (stored.event.timestamp or "")[:10] == prefix
        )
        return list(islice(fitting, limit))

    def days(
        self, start: date | None, end: date | None, terminal: str | None, user: str | None
    ) -> list[dict[str, object]]:
        """Return how many punches each day had; without a range, the last 30 days.

        At most a year: the last one of a longer range.
        """
        end = end or self.today()
        start = start or end - _DAYS
        start = max(start, end - _LONGEST_RANGE)
        if start > end:
            return []
        if user is None:
            counts: Mapping[date, int] = self._store.day_counts(start, end, terminal)
        else:
            counts = self._days_of(user, start, end, terminal)
        length = (end - start).days + 1
        days = [start + timedelta(days=number) for number in range(length)]
        return [{"date": day.isoformat(), "punches": counts.get(day, 0)} for day in days]

    def _days_of(
        self, user: str, start: date, end: date, terminal: str | None
    ) -> Mapping[date, int]:
        begin = datetime.fromisoformat(f"{start.isoformat()}T00:00:00+00:00")
        found = self._store.stream(
            since=begin - _ZONES,
            until=begin + (end - start) + _A_DAY + _ZONES,
            terminal=terminal,
            user_id=user,
        )
        return Counter(
            date.fromisoformat(stored.event.timestamp[:10])
            for stored in islice(found, _MOST_OF_ONE)
            if isinstance(stored.event, Punch) and stored.event.timestamp
        )
