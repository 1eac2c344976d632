"""What became of a log since it was last read: decisions about cursors. Pure.

Source: protocol.md 5.6 (guards), 14 (roll-over); contract 5.5.
"""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Final, Literal
from zlib import crc32

from zkbridge.zk.errors import ZKProtocolError

KNOWN_RECORDS: Final = 4  # that a tail read starts early, to prove where it stands

LogName = Literal["punches", "operations"]


class LogCase(StrEnum):
    """How a log stands to what was known of it."""

    FIRST = "first"  # nothing was known
    UNCHANGED = "unchanged"
    GROWN = "grown"
    CLEARED = "cleared"
    REPLACED = "replaced"  # other records stand where the known ones stood
    ROLLED_OVER = "rolled_over"  # the terminal deleted its oldest records
    OTHER_TERMINAL = "other_terminal"
    LAYOUT_CHANGED = "layout_changed"
    OFFSETS_UNSUPPORTED = "offsets_unsupported"  # the tail cannot be read by itself
    COUNTS_UNUSABLE = "counts_unusable"  # neither size nor counts tell where the tail is


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCursor:
    """How far a log has been read; holds digests, no contents.

    Attributes:
        log: Which log.
        key: Whose; given by the caller.
        layout: Name of the records' layout.
        record_size: Bytes of one record.
        size: Bytes of all records.
        count: Number of records.
        known: How many last records ``digest`` covers.
        digest: Of the last ``known`` records.
        last: Checksum of the last record, to find it quickly.
    """

    log: LogName
    key: str
    layout: str
    record_size: int
    size: int
    count: int
    known: int
    digest: str
    last: int

    def to_json(self) -> str:
        """Return the cursor as text."""
        return json.dumps(asdict(self), separators=(",", ":"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "LogCursor":
        """Read a cursor from text.

        Raises:
            ZKProtocolError: The text is no cursor.
        """
        try:
            fields = json.loads(text)
            cursor = cls(**fields)
            cursor.check()
        except (TypeError, ValueError) as error:
            raise ZKProtocolError(f"not a cursor: {error}") from error
        return cursor

    def check(self) -> None:
        """Check types and ranges.

        Raises:
            ValueError: One is wrong.
        """
        numbers = (self.record_size, self.size, self.count, self.known, self.last)
        texts = (self.log, self.key, self.layout, self.digest)
        if not all(type(each) is int and each >= 0 for each in numbers) or not all(
            isinstance(each, str) for each in texts
        ):
            raise ValueError("a field has the wrong type")
        if self.log not in {"punches", "operations"} or not self.record_size:
            raise ValueError("a field has no possible value")
        if self.known > min(self.count, KNOWN_RECORDS) or (self.count and not self.known):
            raise ValueError("it knows more records than there are")


def digest(records: bytes | memoryview) -> str:
    """Digest of the records that prove where a tail starts."""
    return blake2b(records, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Plan:
    """What to read.

    Attributes:
        case: What it looks like before anything is read.
        first: Index of the first record to read; None for the whole table.
    """

    case: LogCase
    first: int | None = None


def plan(
    cursor: LogCursor | None,
    *,
    log: LogName,
    key: str,
    size: int,
    count: int | None,
    whole: bool,
) -> Plan:
    """Decide what to read of a prepared log.

    Args:
        cursor: What is known.
        log: Which log.
        key: Whose it is now.
        size: Bytes of all records, as the terminal prepared them.
        count: What the counters tell; None when unknown.
        whole: Read everything, whatever is known.
    """
    if cursor is None or cursor.log != log:
        return Plan(LogCase.FIRST)
    if cursor.key != key:
        return Plan(LogCase.OTHER_TERMINAL)
    if not cursor.count:
        return Plan(LogCase.GROWN if size else LogCase.UNCHANGED)
    if size % cursor.record_size:
        usable = count and size % count == 0
        return Plan(LogCase.LAYOUT_CHANGED if usable else LogCase.COUNTS_UNUSABLE)
    records = size // cursor.record_size
    if records < cursor.count:
        return Plan(LogCase.CLEARED)
    case = LogCase.UNCHANGED if records == cursor.count else LogCase.GROWN
    return Plan(case, None if whole else cursor.count - cursor.known)


_SEARCHABLE: Final = frozenset(
    {LogCase.UNCHANGED, LogCase.GROWN, LogCase.CLEARED, LogCase.OFFSETS_UNSUPPORTED}
)


def settle(
    case: LogCase, cursor: LogCursor | None, *, anchor: int | None, records: int, proof_failed: bool
) -> LogCase:
    """Decide the case after the whole table was read.

    Args:
        case: What it looked like before.
        cursor: What was known.
        anchor: Index where the last known record stands now; None when it is gone.
        records: How many records there are.
        proof_failed: The tail was read first, and was not what was known.
    """
    if cursor is None or case not in _SEARCHABLE or not cursor.count:
        return case
    if anchor is None:
        return LogCase.CLEARED if records < cursor.count else LogCase.REPLACED
    if anchor < cursor.count - 1:
        return LogCase.ROLLED_OVER
    if anchor > cursor.count - 1:
        return LogCase.REPLACED
    if proof_failed:
        return LogCase.OFFSETS_UNSUPPORTED
    return LogCase.UNCHANGED if records == cursor.count else LogCase.GROWN


class Tail:
    """The last few records of a log while it is read, and where known ones stand in it.

    Args:
        record_size: Bytes of one record.
        known: Cursor whose last records are looked for.
    """

    def __init__(self, record_size: int, known: LogCursor | None = None) -> None:
        self._size = record_size
        self._known = known if known is not None and known.record_size == record_size else None
        if self._known is not None and not self._known.count:
            self._known = None
        self._records = b""
        self.count = 0
        self.anchor: int | None = None

    def feed(self, records: bytes | memoryview) -> None:
        """Take the next whole records."""
        if self._known is not None and self.anchor is None:
            self._search(self._known, records)
        keep = KNOWN_RECORDS * self._size
        self._records = (self._records + bytes(records[-keep:]))[-keep:]
        self.count += len(records) // self._size

    def _search(self, known: LogCursor, records: bytes | memoryview) -> None:
        size, wanted = self._size, known.last
        for end in range(size, len(records) + 1, size):
            if crc32(records[end - size : end]) != wanted:
                continue
            window = (self._records + bytes(records[max(0, end - known.known * size) : end]))[
                -known.known * size :
            ]
            if digest(window) == known.digest:
                self.anchor = self.count + end // size - 1
                return

    def cursor(self, log: LogName, key: str, layout: str) -> LogCursor:
        """Describe what has been read."""
        return LogCursor(
            log=log,
            key=key,
            layout=layout,
            record_size=self._size,
            size=self.count * self._size,
            count=self.count,
            known=min(self.count, KNOWN_RECORDS),
            digest=digest(self._records),
            last=crc32(self._records[-self._size :]),
        )

    def skip_to(self, count: int) -> None:
        """Start as if ``count`` records had been read."""
        self.count = count
