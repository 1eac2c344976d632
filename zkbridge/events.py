"""Frozen values that cross packages: what happened at a terminal, and how it is doing.

Everything here is what the bridge knows, never what a topic or an entity looks like. Moments
are aware UTC; a terminal's own wall clock appears only as ``raw_time`` and ``timestamp``.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Source(StrEnum):
    """How an event reached the bridge. Source: contract 4."""

    LIVE = "live"
    POLL = "poll"
    BACKFILL = "backfill"
    REPLAY = "replay"


class Log(StrEnum):
    """One of the two logs that a terminal keeps."""

    PUNCHES = "punches"
    OPERATIONS = "operations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """Who a terminal is, to everything outside ``polling``.

    Attributes:
        key: What its records' ids are derived from: serial, else MAC, else host:port.
        id: Part of topics and entity ids.
        name: The configured label.
        serial: As the terminal told it; None before first contact or where it has none.
    """

    key: str
    id: str
    name: str
    serial: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Punch:
    """One use of a terminal by one person.

    Attributes:
        id: Stable identity of the record (contract 4).
        event_type: ``check_in`` … ``overtime_out``, else ``punch``.
        user_id: As stored on the terminal, leading zeros kept.
        user_name: None when unknown or switched off.
        raw_time: The terminal's packed time, or what its date fields would pack to.
        timestamp: Wall clock with the terminal's offset, ISO 8601; None for an impossible date.
        occurred_at: The same moment in UTC; None for an impossible date.
        verified_by: How the person was recognised.
        verify_code: The terminal's number for that.
        punch_code: The terminal's number of the key pressed.
        source: How it reached the bridge.
        seen_at: When, by the host's clock, UTC.
    """

    id: str
    event_type: str
    user_id: str
    user_name: str | None
    raw_time: int
    timestamp: str | None
    occurred_at: datetime | None
    verified_by: str
    verify_code: int
    punch_code: int
    source: Source
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OpEvent:
    """One entry of a terminal's operation log; fields as in contract 4.

    Attributes:
        params: The four parameters, unsigned 16-bit.
        raw: The 16-byte record.
    """

    id: str
    event_type: str
    op_code: int
    raw_time: int
    timestamp: str | None
    occurred_at: datetime | None
    admin_uid: int
    params: tuple[int, ...]
    raw: bytes
    source: Source
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A realtime alarm or door event; fields as in contract 4.

    Attributes:
        code: The terminal's number, None where the payload is of no known form.
        raw: The event's payload.
    """

    id: str
    event_type: str
    code: int | None
    user_id: str | None
    raw: bytes
    seen_at: datetime


Event = Punch | OpEvent | Alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """What the fresh-or-late decision at each sending needs (contract 5.9).

    Attributes:
        age_s: Age when it was seen, in seconds: 0 for what was seen live or appeared between
            two reads close to each other, the clock-corrected age after a longer gap, None for
            what is late whatever happens.
        seen_mono_s: Monotonic clock when it was seen; meaningful within ``process``.
        process: Identifies the run of the bridge that saw it.
    """

    age_s: float | None
    seen_mono_s: float
    process: str


class Mode(StrEnum):
    """How a terminal is being listened to. Source: contract 4."""

    LIVE = "live"
    POLL = "poll"
    OFFLINE = "offline"


class Trouble(StrEnum):
    """``error`` of a terminal's state. Source: contract 4."""

    UNREACHABLE = "unreachable"
    AUTH_FAILED = "auth_failed"
    BUSY = "busy"
    PROTOCOL = "protocol"
    UNSUPPORTED = "unsupported"
    ENCRYPTED = "encrypted"
    NOT_A_TERMINAL = "not_a_terminal"
    DUPLICATE_TERMINAL = "duplicate_terminal"
    STORE_FULL = "store_full"
    CLOCK_WRONG = "clock_wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalState:
    """The retained state of one terminal; None where the terminal does not tell.

    Attributes:
        log_used: Per cent of the punch log's capacity.
        clock_drift: Seconds, positive when the terminal is ahead.
        synced: Its logs have been read to the end since the bridge started.
        undecodable: Records set aside because they fit no layout.
        last_punch: Timestamp of the newest punch, ISO 8601 with offset.
    """

    users: int | None = None
    fingerprints: int | None = None
    faces: int | None = None
    punches: int | None = None
    op_log: int | None = None
    users_capacity: int | None = None
    fingerprints_capacity: int | None = None
    faces_capacity: int | None = None
    punches_capacity: int | None = None
    log_used: float | None = None
    firmware: str | None = None
    serial: str | None = None
    platform: str | None = None
    clock_drift: float | None = None
    mode: Mode = Mode.OFFLINE
    synced: bool = False
    error: Trouble | None = None
    undecodable: int = 0
    last_punch: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """What Home Assistant's device page shows of a terminal, beyond its state.

    Attributes:
        mac: Lower case with colons, only where the terminal told a valid one.
        has_faces: Whether the terminal reports face counts at all.
        has_alarms: Whether it ever sent an alarm event.
    """

    model: str | None = None
    mac: str | None = None
    host: str | None = None
    has_faces: bool = False
    has_fingerprints: bool = True
    has_alarms: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalView:
    """One terminal with all that is published about it besides its events.

    Attributes:
        online: None before it was tried for the first time.
    """

    terminal: Terminal
    state: TerminalState = field(default_factory=TerminalState)
    facts: DeviceFacts = field(default_factory=DeviceFacts)
    online: bool | None = None
