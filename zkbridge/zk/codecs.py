"""Record layouts as tables, and values that are no log: time, text, counters, users. No I/O.

The two logs are decoded in ``logs``, live events in ``live``; which layout a table has is
decided in ``layouts``.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from struct import Struct
from typing import Final, NamedTuple

from zkbridge.zk.errors import ZKProtocolError
from zkbridge.zk.models import (
    Capacity,
    FingerTemplate,
    User,
)

# --- time ---

_DAY_S: Final = 86400
_HOUR_S: Final = 3600


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
    if text.isascii():
        return text.decode("ascii")
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
    text, _, _ = data.partition(b"\0")
    _, separator, value = text.partition(b"=")
    return decode_text(value if separator else text, "latin-1")


# --- counters ---

_COUNTERS = Struct("<16xi4xi4xi4xi4x8i")
_COUNTER_NAMES: Final = (
    "users",
    "fingerprints",
    "punches",
    "op_log",
    "admins",
    "passwords",
    "fingerprints_capacity",
    "users_capacity",
    "punches_capacity",
    "fingerprints_free",
    "users_free",
    "punches_free",
)
_FACE_COUNTERS = Struct("<80xi4xi")
_FACE_NAMES: Final = ("faces", "faces_capacity")


def decode_capacity(data: bytes) -> Capacity:
    """Decode the answer to CMD_GET_FREE_SIZES; short answers are unknown, never zero.

    Source: protocol.md 4, captured.
    """
    known: dict[str, int | None] = {}
    for layout, names in ((_COUNTERS, _COUNTER_NAMES), (_FACE_COUNTERS, _FACE_NAMES)):
        if len(data) >= layout.size:
            numbers = [v if v >= 0 else None for v in layout.unpack_from(data)]
            known.update(zip(names, numbers, strict=True))
    return Capacity(**known, raw=data)


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


ATTLOG_TEXT_FIELDS: Final = ("uid", "user_id", "status", "raw_time", "punch")
_TEXT_FORM: Final = "<H24sBIB"
_TEXT_SIZE: Final = 40

ATTLOG_40 = Layout(
    "attlog-40", Struct("<H24sBIB8x"), ATTLOG_TEXT_FIELDS, "protocol.md 6.1, captured"
)
ATTLOG_49 = Layout(
    "attlog-49", Struct("<H24sBIB17x"), ATTLOG_TEXT_FIELDS, "protocol.md 6.2, documented"
)
ATTLOG_16 = Layout(
    "attlog-16",
    Struct("<IIBBHI"),
    ("number", "raw_time", "punch", "status", "reserved", "work_code"),
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
        ATTLOG_TEXT_FIELDS,
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
