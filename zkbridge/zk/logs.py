"""Records of the two logs to values, many at a time. No I/O."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from zkbridge.zk.codecs import (
    ATTLOG_8B,
    ATTLOG_16,
    ATTLOG_TEXT_FIELDS,
    OPLOG_16,
    Layout,
    decode_time,
    decode_user_id,
)
from zkbridge.zk.models import Attendance, OpLog, Undecodable

_HOUR_S: Final = 3600
_WITHIN_HOUR: Final = tuple(timedelta(seconds=second) for second in range(_HOUR_S))
_MAX_CACHED: Final = 4096


class Clock:
    """Decodes many timestamps of one log: what stands within one hour shares its date."""

    __slots__ = ("_hours",)

    def __init__(self) -> None:
        self._hours: dict[int, datetime | None] = {}

    def hours(self) -> dict[int, datetime | None]:
        """Return the start of each hour met so far, bounded; fill it with ``learn``."""
        return self._hours

    def learn(self, hour: int) -> datetime | None:
        """Decode the start of an hour and remember it."""
        if len(self._hours) >= _MAX_CACHED:
            self._hours.clear()
        start = self._hours[hour] = decode_time(hour * _HOUR_S)
        return start


class _Row:
    """An Attendance while its fields are being filled in.

    A frozen dataclass fills its own fields by one call each, which takes longer than
    everything else about a record; one of the same slots that is not frozen yet does not.
    """

    __slots__ = Attendance.__slots__

    user_id: str
    timestamp: datetime | None
    status: int
    punch: int
    raw_time: int
    uid: int | None
    work_code: int
    uid_only: bool


PunchRow = Attendance | Undecodable


class PunchDecoder:
    """Decodes the punches of one log, piece by piece.

    Args:
        layout: Their layout.
        user_ids: User ids by internal index, for layouts that carry only the index.
        position: Index in the log of the first record to come.
    """

    def __init__(
        self, layout: Layout, user_ids: dict[int, str] | None = None, position: int = 0
    ) -> None:
        self.layout = layout
        self.position = position
        self._user_ids = user_ids or {}
        self._clock = Clock()
        self._texts: dict[bytes, str | None] = {}

    def decode(self, records: bytes | memoryview) -> list[PunchRow]:
        """Decode whole records."""
        if self.layout.fields == ATTLOG_TEXT_FIELDS:
            rows = self._decode_text(records)
        else:
            rows = self._decode_numbers(records)
        self.position += len(rows)
        return rows

    def _decode_text(self, records: bytes | memoryview) -> list[PunchRow]:
        rows: list[PunchRow] = []
        append = rows.append
        hours, texts = self._clock.hours(), self._texts
        within, hour_s, row = _WITHIN_HOUR, _HOUR_S, _Row
        for uid, field, status, raw_time, punch in self.layout.struct.iter_unpack(records):
            user_id = texts.get(field)
            if user_id is None:
                user_id = self._learn_text(field)
                if user_id is None:
                    append(self._undecodable(records, len(rows)))
                    continue
            start = hours.get(raw_time // hour_s)
            if start is None:
                start = self._clock.learn(raw_time // hour_s)
            new = row()
            new.user_id = user_id
            new.timestamp = None if start is None else start + within[raw_time % hour_s]
            new.status = status
            new.punch = punch
            new.raw_time = raw_time
            new.uid = uid
            new.work_code = 0
            new.uid_only = False
            new.__class__ = Attendance  # type: ignore[assignment]  # same slots; see _Row
            append(new)  # type: ignore[arg-type]  # it is one now
        return rows

    def _decode_numbers(self, records: bytes | memoryview) -> list[PunchRow]:
        rows: list[PunchRow] = []
        append = rows.append
        hours = self._clock.hours()
        within, hour_s, row = _WITHIN_HOUR, _HOUR_S, _Row
        uid_only = self.layout is not ATTLOG_16
        for uid, user_id, status, raw_time, punch, work_code in self._numbered(records):
            start = hours.get(raw_time // hour_s)
            if start is None:
                start = self._clock.learn(raw_time // hour_s)
            new = row()
            new.user_id = user_id
            new.timestamp = None if start is None else start + within[raw_time % hour_s]
            new.status = status
            new.punch = punch
            new.raw_time = raw_time
            new.uid = uid
            new.work_code = work_code
            new.uid_only = uid_only
            new.__class__ = Attendance  # type: ignore[assignment]  # same slots; see _Row
            append(new)  # type: ignore[arg-type]  # it is one now
        return rows

    def _numbered(
        self, records: bytes | memoryview
    ) -> Iterator[tuple[int | None, str, int, int, int, int]]:
        unpacked = self.layout.struct.iter_unpack(records)
        if self.layout is ATTLOG_16:
            return (
                (None, str(number), status, raw_time, punch, work_code)
                for number, raw_time, punch, status, _, work_code in unpacked
            )
        names = self._user_ids
        if self.layout is ATTLOG_8B:
            return (
                (uid, names.get(uid) or str(uid), status, raw_time, punch, 0)
                for uid, status, raw_time, punch in unpacked
            )
        # Bits 0-2 punch, 3-4 verification: inferred in protocol.md 6.4.
        return (
            (uid, names.get(uid) or str(uid), flags >> 3 & 3, raw_time, flags & 7, 0)
            for uid, flags, raw_time in unpacked
        )

    def _learn_text(self, field: bytes) -> str | None:
        if len(self._texts) >= _MAX_CACHED:
            self._texts.clear()
        user_id = self._texts[field] = decode_user_id(field)
        return user_id

    def _undecodable(self, records: bytes | memoryview, index: int) -> Undecodable:
        size = self.layout.size
        raw = bytes(records[index * size : (index + 1) * size])
        return Undecodable(raw, self.position + index)


class OperationDecoder:
    """Decodes the operation log, piece by piece.

    Args:
        position: Index in the log of the first record to come.
    """

    layout = OPLOG_16

    def __init__(self, position: int = 0) -> None:
        self.position = position

    def decode(self, records: bytes | memoryview) -> list[OpLog]:
        """Decode whole records; any 16 bytes are one."""
        size = self.layout.size
        rows = [
            OpLog(
                op,
                decode_time(raw_time),
                p1,
                bytes(records[index * size : (index + 1) * size]),
                admin_uid,
                (p1, p2, p3, p4),
                raw_time,
            )
            for index, (admin_uid, op, raw_time, p1, p2, p3, p4) in enumerate(
                self.layout.struct.iter_unpack(records)
            )
        ]
        self.position += len(rows)
        return rows
