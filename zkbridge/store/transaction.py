"""What one body of a group commit may do: records, knowledge, cursors."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from zkbridge.events import Alarm, Event, Freshness, Log, OpEvent, Punch
from zkbridge.store.commits import Body
from zkbridge.store.database import Database
from zkbridge.store.errors import StoreDamaged
from zkbridge.store.life import was_lost
from zkbridge.store.rows import INSERT, Knowledge, event_row, log_number, to_us
from zkbridge.store.terminals import load_terminal, stored_value, terminal_number
from zkbridge.store.values import Delivery, KnownTerminal, Lane, Occurrences

_SUBJECT_BYTES: Final = 6
_DIGEST_BYTES: Final = 12
# More raw bytes than any record has.
_MOST_RAW_BYTES: Final = 4096
# Of one log; a terminal that sends garbage must not fill the disk with it.
_MOST_RAW: Final = 1000
_MOST_ASIDE: Final = 100 * _MOST_RAW


class Transaction:
    """Lives inside one with-block; nothing of it is visible to others before the block is left."""

    __slots__ = ("_body", "_database")

    def __init__(self, database: Database, body: Body) -> None:
        self._database = database
        self._body = body

    # terminals

    def terminal(
        self,
        *,
        key: str,
        id: str,  # noqa: A002 - what it is called everywhere
        name: str,
        serial: str | None,
        mac: str | None,
        host: str,
        port: int,
    ) -> KnownTerminal:
        """Note where a terminal is and what it is called; returns all that is known of it."""
        connection = self._body
        number = terminal_number(connection, key)
        if number is None:
            lost = was_lost(connection, self._database.clock())
            cursor = connection.execute(
                "INSERT INTO terminals(key, id, name, serial, mac, host, port, recovered)"
                " VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
                (key, id, name, serial, mac, host, port, lost),
            )
            number = cursor.lastrowid or 0
        else:
            connection.execute(
                "UPDATE terminals SET id = ?, name = ?, serial = ?, mac = ?, host = ?, port = ?"
                " WHERE terminal = ?",
                (id, name, serial, mac, host, port, number),
            )
        return self._reload(number)

    def remember(self, terminal: int, **fields: object) -> KnownTerminal:
        """Set single fields of a terminal: ``first_contact``, ``sdk_build``, ``facts`` ….

        Args:
            terminal: Its number.
            **fields: Names and values as in :class:`KnownTerminal`. Setting ``first_contact``
                ends what ``recovered`` asks for, unless that is given too.
        """
        self._require(terminal)
        if fields.get("first_contact") is not None:
            fields.setdefault("recovered", False)
        for field, value in fields.items():
            stored = stored_value(field, value)
            # The name was compared with the list of columns.
            sql = f"UPDATE terminals SET {field} = ? WHERE terminal = ?"  # noqa: S608
            self._body.execute(sql, (stored, terminal))
        return self._reload(terminal)

    def move_cursor(self, terminal: int, log: Log, cursor: str) -> None:
        """Note where reading a log stopped."""
        known = self._require(terminal)
        self._body.execute(
            "INSERT INTO cursors VALUES(?, ?) ON CONFLICT DO UPDATE SET cursor = excluded.cursor",
            (log_number(terminal, log), cursor),
        )
        self._body.effects.terminals[terminal] = (
            replace(known, cursor_punches=cursor)
            if log is Log.PUNCHES
            else replace(known, cursor_operations=cursor)
        )

    # records

    def known_occurrences(
        self, terminal: int, log: Log, raw_time: int, subject: bytes | str
    ) -> Occurrences:
        """Return what is known of a person (or an op-log record) at one packed time."""
        self._require(terminal)
        rows = self._body.execute(
            "SELECT occurrence, confirmed FROM known"
            " WHERE log = ? AND raw_time = ? AND subject = ?",
            (log_number(terminal, log), raw_time, self._subject(subject)),
        ).fetchall()
        return Occurrences(
            confirmed=max((number for number, confirmed in rows if confirmed), default=None),
            live_unconfirmed=any(not confirmed for _, confirmed in rows),
        )

    def is_known(
        self, terminal: int, log: Log, raw_time: int, subject: bytes | str, occurrence: int
    ) -> bool:
        """Tell whether that record was ever stored."""
        self._require(terminal)
        key = (log_number(terminal, log), raw_time, self._subject(subject), occurrence)
        return (
            self._body.execute(
                "SELECT 1 FROM known"
                " WHERE log = ? AND raw_time = ? AND subject = ? AND occurrence = ?",
                key,
            ).fetchone()
            is not None
        )

    def add_known(
        self,
        terminal: int,
        log: Log,
        entries: Iterable[tuple[int, bytes | str, int]],
    ) -> int:
        """Take records as known without their contents; returns how many were new.

        Args:
            terminal: Its number.
            log: Where they were read.
            entries: Packed time, subject, occurrence. Others wait meanwhile: some thousand at once.
        """
        self._require(terminal)
        number = log_number(terminal, log)
        return self._body.executemany(
            "INSERT INTO known VALUES(?, ?, ?, ?, 1)"
            " ON CONFLICT DO UPDATE SET confirmed = 1 WHERE NOT confirmed",
            [
                (number, raw_time, self._subject(subject), occurrence)
                for raw_time, subject, occurrence in entries
            ],
        )

    def add(
        self,
        terminal: int,
        event: Event,
        *,
        subject: str | bytes = b"",
        raw_time: int = 0,
        occurrence: int = 0,
        confirmed: bool = False,
        freshness: Freshness,
        lane: Lane = Lane.NORMAL,
        missing_only: bool = False,
    ) -> bool:
        """Store an event for publishing.

        Args:
            terminal: Its number.
            event: A punch, an op-log entry or an alarm.
            subject: User key of a punch, the record of an op-log entry; unused for alarms.
            raw_time: Packed time of the record.
            occurrence: As in its id.
            confirmed: The log has shown it; else it was seen live only.
            freshness: What decides fresh or late at each sending.
            lane: ``REPLAY`` for what is sent once more on demand: knowing it does not stop it.
            missing_only: With ``REPLAY``: leave out what was delivered and is held, since
                :meth:`Store.requeue` has seen to that.

        Returns:
            False when it is known already, or waits already: then nothing is stored but that the
            log has confirmed it.
        """
        self._require(terminal)
        if isinstance(event, Alarm):
            self._insert(terminal, event, None, freshness, lane)
            return True
        log = Log.OPERATIONS if isinstance(event, OpEvent) else Log.PUNCHES
        known = Knowledge(raw_time=raw_time, subject=self._subject(subject), occurrence=occurrence)
        is_new = self._learn(log_number(terminal, log), known, confirmed=confirmed)
        if not is_new and lane is Lane.REPLAY:
            return self._again(terminal, event, known, freshness, missing_only=missing_only)
        if is_new:
            self._insert(terminal, event, known, freshness, lane)
        return is_new

    def set_aside(self, terminal: int, log: Log, raw: bytes) -> bool:
        """Keep a record that cannot be decoded; False when it was kept before, or too many are."""
        self._require(terminal)
        digest = hashlib.blake2b(
            raw, digest_size=_DIGEST_BYTES, key=self._database.begun.salt
        ).digest()
        number = log_number(terminal, log)
        (kept,) = self._body.execute(
            "SELECT count(*) FROM (SELECT 1 FROM undecodable WHERE log = ? LIMIT ?)",
            (number, _MOST_ASIDE),
        ).fetchone()
        if kept >= _MOST_ASIDE:
            return False
        content = raw[:_MOST_RAW_BYTES] if kept < _MOST_RAW else None
        cursor = self._body.execute(
            "INSERT OR IGNORE INTO undecodable VALUES(?, ?, ?, ?)",
            (number, digest, content, to_us(self._database.clock())),
        )
        return cursor.rowcount > 0

    # inside

    def _learn(self, log: int, known: Knowledge, *, confirmed: bool) -> bool:
        key = (log, known.raw_time, known.subject, known.occurrence)
        inserted = self._body.execute(
            "INSERT OR IGNORE INTO known VALUES(?, ?, ?, ?, ?)", (*key, confirmed)
        ).rowcount
        if not inserted and confirmed:
            self._body.execute(
                "UPDATE known SET confirmed = 1 WHERE log = ? AND raw_time = ? AND subject = ?"
                " AND occurrence = ? AND NOT confirmed",
                key,
            )
        return inserted > 0

    def _insert(
        self,
        terminal: int,
        event: Event,
        known: Knowledge | None,
        freshness: Freshness,
        lane: Lane,
    ) -> None:
        highest = self._database.memory.highest_seq
        row = (highest, terminal, lane, *event_row(event, known, freshness))
        cursor = self._body.execute(INSERT, row)
        effects = self._body.effects
        effects.highest_seq = max(effects.highest_seq, cursor.lastrowid or 0)
        effects.pending[terminal, lane] += 1
        if isinstance(event, Punch):
            effects.punches.add(terminal)
        effects.newest_seen_us = max(effects.newest_seen_us, to_us(event.seen_at))

    def _again(
        self,
        terminal: int,
        event: Event,
        known: Knowledge,
        freshness: Freshness,
        *,
        missing_only: bool,
    ) -> bool:
        """Queue a known event once more; with new contents where retention erased the old."""
        row = event_row(event, known, freshness)
        kind, at = row[0], row[1]
        found = self._body.execute(
            "SELECT seq, state FROM events WHERE terminal = ? AND kind = ? AND at = ?"
            " AND raw_time = ? AND subject = ? AND occurrence = ?",
            (terminal, kind, at, known.raw_time, known.subject, known.occurrence),
        ).fetchone()
        if found is None:
            self._insert(terminal, event, known, freshness, Lane.REPLAY)
            return True
        if found[1] == 0 or (missing_only and found[1] == Delivery.DELIVERED):
            return False
        self._body.execute(
            "UPDATE events SET state = 0, lane = ? WHERE seq = ?", (Lane.REPLAY, found[0])
        )
        self._body.effects.pending[terminal, Lane.REPLAY] += 1
        self._body.effects.refused -= found[1] == Delivery.REFUSED
        return True

    def _subject(self, subject: bytes | str) -> int:
        data = subject.encode(errors="surrogatepass") if isinstance(subject, str) else subject
        digest = hashlib.blake2b(
            data, digest_size=_SUBJECT_BYTES, key=self._database.begun.salt
        ).digest()
        # Six signed bytes: a column of that size, and plenty within one second of one terminal.
        return int.from_bytes(digest, "little", signed=True)

    def _terminals(self) -> Mapping[int, KnownTerminal]:
        return self._body.effects.terminals

    def _require(self, terminal: int) -> KnownTerminal:
        known = self._terminals().get(terminal) or self._database.memory.terminals.get(terminal)
        if known is None:
            raise StoreDamaged(
                "the store was replaced by a new file: ask it for the terminal again"
            )
        return known

    def _reload(self, terminal: int) -> KnownTerminal:
        known = load_terminal(self._body, terminal)
        if known is None:
            raise StoreDamaged(
                "the store was replaced by a new file: ask it for the terminal again"
            )
        self._body.effects.terminals[terminal] = known
        return known
