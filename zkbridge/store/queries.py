"""Reading for the page, the metrics and export; needs nothing but a file that can be read."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from zkbridge.events import Log, Terminal
from zkbridge.store.rows import EVENT, EVENT_WIDTH, day_of, event_from, from_us, log_number, to_us
from zkbridge.store.values import (
    Delivery,
    EventFilter,
    HourCount,
    Kind,
    KnownTerminal,
    StoredEvent,
    UserDay,
)

_CHUNK: Final = 1000
_UNKNOWN: Final = Terminal(key="", id="", name="")
_SELECT: Final = f"SELECT {EVENT}, seq, terminal, state, at FROM events"  # noqa: S608 - constants

_DAY_COUNT: Final = (
    "SELECT punches FROM tally WHERE day = ? AND terminal = ?"  # noqa: S608 - constants
    f" AND hour IN ({', '.join(map(str, range(24)))})"
)


@dataclass(frozen=True, slots=True)
class _Where:
    """One index's share of a filter."""

    index: str
    condition: str
    values: tuple[Any, ...]


class Queries:
    """Mixed into the store and into what opens it read-only; any thread."""

    def _read(self) -> AbstractContextManager[sqlite3.Connection]:
        raise NotImplementedError

    def _known(self) -> Mapping[int, KnownTerminal]:
        raise NotImplementedError

    # terminals

    def terminals(self) -> list[KnownTerminal]:
        """Return every terminal that was ever in contact."""
        return sorted(self._known().values(), key=lambda known: known.terminal)

    def terminal_by_place(self, host: str, port: int) -> KnownTerminal | None:
        """Return the terminal last seen at that address."""
        found = [known for known in self.terminals() if (known.host, known.port) == (host, port)]
        return found[-1] if found else None

    def terminal_by_serial(self, serial: str) -> list[KnownTerminal]:
        """Return terminals that tell this serial; more than one where it is shared."""
        return [known for known in self.terminals() if known.serial == serial]

    def terminal_by_key(self, key: str) -> KnownTerminal | None:
        """Return the terminal whose records' ids start from that key."""
        return next((known for known in self.terminals() if known.key == key), None)

    def undecodable_count(self, terminal: int) -> int:
        """Return how many records of a terminal were set aside."""
        first, last = log_number(terminal, Log.PUNCHES), log_number(terminal, Log.OPERATIONS)
        with self._read() as connection:
            (count,) = connection.execute(
                "SELECT count(*) FROM undecodable WHERE log BETWEEN ? AND ?", (first, last)
            ).fetchone()
        return int(count)

    # events

    def query(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        terminal: str | None = None,
        user_id: str | None = None,
        kind: Kind = Kind.PUNCH,
        limit: int = 100,
        before_seq: int | None = None,
    ) -> list[StoredEvent]:
        """Return one page of events, newest first by when they happened.

        Args:
            since: Not before that moment.
            until: Before that moment.
            terminal: Id of the terminal.
            user_id: Of that person only.
            kind: Punches, unless told otherwise.
            limit: At most that many.
            before_seq: ``seq`` of the last event of the page before.
        """
        wanted = EventFilter(
            kind=kind, since=since, until=until, terminal=terminal, user_id=user_id
        )
        with self._read() as connection:
            position = None if before_seq is None else _position(connection, before_seq)
            if before_seq is not None and position is None:
                return []
            rows = self._rows(connection, wanted, position, limit, newest_first=True)
        return self._stored(rows)

    def stream(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        terminal: str | None = None,
        user_id: str | None = None,
        kind: Kind = Kind.PUNCH,
    ) -> Iterator[StoredEvent]:
        """Yield events, oldest first, holding neither many in memory nor the file for long."""
        wanted = EventFilter(
            kind=kind, since=since, until=until, terminal=terminal, user_id=user_id
        )
        position: tuple[int, int] | None = None
        while True:
            with self._read() as connection:
                rows = self._rows(connection, wanted, position, _CHUNK, newest_first=False)
            yield from self._stored(rows)
            if len(rows) < _CHUNK:
                return
            position = (rows[-1][EVENT_WIDTH + 3], rows[-1][EVENT_WIDTH])

    def after(self, seq: int, limit: int, kind: Kind | None = Kind.PUNCH) -> list[StoredEvent]:
        """Return events stored after that one, in the order they were stored."""
        condition = "" if kind is None else " AND kind = ?"
        values = (seq, limit) if kind is None else (seq, kind, limit)
        with self._read() as connection:
            rows = connection.execute(
                f"{_SELECT} NOT INDEXED WHERE seq > ?{condition} ORDER BY seq LIMIT ?", values
            ).fetchall()
        return self._stored(rows)

    def last_seq(self) -> int:
        """Return the newest event's place in the order, 0 where there is none."""
        with self._read() as connection:
            (seq,) = connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
        return int(seq)

    def refused(self, limit: int = 100) -> list[StoredEvent]:
        """Return what the broker refused for good, newest first."""
        with self._read() as connection:
            rows = connection.execute(
                f"{_SELECT} INDEXED BY refused WHERE state = 2 ORDER BY seq DESC LIMIT ?", (limit,)
            ).fetchall()
        return self._stored(rows)

    def punch_at(self, terminal: str, moment: datetime) -> StoredEvent | None:
        """Return the punch of a terminal at that moment, by its own clock; of several the last."""
        wanted = EventFilter(
            kind=Kind.PUNCH,
            since=moment,
            until=moment + timedelta(microseconds=1),
            terminal=terminal,
        )
        with self._read() as connection:
            rows = self._rows(connection, wanted, None, 1, newest_first=True)
        return next(iter(self._stored(rows)), None)

    def last_punches(self) -> dict[str, StoredEvent]:
        """Return each terminal's newest punch, by terminal id."""
        sql = (
            f"{_SELECT} INDEXED BY by_terminal WHERE terminal = ? AND kind = 0"
            " ORDER BY at DESC, seq DESC LIMIT 1"
        )
        with self._read() as connection:
            rows = [
                row
                for number in self._known()
                for row in connection.execute(sql, (number,)).fetchall()
            ]
        rows.sort(key=lambda row: row[EVENT_WIDTH + 3])
        return {stored.terminal.id: stored for stored in self._stored(rows)}

    # days

    def hour_counts(self, first: date, last: date, terminal: str | None = None) -> list[HourCount]:
        """Return punches per terminal, day and hour, by the terminals' own clocks."""
        known = self._known()
        with self._read() as connection:
            rows = connection.execute(
                "SELECT day, terminal, hour, punches FROM tally"
                " WHERE day BETWEEN ? AND ? AND punches > 0 ORDER BY day, hour, terminal",
                (first.toordinal(), last.toordinal()),
            ).fetchall()
        return [
            HourCount(terminal=known[number].id, day=day_of(day), hour=hour, punches=punches)
            for day, number, hour, punches in rows
            if number in known and terminal in {None, known[number].id}
        ]

    def day_counts(self, first: date, last: date, terminal: str | None = None) -> dict[date, int]:
        """Return punches per day, by the terminals' own clocks."""
        numbers = [
            number for number, known in self._known().items() if terminal in {None, known.id}
        ]
        marks = ", ".join("?" * len(numbers))
        with self._read() as connection:
            rows = connection.execute(
                "SELECT day, sum(punches) FROM tally WHERE day BETWEEN ? AND ?"  # noqa: S608 - marks
                f" AND +terminal IN ({marks}) AND punches > 0 GROUP BY day",
                (first.toordinal(), last.toordinal(), *numbers),
            ).fetchall()
        return {day_of(day): punches for day, punches in rows}

    def day_count(self, terminal: str, day: date) -> int:
        """Return how many punches of one day, by its own clock, are stored of a terminal."""
        numbers = [number for number, known in self._known().items() if known.id == terminal]
        with self._read() as connection:
            return sum(
                punches
                for number in numbers
                # Every hour named: the table's order has the terminal last.
                for (punches,) in connection.execute(_DAY_COUNT, (day.toordinal(), number))
            )

    def user_days(
        self, first: date, last: date, *, user_id: str | None = None, limit: int = 10_000
    ) -> list[UserDay]:
        """Return first and last punch of everyone on each day, by day and person."""
        person = "" if user_id is None else " AND user_id = ?"
        values = () if user_id is None else (user_id,)
        rows: list[tuple[Any, ...]] = []
        with self._read() as connection:
            days = connection.execute(
                "SELECT DISTINCT day FROM tally WHERE day BETWEEN ? AND ? ORDER BY day",
                (first.toordinal(), last.toordinal()),
            ).fetchall()
            # Day by day: one person's rows of many days are then found without reading the others'.
            for (day,) in days:
                rows += connection.execute(
                    "SELECT user_id, max(user_name), day, min(at), max(at), count(*) FROM events"  # noqa: S608 - constants
                    f" INDEXED BY by_day WHERE kind = 0 AND day = ?{person}"
                    " GROUP BY day, user_id LIMIT ?",
                    (day, *values, limit - len(rows)),
                ).fetchall()
                if len(rows) >= limit:
                    break
        return [
            UserDay(
                user_id=user,
                user_name=name,
                day=day_of(day),
                first=from_us(earliest),
                last=from_us(latest),
                punches=punches,
            )
            for user, name, day, earliest, latest, punches in rows
        ]

    # inside

    def _rows(
        self,
        connection: sqlite3.Connection,
        wanted: EventFilter,
        position: tuple[int, int] | None,
        limit: int,
        *,
        newest_first: bool,
    ) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        parts = self._parts(wanted)
        for part in parts:
            sql, values = _page(part, wanted, position, newest_first=newest_first)
            rows += connection.execute(sql, (*values, limit)).fetchall()
        if len(parts) > 1:
            rows.sort(
                key=lambda row: (row[EVENT_WIDTH + 3], row[EVENT_WIDTH]), reverse=newest_first
            )
        return rows[:limit]

    def _parts(self, wanted: EventFilter) -> list[_Where]:
        numbers = [number for number, known in self._known().items() if known.id == wanted.terminal]
        if wanted.user_id is not None:
            values: tuple[Any, ...] = (wanted.user_id, wanted.kind)
            condition = "user_id = ? AND kind = ?"
            if wanted.terminal is None:
                return [_Where("by_user", condition, values)]
            return [
                _Where("by_user", f"{condition} AND terminal = ?", (*values, number))
                for number in numbers
            ]
        if wanted.terminal is None:
            return [_Where("by_time", "kind = ?", (wanted.kind,))]
        # A terminal that was exchanged has two numbers under one id.
        return [
            _Where("by_terminal", "terminal = ? AND kind = ?", (number, wanted.kind))
            for number in numbers
        ]

    def _stored(self, rows: list[tuple[Any, ...]]) -> list[StoredEvent]:
        known = self._known()
        result = []
        for row in rows:
            seq, number, state, _ = row[EVENT_WIDTH:]
            terminal = known.get(number)
            result.append(
                StoredEvent(
                    seq=seq,
                    terminal=_UNKNOWN if terminal is None else terminal.identity,
                    event=event_from(row[:EVENT_WIDTH]),
                    delivery=Delivery(state),
                )
            )
        return result


def _position(connection: sqlite3.Connection, seq: int) -> tuple[int, int] | None:
    """Return where an event stands; of one erased meanwhile, where the one stored before stands."""
    row = connection.execute(
        "SELECT at, seq FROM events WHERE seq <= ? ORDER BY seq DESC LIMIT 1", (seq,)
    ).fetchone()
    return None if row is None else (row[0], row[1])


def _page(
    part: _Where, wanted: EventFilter, position: tuple[int, int] | None, *, newest_first: bool
) -> tuple[str, tuple[Any, ...]]:
    conditions = [part.condition]
    values = [*part.values]
    if wanted.since is not None:
        conditions.append("at >= ?")
        values.append(to_us(wanted.since))
    if wanted.until is not None:
        conditions.append("at < ?")
        values.append(to_us(wanted.until))
    if position is not None:
        conditions.append(f"(at, seq) {'<' if newest_first else '>'} (?, ?)")
        values += position
    order = "DESC" if newest_first else "ASC"
    sql = (
        f"{_SELECT} INDEXED BY {part.index} WHERE {' AND '.join(conditions)}"
        f" ORDER BY at {order}, seq {order} LIMIT ?"
    )
    return sql, tuple(values)
