"""Events ↔ rows of the ``events`` table. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from zkbridge.events import Alarm, Event, Freshness, Log, OpEvent, Punch, Source
from zkbridge.store.values import Kind, Lane

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

CONTENT: Final = (
    "kind, at, day, hour, user_id, user_name, event_id, event_type, code, raw_time, subject,"
    " occurrence, occurred_at, timestamp, verified_by, verify_code, source, seen_at, admin_uid,"
    " params, raw, age_s, seen_mono_s, process"
)
_CONTENT: Final = tuple(CONTENT.split(", "))
# Numbered above the highest number known, and above what the same transaction stored before.
INSERT: Final = (
    f"INSERT INTO events(seq, terminal, lane, state, {CONTENT})"  # noqa: S608 - constants
    " VALUES(1 + max(?, (SELECT coalesce(max(seq), 0) FROM events)), ?, ?, 0"
    + ", ?" * len(_CONTENT)
    + ")"
)
# What event_from needs, in its order.
EVENT: Final = (
    "kind, event_id, event_type, code, user_id, user_name, raw_time, occurred_at, timestamp,"
    " verified_by, verify_code, source, seen_at, admin_uid, params, raw"
)
EVENT_WIDTH: Final = len(EVENT.split(","))


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """The key of one row of ``known``, beside the log's number."""

    raw_time: int
    subject: int
    occurrence: int


def to_us(moment: datetime) -> int:
    """Return microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    """Return the moment, aware UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def log_number(terminal: int, log: Log) -> int:
    """Return what ``known`` and ``undecodable`` call a terminal's log."""
    return terminal * 2 + (log is Log.OPERATIONS)


def kind_of(event: Event) -> Kind:
    """Return what the event is."""
    match event:
        case Punch():
            return Kind.PUNCH
        case OpEvent():
            return Kind.OPERATION
        case Alarm():
            return Kind.ALARM


def _stored_id(event_id: str) -> bytes:
    # Digests take half the room as bytes; a leading zero byte marks text that is none.
    try:
        packed = bytes.fromhex(event_id)
    except ValueError:
        packed = b""
    return b"\1" + packed if packed.hex() == event_id else b"\0" + event_id.encode()


def _loaded_id(stored: bytes) -> str:
    return stored[1:].hex() if stored[:1] == b"\1" else stored[1:].decode()


def storable(text: str | None) -> str | None:
    """Return text that has a UTF-8 form; a terminal's bytes may have become half a character."""
    if text is None or text.isascii():
        return text
    return text.encode(errors="replace").decode()


def _local_day(timestamp: str | None) -> tuple[int | None, int | None]:
    if timestamp is None:
        return None, None
    moment = datetime.fromisoformat(timestamp)
    return moment.date().toordinal(), moment.hour


def day_of(number: int) -> date:
    """Return the date of a ``day`` column."""
    return date.fromordinal(number)


def event_row(event: Event, known: Knowledge | None, freshness: Freshness) -> tuple[Any, ...]:
    """Return the values of ``CONTENT``'s columns."""
    values = _fields(event)
    values.update(
        kind=kind_of(event),
        event_id=_stored_id(event.id),
        event_type=event.event_type,
        seen_at=to_us(event.seen_at),
        age_s=freshness.age_s,
        seen_mono_s=freshness.seen_mono_s,
        process=freshness.process,
    )
    if known is not None:
        values.update(subject=known.subject, occurrence=known.occurrence)
    return tuple(values.get(column) for column in _CONTENT)


def _fields(event: Event) -> dict[str, Any]:
    if isinstance(event, Alarm):
        # An alarm is in no log: nothing of it needs to be known later.
        at = to_us(event.seen_at)
        return {"at": at, "user_id": storable(event.user_id), "code": event.code, "raw": event.raw}
    occurred = None if event.occurred_at is None else to_us(event.occurred_at)
    day, hour = _local_day(event.timestamp)
    values: dict[str, Any] = {
        "at": to_us(event.seen_at) if occurred is None else occurred,
        "day": day,
        "hour": hour,
        "occurred_at": occurred,
        "timestamp": event.timestamp,
        "raw_time": event.raw_time,
        "source": event.source.value,
    }
    if isinstance(event, Punch):
        values.update(
            user_id=storable(event.user_id),
            user_name=storable(event.user_name),
            code=event.punch_code,
            verified_by=event.verified_by,
            verify_code=event.verify_code,
        )
    else:
        values.update(
            code=event.op_code,
            admin_uid=event.admin_uid,
            params=json.dumps(event.params),
            raw=event.raw,
        )
    return values


def event_from(row: Sequence[Any], *, replayed: bool = False) -> Event:
    """Rebuild an event.

    Args:
        row: Values of ``EVENT``'s columns.
        replayed: Say so in its source.
    """
    (kind, row_id, event_type, code, user_id, user_name, raw_time, occurred, timestamp, verified_by,
     verify_code, source, seen_at, admin_uid, params, raw) = row  # fmt: skip
    event_id = _loaded_id(row_id)
    seen = from_us(seen_at)
    if kind == Kind.ALARM:
        return Alarm(
            id=event_id, event_type=event_type, code=code, user_id=user_id, raw=raw, seen_at=seen
        )
    occurred_at = None if occurred is None else from_us(occurred)
    event: Punch | OpEvent
    if kind == Kind.PUNCH:
        event = Punch(
            id=event_id,
            event_type=event_type,
            user_id=user_id,
            user_name=user_name,
            raw_time=raw_time,
            timestamp=timestamp,
            occurred_at=occurred_at,
            verified_by=verified_by,
            verify_code=verify_code,
            punch_code=code,
            source=Source(source),
            seen_at=seen,
        )
    else:
        event = OpEvent(
            id=event_id,
            event_type=event_type,
            op_code=code,
            raw_time=raw_time,
            timestamp=timestamp,
            occurred_at=occurred_at,
            admin_uid=admin_uid,
            params=tuple(json.loads(params)),
            raw=raw,
            source=Source(source),
            seen_at=seen,
        )
    return replace(event, source=Source.REPLAY) if replayed else event


def freshness_from(
    lane: int, age_s: float | None, mono: float | None, process: str | None
) -> Freshness:
    """Rebuild what decides fresh or late; a replay is late whatever was stored."""
    if lane == Lane.REPLAY or mono is None or process is None:
        return Freshness(age_s=None, seen_mono_s=0.0, process="")
    return Freshness(age_s=age_s, seen_mono_s=mono, process=process)
