"""Reading a log: which part of it, in which layout, record by record while it arrives.

Asks the terminal through ``bulk``; what a log became is decided in ``incremental``, what its
records look like in ``layouts``.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from zkbridge.zk.bulk import (
    ATTENDANCE,
    HEAD_SIZE,
    OP_LOGS,
    Channel,
    Table,
    TableName,
    free_table,
    open_table,
)
from zkbridge.zk.codecs import (
    ATTLOG_8,
    ATTLOG_8B,
    OPLOG_16,
    Layout,
    attlog_layout,
)
from zkbridge.zk.errors import ZKNotSupported, ZKProtocolError
from zkbridge.zk.incremental import LogCase, LogCursor, LogName, Tail, digest, plan, settle
from zkbridge.zk.layouts import attendance_layout
from zkbridge.zk.logs import OperationDecoder, PunchDecoder
from zkbridge.zk.models import Attendance, OpLog, Undecodable

_LOGGER = logging.getLogger(__name__)
_U32 = Struct("<I")

LogRecord = Attendance | OpLog | Undecodable

TABLES: dict[LogName, TableName] = {"punches": ATTENDANCE, "operations": OP_LOGS}


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuestion:
    """What is wanted of a log.

    Attributes:
        log: Which one.
        key: Whose; becomes part of the cursor.
        cursor: What is known of it.
        count: How many records the counters tell; None when unknown.
        whole: Read everything, whatever is known.
        newest_year: Latest year that a sane record can bear.
        user_ids: User ids by internal index, for layouts that carry only the index; None when
            the user table was not read.
    """

    log: LogName
    key: str
    cursor: LogCursor | None
    count: int | None
    whole: bool
    newest_year: int
    user_ids: dict[int, str] | None


class UserIdsNeeded(Exception):
    """The log's layout carries only the internal index."""


class LogRead:
    """One reading of a log; iterate it once.

    Attributes:
        case: How the log stands to what was known; final once everything is read.
        whole: Everything is yielded, not just what is new.
        first: Index of the first record that is yielded.
        expected: How many records will be yielded.
        count: How many records the log holds.
        counts_usable: The counters agree with the table.
        proof_failed: A tail was read and was not what was known, or could not be read.
        known_overlap: Of a whole read, how many of its first records were known; None when the
            last known record was not met. Valid once everything is read.
        trailing: Bytes after the last whole record.
    """

    def __init__(self, table: Table, question: LogQuestion) -> None:
        self._table = table
        self._question = question
        self._known = question.cursor
        self._blocks: Iterator[bytes] = iter(())
        self._records_size = max(0, table.size - HEAD_SIZE)
        self._layout: Layout | None = None
        self._cursor: LogCursor | None = None
        self._tail = Tail(1)
        self._missing = 0
        self.first = 0
        self.expected = 0
        self.trailing = 0
        self.known_overlap: int | None = None
        self.proof_failed = False
        self.case = LogCase.FIRST
        self.whole = True

    def open(self) -> None:
        """Read as much as decides which part is read and how.

        Raises:
            UserIdsNeeded: Before anything was yielded.
        """
        question = self._question
        decision = plan(
            question.cursor,
            log=question.log,
            key=question.key,
            size=self._records_size,
            count=question.count,
            whole=question.whole,
        )
        self.case = decision.case
        if self._known is not None and (
            self._known.log != question.log or self._known.key != question.key
        ):
            self._known = None
        if decision.first is not None and self._open_tail(decision.first):
            self.whole = False
        else:
            self._open_whole()
        if self._layout in {ATTLOG_8, ATTLOG_8B} and question.user_ids is None:
            raise UserIdsNeeded

    @property
    def count(self) -> int:
        """How many records the log holds."""
        return self._records_size // self._layout.size if self._layout is not None else 0

    @property
    def counts_usable(self) -> bool:
        """Whether the counters agree with the table."""
        return bool(self._question.count) and self._question.count == self.count

    @property
    def layout(self) -> Layout | None:
        """The records' layout; None where there are no records."""
        return self._layout

    @property
    def cursor(self) -> LogCursor:
        """How far the log has been read.

        Raises:
            ZKProtocolError: It has not been read to its end.
        """
        if self._cursor is None:
            raise ZKProtocolError("the log has not been read to its end")
        return self._cursor

    # --- what to read ---

    def _open_tail(self, first: int) -> bool:
        """Read the tail and prove that it belongs to what is known."""
        known = self._known
        layout = self._known_layout()
        if known is None or layout is None:
            return False
        start = HEAD_SIZE + first * layout.size
        proof_size = known.known * layout.size
        try:
            head = b"".join(self._table.read(0, HEAD_SIZE))
            blocks = self._table.read(start)
            block = next(blocks)
        except (ZKNotSupported, ZKProtocolError) as error:
            _LOGGER.debug("reading only the tail of %s failed: %s", known.log, error)
            self.proof_failed = True
            return False
        (announced,) = _U32.unpack(head)
        if announced != self._records_size or digest(block[:proof_size]) != known.digest:
            self.proof_failed = True
            return False
        self._layout = layout
        self.first = known.count
        self.expected = self.count - known.count
        self._tail = Tail(layout.size)
        self._tail.skip_to(first)
        self._tail.feed(block[:proof_size])
        self._blocks = _chain(block[proof_size:], blocks)
        return True

    def _known_layout(self) -> Layout | None:
        if self._known is None:
            return None
        if self._question.log == "operations":
            return OPLOG_16
        layout = attlog_layout(self._known.layout)
        return layout if layout is not None and layout.size == self._known.record_size else None

    def _open_whole(self) -> None:
        if not self._records_size:
            return
        blocks = self._table.read()
        block = next(blocks)
        (announced,) = _U32.unpack_from(block)
        if announced > self._records_size:
            self._missing = announced - self._records_size
        elif announced < self._records_size:
            _LOGGER.warning(
                "the %s table has %d bytes more than its records take",
                self._question.log,
                self._records_size - announced,
            )
        self._records_size = announced
        if not announced:
            return
        records = block[HEAD_SIZE:][:announced]
        self._layout = self._choose_layout(records, announced)
        self.expected = self.count
        self.trailing = announced % self._layout.size
        self._tail = Tail(self._layout.size, self._known)
        self._blocks = _chain(records, blocks)

    def _choose_layout(self, records: bytes, size: int) -> Layout:
        question = self._question
        if question.log == "punches":
            return attendance_layout(records, size, question.count, question.newest_year)
        if size % OPLOG_16.size and not self._missing:
            raise ZKProtocolError(
                f"{size} bytes of operations, {question.count} by the counters, are no whole "
                f"records of {OPLOG_16.size}; they start with {records[:64].hex(' ')}"
            )
        return OPLOG_16

    # --- records ---

    def __iter__(self) -> Iterator[LogRecord]:
        """Yield the records as they arrive.

        Leaving early is fine: the terminal is told to forget the table.

        Raises:
            ZKProtocolError: The table ended early, after all whole records were yielded.
        """
        try:
            for rows in self._pieces():
                yield from rows
        except BaseException as error:
            self._table.discard(error)
            raise
        self._table.free()
        self._finish()
        if self._missing:
            raise ZKProtocolError(
                f"the {self._question.log} table ends {self._missing} bytes early"
            )

    def close(self) -> None:
        """Give the reading up without iterating it."""
        self._table.discard()

    def _pieces(self) -> Iterator[list[Attendance | Undecodable] | list[OpLog]]:
        if self._layout is None:
            return
        decoder: PunchDecoder | OperationDecoder
        if self._question.log == "punches":
            decoder = PunchDecoder(self._layout, self._question.user_ids, self.first)
        else:
            decoder = OperationDecoder(self.first)
        size, left = self._layout.size, (self._records_size - self._tail.count * self._layout.size)
        rest = b""
        for block in self._blocks:
            piece = rest + block[:left]
            left -= min(left, len(block))
            whole = len(piece) - len(piece) % size
            records = memoryview(piece)[:whole]
            rest = piece[whole:]
            self._tail.feed(records)
            yield decoder.decode(records)

    def _finish(self) -> None:
        question = self._question
        if self.whole:
            self.case = settle(
                self.case,
                self._known,
                anchor=self._tail.anchor,
                records=self._tail.count,
                proof_failed=self.proof_failed,
            )
            if self._tail.anchor is not None:
                self.known_overlap = self._tail.anchor + 1
        if self._missing:
            return
        if self._layout is not None:
            self._cursor = self._tail.cursor(question.log, question.key, self._layout.name)
        else:
            self._cursor = _empty_cursor(question)


class Tables:
    """The tables of one terminal, which holds one prepared table at a time.

    Args:
        channel: What to ask through.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._current: Table | None = None
        self._left_behind = False

    def forget(self) -> None:
        """Forget what was prepared: the session is another one."""
        if self._current is not None:
            self._left_behind = self._left_behind or self._current.left_behind
            self._current.stale = True
            self._current = None

    def open(self, name: TableName) -> Table:
        """Let the terminal prepare a table; the one before is gone with that."""
        self.forget()
        if self._left_behind:
            free_table(self._channel)
            self._left_behind = False
        self._current = open_table(self._channel, name.name, name.requests)
        return self._current

    def open_log(self, question: LogQuestion) -> LogRead:
        """Let the terminal prepare a log, and decide what to read of it."""
        table = self.open(TABLES[question.log])
        read = LogRead(table, question)
        try:
            read.open()
        except BaseException as error:
            table.discard(error)
            raise
        return read

    def read(self, name: TableName) -> bytes:
        """Read a whole table.

        Returns:
            Its records, without the u32 size in front.

        Raises:
            ZKProtocolError: It is shorter than its size says.
        """
        table = self.open(name)
        try:
            blob = b"".join(table.read())
        except BaseException as error:
            table.discard(error)
            raise
        table.free()
        if not blob:
            return b""
        (announced,) = _U32.unpack_from(blob)
        missing = announced + HEAD_SIZE - len(blob)
        if missing > 0:
            raise ZKProtocolError(f"the {name.name} table ends {missing} bytes early")
        return blob[HEAD_SIZE : HEAD_SIZE + announced]


def _empty_cursor(question: LogQuestion) -> LogCursor:
    known = question.cursor
    same = known is not None and known.log == question.log
    return LogCursor(
        log=question.log,
        key=question.key,
        layout=known.layout if known is not None and same else OPLOG_16.name,
        record_size=known.record_size if known is not None and same else OPLOG_16.size,
        size=0,
        count=0,
        known=0,
        digest=digest(b""),
        last=0,
    )


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest
