"""What a simulated terminal puts into its tables and events, as bytes. No I/O.

Written from the fact sheet alone, so that the client's decoders meet somebody else's encoder.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from struct import Struct
from typing import Final

_U16: Final = Struct("<H")
_U32: Final = Struct("<I")
_SHORT_PUNCH: Final = Struct("<HBBI")
_MEDIUM_PUNCH: Final = Struct("<IIBBHI")
_LONG_PUNCH: Final = Struct("<H24sBIB8s")
_SHORT_USER: Final = Struct("<HB5s8sIBBHI")
_LONG_USER: Final = Struct("<HB8s24sIBHHHH24s")
_OPERATION: Final = Struct("<HBBIHHHH")
_TEMPLATE_HEAD: Final = Struct("<HHBB")
_ENROLLED: Final = Struct("<HH9sB")
_SHORT_EVENT: Final = Struct("<HBB6s")
_SHORT_EVENT_CODED: Final = Struct("<HBB6sI")
_NUMBER_EVENT: Final = Struct("<IBB6s")
_LONG_EVENT: Final = Struct("<24sBB6s")
_ALARM: Final = Struct("<IHHI")
_WORK_CODE_TAILS: Final = (4, 5)
_FULL_COUNTERS: Final = 80

PUNCH_SIZES: Final = (8, 16, 40, 49)
USER_SIZES: Final = (28, 72)
OPERATION_SIZE: Final = 16
ATTLOG_EVENT_SIZES: Final = (10, 12, 14, 32, 36, 37, 52)
# Both fillers were captured; protocol.md 6.1.
LONG_PUNCH_TAIL: Final = bytes.fromhex("00000000ff000000")
NOBODY: Final = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class SimulatedUser:
    """One entry of the user table, and what else the terminal stores of that person.

    Attributes:
        uid: Internal index, 1 to 65535.
        user_id: The person's id as text.
        name: Display name; cut to what the layout holds.
        templates: Fingerprints by finger number.
        faces: Old infrared face templates, in the order of their index.
        photo: JPEG portrait.
        raw_name: The name's bytes, where they are not the encoding of ``name``.
    """

    uid: int
    user_id: str
    name: str = ""
    privilege: int = 0
    password: str = ""
    card: int = 0
    group: int = 1
    own_timezones: bool = False
    timezones: tuple[int, int, int] = (0, 0, 0)
    templates: dict[int, bytes] = field(default_factory=dict)
    template_flag: int = 1
    faces: tuple[bytes, ...] = ()
    photo: bytes | None = None
    raw_name: bytes | None = None


@dataclass(frozen=True, slots=True)
class SimulatedPunch:
    """One entry of the attendance log before it is encoded."""

    user_id: str
    raw_time: int
    verify: int = 1
    state: int = 0
    uid: int = 0
    work_code: int = 0


@dataclass(frozen=True, slots=True)
class SimulatedOperation:
    """One entry of the operation log before it is encoded."""

    op: int
    raw_time: int
    admin: int = 0
    params: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad: int = 0


def pack_time(moment: datetime) -> int:
    """Pack a wall-clock time on the terminal's calendar of 31-day months.

    >>> pack_time(datetime(2018, 6, 25, 17, 50, 35)) == 0x2368B36B
    True

    Source: protocol.md 3.1, captured.
    """
    days = (moment.year % 100) * 372 + (moment.month - 1) * 31 + moment.day - 1
    return days * 86400 + moment.hour * 3600 + moment.minute * 60 + moment.second


def pack_impossible_time(year: int, month: int, day: int, second_of_day: int = 0) -> int:
    """Pack a date that need not exist, such as 31 February. Source: protocol.md 3.1."""
    return ((year % 100) * 372 + (month - 1) * 31 + day - 1) * 86400 + second_of_day


def time6(moment: datetime) -> bytes:
    """Write a wall-clock time as live events do. Source: protocol.md 3.2, captured."""
    return bytes(
        (
            moment.year - 2000,
            moment.month,
            moment.day,
            moment.hour,
            moment.minute,
            moment.second,
        )
    )


def _text(text: str, size: int) -> bytes:
    """User ids and passwords: ASCII in a field of fixed size."""
    return text.encode("utf-8")[:size].ljust(size, b"\0")


def _number(user_id: str, uid: int) -> int:
    """The numeric id of the layouts that have no room for text."""
    return int(user_id) & 0xFFFFFFFF if user_id.isdecimal() and user_id.isascii() else uid


def punch_record(punch: SimulatedPunch, size: int) -> bytes:
    """Encode one attendance record.

    Args:
        punch: What was recorded.
        size: 8, 16, or 40 and more; what exceeds 40 is filled with zeros.

    Raises:
        ValueError: No such layout.

    Source: protocol.md 6.1 to 6.4.
    """
    if size == _SHORT_PUNCH.size:
        verify = {0: 0, 1: 1, 2: 2, 3: 0, 4: 2}.get(punch.verify, 3)
        flags = (punch.state & 7) | verify << 3 | 0x20
        return _SHORT_PUNCH.pack(punch.uid, flags, 0, punch.raw_time)
    if size == _MEDIUM_PUNCH.size:
        number = _number(punch.user_id, punch.uid)
        return _MEDIUM_PUNCH.pack(
            number, punch.raw_time, punch.state, punch.verify, 0, punch.work_code
        )
    if size < _LONG_PUNCH.size:
        raise ValueError(f"no attendance layout of {size} bytes")
    tail = _U32.pack(punch.work_code) + LONG_PUNCH_TAIL[4:]
    return _LONG_PUNCH.pack(
        punch.uid & 0xFFFF,
        _text(punch.user_id, 24),
        punch.verify,
        punch.raw_time,
        punch.state,
        tail,
    ).ljust(size, b"\0")


def cut_text(raw: bytes, size: int, encoding: str) -> bytes:
    """Cut a name to its field; UTF-8 stays whole, so that a name can be read back."""
    if len(raw) <= size or encoding.lower().replace("-", "") != "utf8":
        return raw[:size]
    return raw[:size].decode("utf-8", "ignore").encode("utf-8")


def user_record(user: SimulatedUser, size: int, encoding: str = "utf-8") -> bytes:
    """Encode one user.

    Args:
        user: Whom.
        size: 28 or 72.
        encoding: Code page of the terminal.

    Raises:
        ValueError: No such layout.

    Source: protocol.md 7.1 and 7.2, captured.
    """
    name = user.raw_name if user.raw_name is not None else user.name.encode(encoding, "replace")
    if size == _SHORT_USER.size:
        return _SHORT_USER.pack(
            user.uid,
            user.privilege,
            _text(user.password, 5),
            name[:8].ljust(8, b"\0"),
            user.card,
            0,
            user.group,
            sum(1 << zone for zone in user.timezones if zone),
            _number(user.user_id, user.uid),
        )
    if size != _LONG_USER.size:
        raise ValueError(f"no user layout of {size} bytes")
    return _LONG_USER.pack(
        user.uid,
        user.privilege,
        _text(user.password, 8),
        cut_text(name, 23, encoding).ljust(24, b"\0"),
        user.card,
        user.group,
        int(user.own_timezones),
        *user.timezones,
        _text(user.user_id, 24),
    )


def operation_record(operation: SimulatedOperation) -> bytes:
    """Encode one operation log record. Source: protocol.md 8.1, captured."""
    return _OPERATION.pack(
        operation.admin, operation.op, operation.pad, operation.raw_time, *operation.params
    )


def template_entry(uid: int, finger: int, flag: int, template: bytes) -> bytes:
    """Encode one entry of the fingerprint table. Source: protocol.md 11, captured."""
    return _TEMPLATE_HEAD.pack(len(template) + _TEMPLATE_HEAD.size, uid, finger, flag) + template


def free_sizes(counters: dict[str, int], size: int = 92) -> bytes:
    """Encode the answer to GET_FREE_SIZES.

    Args:
        counters: By the names of :data:`COUNTER_OFFSETS`; what is missing is zero.
        size: Bytes of the answer: 80, 92, 112, or 4.

    Source: protocol.md 4, captured.
    """
    answer = bytearray(size)
    for name, offset in COUNTER_OFFSETS.items():
        if _FULL_COUNTERS <= size >= offset + _U32.size:
            _U32.pack_into(answer, offset, counters.get(name, 0) & 0xFFFFFFFF)
    return bytes(answer)


COUNTER_OFFSETS: Final = {
    "users": 16,
    "fingers": 24,
    "records": 32,
    "oplog": 40,
    "admins": 48,
    "passwords": 52,
    "fingers_cap": 56,
    "users_cap": 60,
    "records_cap": 64,
    "fingers_free": 68,
    "users_free": 72,
    "records_free": 76,
    "faces": 80,
    "faces_cap": 88,
}

# Question number of a terminal that answers one counter at a time. Inference: protocol.md 4.
COUNTER_QUESTIONS: Final = {
    1: "admins",
    2: "users",
    3: "fingers",
    4: "passwords",
    5: "oplog",
    6: "records",
    7: "fingers_cap",
    8: "users_cap",
    9: "records_cap",
    10: "fingers_free",
    11: "users_free",
    12: "records_free",
    21: "faces",
    22: "faces_cap",
}


def attlog_event(punch: SimulatedPunch, moment: datetime, size: int) -> bytes:
    """Encode the payload of a live punch.

    Args:
        punch: What happened.
        moment: The terminal's wall clock.
        size: 10, 12, 14, or 32 and more.

    Raises:
        ValueError: No such form.

    Source: protocol.md 10.3; 32 bytes captured.
    """
    when = time6(moment)
    number = _number(punch.user_id, punch.uid)
    if size == _SHORT_EVENT.size:
        return _SHORT_EVENT.pack(number & 0xFFFF, punch.verify, punch.state, when)
    if size == _SHORT_EVENT_CODED.size:
        return _SHORT_EVENT_CODED.pack(
            number & 0xFFFF, punch.verify, punch.state, when, punch.work_code
        )
    if size == _NUMBER_EVENT.size:
        return _NUMBER_EVENT.pack(number, punch.verify, punch.state, when)
    if size < _LONG_EVENT.size:
        raise ValueError(f"no live punch of {size} bytes")
    head = _LONG_EVENT.pack(_text(punch.user_id, 24), punch.verify, punch.state, when)
    tail = size - len(head)
    work_code = _U32.pack(punch.work_code) if tail in _WORK_CODE_TAILS else b""
    return head + work_code.ljust(tail, b"\0")


def alarm_event(code: int, uid: int | None = None, *, match: int = 1, size: int = 0) -> bytes:
    """Encode the payload of an alarm or door event.

    Args:
        code: 53 exit button, 54 door, 55 tamper, 58 misoperation, 32 duress, 34 passback.
        uid: Whom it concerns, in the 12-byte form.
        match: What was matched, in the 12-byte form.
        size: 4, 8 or 12; 0 chooses the form that carries this code.

    Source: protocol.md 10.4.
    """
    if not size:
        size = {32: 12, 34: 12, 54: 8, 84: 8}.get(code, 4)
    if size == _ALARM.size:
        return _ALARM.pack(NOBODY, code, uid or 0, match)
    return _U16.pack(code).ljust(size, b"\0")


def verify_event(uid: int | None) -> bytes:
    """Encode the payload of a verification; None: not recognised. Source: protocol.md 10.1."""
    return _U32.pack(NOBODY if uid is None else uid) + b"\x01"


def enroll_finger_event(
    result: int, template_size: int = 0, user_id: str = "", finger: int = 0
) -> bytes:
    """Encode the payload of an enrolled or refused fingerprint. Source: protocol.md 10.5."""
    if result:
        return _U16.pack(result)
    return _ENROLLED.pack(result, template_size, _text(user_id, 9), finger)


def table(records: Iterable[bytes]) -> bytes:
    """Put the size field in front of records. Source: protocol.md 5.5."""
    body = b"".join(records)
    return _U32.pack(len(body)) + body
