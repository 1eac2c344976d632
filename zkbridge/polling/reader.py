"""Reads a log and stores what is new: record, outbox row and cursor in one transaction.

One :class:`LogReader` for each log of a terminal. It decides nothing about when to read (that
is ``schedule``) nor what changed in a log (that is the client's incremental read).
"""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Final, TypeAlias

from zkbridge.events import Freshness, Log, OpEvent, Punch, Source
from zkbridge.polling.contact import FirstContact
from zkbridge.polling.context import Context
from zkbridge.polling.sequence import OperationSequence, PunchSequence
from zkbridge.polling.translate import clock_age_s, log_person
from zkbridge.store import Transaction
from zkbridge.zk import Attendance, LogCase, LogCursor, LogRead, OpLog, Undecodable, ZKDevice

_LOGGER = logging.getLogger(__name__)
_BATCH: Final = 500

Record: TypeAlias = Attendance | OpLog | Undecodable


@dataclass(slots=True)
class Outcome:
    """What a read found.

    Attributes:
        new: Records that were not known.
        operations: Codes of the new operations.
        unheard: User key and packed time of each new punch.
        newest: Packed time of the last new punch; before the read, of the one before it.
        went_back_s: How far the terminal's clock went back between two of them.
    """

    whole: bool
    case: LogCase
    new: int = 0
    set_aside: int = 0
    duration_s: float = 0.0
    operations: set[int] = field(default_factory=set)
    unheard: list[tuple[str, int]] = field(default_factory=list)
    last_punch: str | None = None
    new_user: str | None = None
    newest: int | None = None
    went_back_s: int = 0


@dataclass(slots=True)
class _Position:
    """Where a log was read to; the part of a cursor that only the bridge knows.

    Attributes:
        interrupted: Records behind it are stored already. A tail could not tell them from
            later equal ones; the whole log can.
    """

    cursor: LogCursor
    run_time: int | None = None
    run_people: tuple[str, ...] = ()
    interrupted: bool = False

    def to_json(self) -> str:
        """Format for the store."""
        return json.dumps(
            {
                "at": self.cursor.to_json(),
                "run": self.run_time,
                "people": self.run_people,
                "interrupted": self.interrupted,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "_Position":
        """Parse what the store kept."""
        kept = json.loads(text)
        return cls(
            LogCursor.from_json(kept["at"]),
            kept["run"],
            tuple(kept["people"]),
            kept.get("interrupted", False),
        )


class LogReader:
    """Brings one log of one terminal into the store."""

    def __init__(self, log: Log, context: Context, kept: str | None) -> None:
        """Take up where the store says.

        Args:
            log: Which of the two.
            context: The terminal this is about.
            kept: The cursor as stored; None before first contact.
        """
        self._log = log
        self._context = context
        self._position = None if kept is None else _Position.from_json(kept)
        self._absent_at_s: float | None = None
        self._read_at_s: float | None = None

    @property
    def known(self) -> bool:
        """Whether the log was ever read to its end."""
        return self._position is not None

    @property
    def record_size(self) -> int | None:
        """Bytes of a record; None before one was seen."""
        if self._position is None or not self._position.cursor.count:
            return None
        return self._position.cursor.record_size

    def nothing_new(self, now_s: float) -> None:
        """Counts that can be trusted say that the log did not change."""
        self._absent_at_s = now_s

    def read(
        self,
        device: ZKDevice,
        *,
        count: int | None,
        counted: bool,
        whole: bool,
        first: FirstContact,
        ask_about: Callable[[str], None],
    ) -> Outcome:
        """Read what is new and store it.

        Args:
            device: An open connection.
            count: Records as the terminal counts them.
            counted: The count moved since the last read; a count that did not is no evidence
                that what is new now was absent when it was last asked for.
            whole: Read the whole table even where the tail would do.
            first: What to publish when this log was never read.
            ask_about: Reads the user table again because somebody unknown punched.

        Raises:
            ZKError: The terminal; what was stored before stays, the cursor does not move.
            StoreError: The store; likewise.
        """
        started_s = self._context.mono()
        if not counted:
            self._absent_at_s = self._read_at_s
        result = device.read_log(
            self._log.value,
            self._position.cursor if self._position else None,
            count=count,
            verify_whole=whole or (self._position is not None and self._position.interrupted),
            key=self._context.translator.key,
        )
        outcome = Outcome(whole=result.whole, case=result.case)
        if not result.whole and self._position is not None:
            outcome.newest = self._position.run_time
        pass_ = _Pass(self, result, first)
        records: Iterator[Record] = iter(result)
        while batch := list(islice(records, _BATCH)):
            # The last batch goes with the cursor, so a short read is one transaction.
            if len(batch) < _BATCH:
                if not result.whole:
                    self._meet_strangers(batch, ask_about)
                self._finish(pass_, batch, result, outcome)
                break
            self._store_part(pass_, batch, outcome)
        else:
            self._finish(pass_, [], result, outcome)
        outcome.case = result.case
        self._absent_at_s = self._read_at_s = self._context.mono()
        outcome.duration_s = self._read_at_s - started_s
        return outcome

    def _meet_strangers(self, batch: list[Record], ask_about: Callable[[str], None]) -> None:
        """Learn the names of people who are new, before their punches are stored."""
        directory = self._context.directory
        for record in batch:
            if isinstance(record, Attendance) and directory.is_stranger(record.user_id):
                ask_about(record.user_id)

    def _store_part(self, pass_: "_Pass", batch: list[Record], outcome: Outcome) -> None:
        """Store records that more will follow; the cursor notes that it stays behind."""
        behind = self._position
        with self._context.store.transaction() as tx:
            pass_.store(tx, batch, outcome)
            if behind is not None and not behind.interrupted:
                behind = replace(behind, interrupted=True)
                tx.move_cursor(self._context.number, self._log, behind.to_json())
        self._position = behind

    def _finish(
        self, pass_: "_Pass", batch: list[Record], result: LogRead, outcome: Outcome
    ) -> None:
        with self._context.store.transaction() as tx:
            pass_.store(tx, batch, outcome)
            position = _Position(result.cursor, *pass_.run())
            text = position.to_json()
            if self._position is None or text != self._position.to_json():
                tx.move_cursor(self._context.number, self._log, text)
        self._position = position

    def gap_s(self) -> float | None:
        """Seconds since the log was last seen without what is new now; None: unknown."""
        return None if self._absent_at_s is None else self._context.mono() - self._absent_at_s

    @property
    def position(self) -> _Position | None:
        """Where the log was read to."""
        return self._position


class _Pass:
    """One read of one log, batch by batch."""

    def __init__(self, reader: LogReader, result: LogRead, first: FirstContact) -> None:
        self._context = reader._context  # noqa: SLF001 - the two are one unit
        self._log = reader._log  # noqa: SLF001
        self._contact = None if reader.known else first
        self._index = 0
        self._tx: Transaction | None = None
        gap = reader.gap_s()
        self._recent = gap is not None and gap < self._context.late_after_s
        # Where records stood that were there before: after a clear, a roll-over or a restored
        # backup what appears among them may be old, however recently it was absent.
        before = reader.position
        self._old = 0 if not result.whole else before.cursor.count if before else 0
        self._surprised = False
        kept = None if result.whole else before
        if self._log is Log.PUNCHES:
            self._punches = PunchSequence(
                kept.run_time if kept else None,
                kept.run_people if kept else (),
                None if result.whole else self._earlier_punch,
            )
        else:
            self._operations = OperationSequence(None if result.whole else self._earlier_operation)

    def run(self) -> tuple[int | None, tuple[str, ...]]:
        """Return the run of equal times at the end of the log."""
        if self._log is not Log.PUNCHES:
            return None, ()
        return self._punches.run_time, tuple(sorted(self._punches.run_people))

    def store(self, tx: Transaction, batch: list[Record], outcome: Outcome) -> None:
        """Store one batch."""
        self._tx = tx
        baseline: list[tuple[int, bytes, int]] = []
        for record in batch:
            self._index += 1
            if isinstance(record, Undecodable):
                outcome.set_aside += tx.set_aside(self._context.number, self._log, record.raw)
            elif isinstance(record, Attendance):
                self._punch(tx, record, outcome, baseline)
            else:
                self._operation(tx, record, outcome, baseline)
        if baseline:
            tx.add_known(self._context.number, self._log, baseline)
        self._tx = None

    def _punch(
        self,
        tx: Transaction,
        record: Attendance,
        outcome: Outcome,
        baseline: list[tuple[int, bytes, int]],
    ) -> None:
        person = log_person(record)
        occurrence = self._punches.occurrence(person, record.raw_time)
        if occurrence is None:
            return
        subject = person.encode("utf-8", "surrogatepass")
        source = self._source(record.timestamp)
        if source is None:
            baseline.append((record.raw_time, subject, occurrence))
            return
        context = self._context
        user_id = context.user_id(record)
        punch = context.translator.punch(
            record,
            person=person,
            user_id=user_id,
            user_name=context.directory.name(user_id),
            occurrence=occurrence,
            source=source,
            seen_at=context.clock(),
        )
        if self._add(tx, punch, record.timestamp, subject, occurrence):
            outcome.new += 1
            self._watch_clock(record.raw_time, outcome)
            outcome.new_user = None if source is Source.BACKFILL else user_id
            outcome.unheard.append((person, record.raw_time))
            context.metrics.punch_seen(context.terminal_id, source.value)
        if punch.timestamp is not None:
            outcome.last_punch = punch.timestamp

    def _watch_clock(self, raw_time: int, outcome: Outcome) -> None:
        if outcome.newest is not None and raw_time < outcome.newest:
            outcome.went_back_s = max(outcome.went_back_s, outcome.newest - raw_time)
        outcome.newest = raw_time

    def _operation(
        self,
        tx: Transaction,
        record: OpLog,
        outcome: Outcome,
        baseline: list[tuple[int, bytes, int]],
    ) -> None:
        subject = record.raw[:3] + record.raw[4:]
        occurrence = self._operations.occurrence(subject)
        source = self._source(record.timestamp)
        if source is None:
            baseline.append((record.raw_time, subject, occurrence))
            return
        event = self._context.translator.operation(
            record, occurrence=occurrence, source=source, seen_at=self._context.clock()
        )
        if self._add(tx, event, record.timestamp, subject, occurrence):
            outcome.new += 1
            outcome.operations.add(record.op)

    def _add(
        self,
        tx: Transaction,
        event: Punch | OpEvent,
        wall: datetime | None,
        subject: bytes,
        occurrence: int,
    ) -> bool:
        added = tx.add(
            self._context.number,
            event,
            subject=subject,
            raw_time=event.raw_time,
            occurrence=occurrence,
            confirmed=True,
            freshness=self._freshness(event.source, wall),
        )
        if added and self._index <= self._old:
            self._surprised = True
        return added

    def _source(self, wall: datetime | None) -> Source | None:
        """Say how a record counts as found; None: it was there before first contact."""
        if self._contact is None:
            return Source.POLL
        context = self._context
        return self._contact.source(
            wall, context.terminal_clock(), lambda: context.translator.moment(wall, 0, None)[1]
        )

    def _freshness(self, source: Source, wall: datetime | None) -> Freshness:
        context = self._context
        appended = self._index > self._old and not self._surprised
        if source is Source.BACKFILL:
            age = None
        elif self._recent and appended:
            age = 0.0
        else:
            age = clock_age_s(
                wall, context.terminal_clock(), context.translator.local, context.late_after_s
            )
        return Freshness(age_s=age, seen_mono_s=context.mono(), process=context.process)

    def _earlier_punch(self, person: str, raw_time: int) -> int | None:
        return self._known(raw_time, person.encode("utf-8", "surrogatepass"))

    def _earlier_operation(self, record: bytes) -> int | None:
        return self._known(int.from_bytes(record[3:7], "little"), record)

    def _known(self, raw_time: int, subject: bytes) -> int | None:
        if self._tx is None:
            return None
        return self._tx.known_occurrences(
            self._context.number, self._log, raw_time, subject
        ).confirmed
