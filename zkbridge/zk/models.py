"""What a terminal tells, as frozen values. No I/O, no decoding.

The reference's fields come first and in its order; additional ones follow with defaults.
PINs, card numbers, templates and portraits are in no ``repr``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """Identity and record counts of a terminal.

    Attributes:
        ip: Host the client was told to connect to.
        serial: Option ``~SerialNumber``; empty where the terminal has none.
        firmware: Option ``FirmVer``, else the answer to CMD_GET_VERSION.
        platform: Option ``~Platform``.
        users_count: Enrolled users.
        attendance_count: Stored punches.
        faces_count: Enrolled faces; 0 where the terminal counts none.
        fingers_count: Enrolled fingerprints.
        capabilities: Every option that was read and had a value.

    The counts are None where the terminal does not tell them (protocol.md 4: an answer shorter
    than 80 bytes is unknown, never zero).
    """

    ip: str
    serial: str
    firmware: str
    platform: str
    users_count: int | None
    attendance_count: int | None
    faces_count: int | None
    fingers_count: int | None
    capabilities: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Capacity:
    """The counters of CMD_GET_FREE_SIZES; None where the terminal does not report one.

    Attributes:
        op_log: Entries of the operation log.
        admins: Users with an administrator's role.
        passwords: Users with a password.
        raw: The whole answer.

    Source: protocol.md 4, captured.
    """

    users: int | None = None
    fingerprints: int | None = None
    punches: int | None = None
    op_log: int | None = None
    admins: int | None = None
    passwords: int | None = None
    fingerprints_capacity: int | None = None
    users_capacity: int | None = None
    punches_capacity: int | None = None
    fingerprints_free: int | None = None
    users_free: int | None = None
    punches_free: int | None = None
    faces: int | None = None
    faces_capacity: int | None = None
    raw: bytes = field(default=b"", repr=False)


_ROLES: Mapping[int, str] = {
    0: "user",
    2: "enroller",
    6: "manager",
    12: "manager",
    14: "superadmin",
}


@dataclass(frozen=True, slots=True)
class User:
    """An enrolled user.

    Attributes:
        uid: The terminal's record index.
        user_id: The person's id as text, leading zeros kept.
        name: Display name; the user id where the terminal has none.
        privilege: Privilege byte as stored.
        password: PIN, empty when unset; never in a repr.
        group_id: Access group, decimal text.
        card: RFID card number, 0 for none; never in a repr.
        own_timezones: Whether the user has time zones of his own instead of his group's; None
            where the record does not tell.
        timezones: The user's time zones.
    """

    uid: int
    user_id: str
    name: str
    privilege: int
    password: str = field(repr=False)
    group_id: str
    card: int = field(repr=False)
    own_timezones: bool | None = None
    timezones: tuple[int, ...] = ()

    @property
    def disabled(self) -> bool:
        """Whether the user may not pass. Source: protocol.md 7.4."""
        return bool(self.privilege & 1)

    @property
    def role(self) -> str:
        """``user``, ``enroller``, ``manager``, ``superadmin`` or ``other(n)``.

        Source: protocol.md 7.4.
        """
        bits = self.privilege & 0b1110
        return _ROLES.get(bits, f"other({bits})")


@dataclass(frozen=True, slots=True)
class Attendance:
    """One punch of the log.

    Attributes:
        user_id: Who; where the record carries only the index and the user table does not know
            it, the index as text.
        timestamp: The terminal's wall clock, naive; None for a date that does not exist.
        status: How the person was verified, as stored.
        punch: Which key was pressed, as stored.
        raw_time: Packed time as stored.
        uid: First field of the record: the internal index, on some firmware a running number.
        work_code: Work code, where the layout has one.
        uid_only: The record carries only the internal index, no user id.
    """

    user_id: str
    timestamp: datetime | None
    status: int
    punch: int
    raw_time: int = 0
    uid: int | None = None
    work_code: int = 0
    uid_only: bool = False


@dataclass(frozen=True, slots=True)
class OpLog:
    """One entry of the operation log.

    Attributes:
        op: Operation code.
        timestamp: The terminal's wall clock, naive; None for a date that does not exist.
        target_uid: First parameter: for most operations the user it was done to.
        raw: The 16-byte record.
        admin_uid: Who did it; 0 for nobody.
        params: The four parameters.
        raw_time: Packed time as stored.

    Source: protocol.md 8.1, captured.
    """

    op: int
    timestamp: datetime | None
    target_uid: int
    raw: bytes
    admin_uid: int = 0
    params: tuple[int, int, int, int] = (0, 0, 0, 0)
    raw_time: int = 0


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A record of a log that is no record of its layout.

    Attributes:
        raw: Its bytes.
        position: Index in the log, oldest first.
    """

    raw: bytes = field(repr=False)
    position: int


@dataclass(frozen=True, slots=True)
class FingerTemplate:
    """One enrolled fingerprint.

    Attributes:
        uid: The user's record index.
        finger_index: 0 to 9.
        data: Template bytes; never in a repr.
        flag: 0 invalid, 1 valid, 3 duress.
    """

    uid: int
    finger_index: int
    data: bytes = field(repr=False)
    flag: int = 1


@dataclass(frozen=True, slots=True)
class FaceTemplate:
    """One enrolled face, as the terminal sent it.

    Attributes:
        uid: The user's record index.
        data: Template bytes; never in a repr.
    """

    uid: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class UserPhoto:
    """A user's portrait.

    Attributes:
        user_id: Whose.
        data: JPEG bytes; never in a repr.
    """

    user_id: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEvent:
    """Something a terminal told by itself.

    Attributes:
        code: Event code as sent.
        raw: Payload as sent; never in a repr, since it may hold card numbers.
    """

    code: int
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePunch(LiveEvent):
    """A person was recognised.

    Attributes:
        user_id: Who, as text; the number sent where the form carries only a number.
        timestamp: The terminal's wall clock, naive; None for a date that does not exist.
        status: How the person was verified.
        punch: Which key was pressed.
        raw_time: What the date fields pack to, as in the log.
        uid_only: The form carries a 16-bit number only.
        tail: Bytes after the known fields.

    Source: protocol.md 10.3.
    """

    user_id: str
    timestamp: datetime | None
    status: int
    punch: int
    raw_time: int
    uid_only: bool = False
    tail: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAlarm(LiveEvent):
    """An alarm or a door event.

    Attributes:
        alarm: The terminal's number; None where the payload is of no known form.
        kind: Identifier of contract 4; ``alarm`` where unknown.
        uid: The user's record index, where the form carries one.
        user_id: The same as text.
        match_type: Third field of the 12-byte form.

    Source: protocol.md 10.4.
    """

    alarm: int | None = None
    kind: str = "alarm"
    uid: int | None = None
    user_id: str | None = None
    match_type: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveVerify(LiveEvent):
    """Somebody tried to be recognised.

    Attributes:
        uid: Record index; None when nobody was recognised.
        identified: Whether somebody was recognised.

    Source: protocol.md 10.1.
    """

    uid: int | None
    identified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEnroll(LiveEvent):
    """A finger was enrolled, or was not.

    Attributes:
        result: 0 enrolled, 4 failed, 5 duplicate finger, 6 cancelled.
        template_size: Bytes; None when it failed.
        user_id: Whose; None when it failed.
        finger: 0 to 9; None when it failed.

    Source: protocol.md 10.5.
    """

    result: int
    template_size: int | None = None
    user_id: str | None = None
    finger: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOther(LiveEvent):
    """An event of a code or form that is not known; kept raw."""
