"""Record layouts as tables, and the routines that read any of them. No I/O.

Packed time, counters, options, users, punches, operations, templates. Which layout a table has
is decided in ``layouts``; live events are in ``live``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from struct import Struct
from typing import Final, NamedTuple

from zkbridge.zk.errors import ZKProtocolError
from zkbridge.zk.models import (
    Attendance,
    Capacity,
    FingerTemplate,
    OpLog,
    Undecodable,
    User,
)

# --- time ---

_DAY_S: Final = 86400
_HOUR_S: Final = 3600
_WITHIN_HOUR: Final = tuple(timedelta(seconds=second) for second in range(_HOUR_S))
_MAX_CACHED: Final = 4096


def decode_time(packed: int) -> datetime | None:
    """Decode a terminal's timestamp.

    Args:
        packed: Seconds since 2000-01-01 on a calendar of 31-day months.

    Returns:
        Naive wall-clock time of the terminal, 1 s resolution; None where the fields are no
        calendar date (terminals do store 31 February).

    Source: protocol.md 3.1, captured.

    >>> decode_time(594064235)
    datetime.datetime(2018, 6, 25, 17, 50, 35)
    """
    days, second = divmod(packed, _DAY_S)
    months, day = divmod(days, 31)
    years, month = divmod(months, 12)
    try:
        midnight = datetime(2000 + years, month + 1, day + 1)  # noqa: DTZ001  wall clock
    except ValueError:
        return None
    return midnight + timedelta(seconds=second)


def encode_time(date: tuple[int, int, int], time: tuple[int, int, int]) -> int:
    """Pack year, month, day and hour, minute, second as the logs do, impossible ones included.

    Source: protocol.md 3.1.
    """
    (year, month, day), (hour, minute, second) = date, time
    days = (year % 100) * 372 + (month - 1) * 31 + day - 1
    return max(0, days * _DAY_S + hour * _HOUR_S + minute * 60 + second) & 0xFFFFFFFF


_TIME6 = Struct("<6B")


def decode_time6(data: bytes) -> tuple[datetime | None, int]:
    """Decode the six date bytes of live events.

    Returns:
        Naive wall-clock time, None for a date that does not exist; and what its fields pack to.

    Source: protocol.md 3.2.
    """
    year, month, day, hour, minute, second = _TIME6.unpack(data)
    raw = encode_time((2000 + year, month, day), (hour, minute, second))
    try:
        moment = datetime(2000 + year, month, day, hour, minute, second)  # noqa: DTZ001  wall clock
    except ValueError:
        return None, raw
    return moment, raw


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


# --- text ---


def decode_text(field: bytes, encoding: str = "utf-8") -> str:
    """Decode a NUL-terminated text field; its code page is declared nowhere.

    Strict UTF-8 first, then the configured encoding, then Latin-1, which loses nothing. A
    multibyte character that the field's end has cut is left off.

    Source: protocol.md 7.5.

    >>> decode_text("Ömer".encode() + bytes(4))
    'Ömer'
    """
    text, _, _ = field.partition(b"\0")
    full = len(text) == len(field)
    for candidate in ("utf-8", encoding):
        for cut in range(4 if full else 1):
            try:
                return text[: len(text) - cut].decode(candidate)
            except (UnicodeDecodeError, LookupError):
                continue
    return text.decode("latin-1")


def decode_user_id(field: bytes) -> str | None:
    """Decode a user id; None where the bytes are none (control characters, no text)."""
    text, _, _ = field.partition(b"\0")
    try:
        user_id = text.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return user_id if user_id.isprintable() else None


def decode_option(data: bytes) -> str:
    """Return an option's value from the answer to CMD_OPTIONS_RRQ.

    Source: protocol.md 2.4, captured.

    >>> decode_option(b"X=a=b" + bytes(1))
    'a=b'
    """
    text = decode_text(data.partition(b"\0")[0], "latin-1")
    _, separator, value = text.partition("=")
    return value if separator else text


# --- counters ---

_COUNTERS: Final = {
    "users": 16,
    "fingerprints": 24,
    "punches": 32,
    "op_log": 40,
    "admins": 48,
    "passwords": 52,
    "fingerprints_capacity": 56,
    "users_capacity": 60,
    "punches_capacity": 64,
    "fingerprints_free": 68,
    "users_free": 72,
    "punches_free": 76,
}
_FACE_COUNTERS: Final = {"faces": 80, "faces_capacity": 88}
_COUNTERS_SIZE: Final = 80
_FACES_SIZE: Final = 92
_I32 = Struct("<i")


def decode_capacity(data: bytes) -> Capacity:
    """Decode the answer to CMD_GET_FREE_SIZES; short answers are unknown, never zero.

    Source: protocol.md 4, captured.
    """
    fields = dict(_COUNTERS) if len(data) >= _COUNTERS_SIZE else {}
    if len(data) >= _FACES_SIZE:
        fields |= _FACE_COUNTERS
    numbers = {name: _I32.unpack_from(data, offset)[0] for name, offset in fields.items()}
    return Capacity(**{k: v if v >= 0 else None for k, v in numbers.items()}, raw=data)


# --- layouts ---


@dataclass(frozen=True, slots=True)
class Layout:
    """How one kind of record lies in memory.

    Attributes:
        name: Identifies it in errors and cursors.
        struct: The record, every byte of it.
        fields: Names of the unpacked values.
        source: Where this is known from.
    """

    name: str
    struct: Struct
    fields: tuple[str, ...]
    source: str

    @property
    def size(self) -> int:
        """Bytes of one record."""
        return self.struct.size


_TEXT_FIELDS: Final = ("uid", "user_id", "status", "raw_time", "punch")
_TEXT_FORM: Final = "<H24sBIB"
_TEXT_SIZE: Final = 40

ATTLOG_40 = Layout("attlog-40", Struct("<H24sBIB8x"), _TEXT_FIELDS, "protocol.md 6.1, captured")
ATTLOG_49 = Layout("attlog-49", Struct("<H24sBIB17x"), _TEXT_FIELDS, "protocol.md 6.2, documented")
ATTLOG_16 = Layout(
    "attlog-16",
    Struct("<IIBB2xI"),
    ("number", "raw_time", "punch", "status", "work_code"),
    "protocol.md 6.3, captured",
)
ATTLOG_8 = Layout(
    "attlog-8", Struct("<HBxI"), ("uid", "flags", "raw_time"), "protocol.md 6.4 A, captured"
)
ATTLOG_8B = Layout(
    "attlog-8b",
    Struct("<HBIB"),
    ("uid", "status", "raw_time", "punch"),
    "protocol.md 6.4 B, unproven",
)
OPLOG_16 = Layout(
    "oplog-16",
    Struct("<HBxI4H"),
    ("admin_uid", "op", "raw_time", "p1", "p2", "p3", "p4"),
    "protocol.md 8.1, captured",
)
USER_72 = Layout(
    "user-72",
    Struct("<HB8s24sIBHHHH24s"),
    (
        "uid",
        "privilege",
        "password",
        "name",
        "card",
        "group",
        "own_zones",
        "zone_1",
        "zone_2",
        "zone_3",
        "user_id",
    ),
    "protocol.md 7.1, captured",
)
USER_28 = Layout(
    "user-28",
    Struct("<HB5s8sIxBHI"),
    ("uid", "privilege", "password", "name", "card", "group", "zones", "number"),
    "protocol.md 7.2, captured",
)
USER_16 = Layout(
    "user-16",
    Struct("<HB5s8s"),
    ("uid", "privilege", "password", "name"),
    "protocol.md 7.3, documented in 2006",
)


def attlog_text_layout(size: int) -> Layout:
    """Return the layout of punches of ``size`` bytes that start like the 40-byte form."""
    known = {ATTLOG_40.size: ATTLOG_40, ATTLOG_49.size: ATTLOG_49}
    return known.get(size) or Layout(
        f"attlog-{size}",
        Struct(f"{_TEXT_FORM}{size - Struct(_TEXT_FORM).size}x"),
        _TEXT_FIELDS,
        "protocol.md 6.5, inferred",
    )


def attlog_layout(name: str) -> Layout | None:
    """Find a punch layout by its name."""
    known = {each.name: each for each in (ATTLOG_40, ATTLOG_49, ATTLOG_16, ATTLOG_8, ATTLOG_8B)}
    if name in known:
        return known[name]
    size = name.removeprefix("attlog-")
    plain = size.isascii() and size.isdecimal() and len(size) <= len("65535")
    return attlog_text_layout(int(size)) if plain and int(size) >= _TEXT_SIZE else None


# --- punches ---


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
        if self.layout.fields == _TEXT_FIELDS:
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
                for number, raw_time, punch, status, work_code in unpacked
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


# --- operations ---


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


# --- users ---


def decode_users(records: bytes, layout: Layout, encoding: str = "utf-8") -> list[User]:
    """Decode a user table.

    Args:
        records: Whole records.
        layout: Their layout.
        encoding: Code page of names that are not UTF-8.
    """
    return [
        _user(dict(zip(layout.fields, values, strict=True)), encoding)
        for values in layout.struct.iter_unpack(records)
    ]


class _UserFields(NamedTuple):
    user_id: str
    group_id: str
    own_timezones: bool | None
    timezones: tuple[int, ...]


def _user(fields: dict[str, int | bytes], encoding: str) -> User:
    uid, name = int(fields["uid"]), decode_text(_raw(fields, "name"), encoding)
    rest = _fields_72(fields) if "user_id" in fields else _fields_short(fields)
    user_id = rest.user_id or str(uid)
    return User(
        uid,
        user_id,
        name or user_id,
        int(fields["privilege"]),
        decode_text(_raw(fields, "password"), "latin-1"),
        rest.group_id,
        int(fields.get("card", 0)),
        rest.own_timezones,
        rest.timezones,
    )


def _raw(fields: dict[str, int | bytes], name: str) -> bytes:
    value = fields[name]
    return value if isinstance(value, bytes) else b""


def _fields_72(fields: dict[str, int | bytes]) -> _UserFields:
    group = int(fields["group"])
    own = int(fields["own_zones"])
    # pyzk writes the group as text, one byte further on. Source: protocol.md 7.1.
    written = own.to_bytes(2, "little").rstrip(b"\0")
    if group == 0 and written.isdigit():
        return _UserFields(_id_72(fields), written.decode("ascii"), None, ())
    zones = tuple(int(fields[name]) for name in ("zone_1", "zone_2", "zone_3"))
    return _UserFields(_id_72(fields), str(group), bool(own), zones)


def _id_72(fields: dict[str, int | bytes]) -> str:
    return decode_text(_raw(fields, "user_id"), "latin-1")


def _fields_short(fields: dict[str, int | bytes]) -> _UserFields:
    if "number" not in fields:
        return _UserFields("", "", None, ())
    zones = int(fields["zones"])
    bits = tuple(bit for bit in range(16) if zones >> bit & 1)
    return _UserFields(str(fields["number"]), str(fields["group"]), None, bits)


# --- templates ---

_TEMPLATE_HEAD = Struct("<HHBB")


def decode_fingerprints(records: bytes) -> list[FingerTemplate]:
    """Decode the fingerprint table, without its u32 size.

    Raises:
        ZKProtocolError: An entry is shorter than its head or longer than the table.

    Source: protocol.md 11, captured.
    """
    templates: list[FingerTemplate] = []
    offset = 0
    while offset + _TEMPLATE_HEAD.size <= len(records):
        size, uid, finger, flag = _TEMPLATE_HEAD.unpack_from(records, offset)
        if size == 0 and not any(records[offset:]):
            break
        if size < _TEMPLATE_HEAD.size or offset + size > len(records):
            raise ZKProtocolError(
                f"fingerprint {len(templates)} at byte {offset} of {len(records)} "
                f"claims {size} bytes"
            )
        body = records[offset + _TEMPLATE_HEAD.size : offset + size]
        templates.append(FingerTemplate(uid, finger, body, flag))
        offset += size
    return templates
