"""Events and states as MQTT messages, exactly as the contract's section 4 says. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from zkbridge.events import Alarm, Event, OpEvent, Punch, Source, Terminal, TerminalState
from zkbridge.mqtt.topics import Topics
from zkbridge.troubles import advice

FRESH_EXPIRY_S: Final = 3600
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
ONLINE: Final = b"online"
OFFLINE: Final = b"offline"


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message.

    Attributes:
        expiry_s: For how long the broker may keep it for somebody who is away; MQTT 5 only.
    """

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    expiry_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeState:
    """The retained state of the bridge itself; fields as in contract 4."""

    version: str
    instance: str
    started_at: datetime
    terminals: int
    terminals_online: int
    queue: int
    refused: int
    log_level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LastAndToday:
    """What a terminal's state shows of its punches; None: unknown, or not to be shown.

    Attributes:
        user: Who was last, by name where that may be shown, else by id.
        type: The last punch's ``event_type``.
        method: How the last person was recognised.
        punches: Since midnight of the terminal's zone.
        since: That midnight, ISO 8601 with offset.
    """

    user: str | None = None
    user_id: str | None = None
    type: str | None = None
    method: str | None = None
    punches: int | None = None
    since: str | None = None


_NOTHING: Final = LastAndToday()


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """Encode a payload: compact UTF-8; what is no character becomes U+FFFD."""
    text = _ENCODER.encode(content)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def utc_text(moment: datetime) -> str:
    """Format a moment as UTC with milliseconds."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")


def event_message(
    topics: Topics, terminal: Terminal, event: Event, *, late: bool, source: Source | None = None
) -> Message:
    """Make the message of an event.

    Args:
        topics: Where things are published.
        terminal: Where it happened.
        event: What happened.
        late: Goes to the late topic, where the kind of event has one.
        source: Overrides the event's own, for what is sent once more.
    """
    if isinstance(event, Punch):
        topic = topics.punch(terminal.id, late=late)
        content = _punch(terminal, event, source or event.source)
    elif isinstance(event, OpEvent):
        topic = topics.oplog(terminal.id, late=late)
        content = _operation(terminal, event, source or event.source)
    else:
        topic = topics.alarm(terminal.id)
        content = _alarm(terminal, event)
    return Message(topic, json_bytes(content), expiry_s=None if late else FRESH_EXPIRY_S)


def _where(terminal: Terminal) -> dict[str, Any]:
    return {
        "terminal_id": terminal.id,
        "terminal_name": terminal.name,
        "serial": terminal.serial,
    }


def _punch(terminal: Terminal, punch: Punch, source: Source) -> dict[str, Any]:
    content = {
        "id": punch.id,
        "event_type": punch.event_type,
        "user_id": punch.user_id,
        "user_name": punch.user_name,
        "timestamp": punch.timestamp,
        "verified_by": punch.verified_by,
        "verify_code": punch.verify_code,
        "punch_code": punch.punch_code,
        **_where(terminal),
        "source": source.value,
        "seen_at": utc_text(punch.seen_at),
    }
    if punch.timestamp is None:
        content["raw_time"] = punch.raw_time
    return content


def _operation(terminal: Terminal, entry: OpEvent, source: Source) -> dict[str, Any]:
    content = {
        "id": entry.id,
        "event_type": entry.event_type,
        "op_code": entry.op_code,
        "timestamp": entry.timestamp,
        "admin_uid": entry.admin_uid,
        "params": list(entry.params),
        "raw": entry.raw.hex(),
        **_where(terminal),
        "source": source.value,
        "seen_at": utc_text(entry.seen_at),
    }
    if entry.timestamp is None:
        content["raw_time"] = entry.raw_time
    return content


def _alarm(terminal: Terminal, alarm: Alarm) -> dict[str, Any]:
    return {
        "id": alarm.id,
        "event_type": alarm.event_type,
        "code": alarm.code,
        "user_id": alarm.user_id,
        "raw": alarm.raw.hex(),
        **_where(terminal),
        "seen_at": utc_text(alarm.seen_at),
    }


def tag_message(topics: Topics, terminal_id: str, user_id: str) -> Message:
    """Make the scan of a Home Assistant tag; never retained, or it would fire again."""
    payload = f"zk-{user_id}".encode("utf-8", "replace")
    return Message(topics.tag(terminal_id), payload, expiry_s=FRESH_EXPIRY_S)


def availability_message(topic: str, *, online: bool) -> Message:
    """Make a retained ``online`` or ``offline``."""
    return Message(topic, ONLINE if online else OFFLINE, retain=True)


def state_message(
    topics: Topics, terminal_id: str, state: TerminalState, recent: LastAndToday = _NOTHING
) -> Message:
    """Make a terminal's retained state."""
    trouble = advice(state.error)
    content = {
        "users": state.users,
        "fingerprints": state.fingerprints,
        "faces": state.faces,
        "punches": state.punches,
        "op_log": state.op_log,
        "users_capacity": state.users_capacity,
        "fingerprints_capacity": state.fingerprints_capacity,
        "faces_capacity": state.faces_capacity,
        "punches_capacity": state.punches_capacity,
        "log_used": state.log_used,
        "firmware": state.firmware,
        "serial": state.serial,
        "platform": state.platform,
        "clock_drift": state.clock_drift,
        "mode": state.mode.value,
        "synced": state.synced,
        "error": None if state.error is None else state.error.value,
        "undecodable": state.undecodable,
        "last_punch": state.last_punch,
        "error_text": None if trouble is None else trouble.text,
        "error_cure": None if trouble is None else trouble.cure,
        "last_user": recent.user,
        "last_user_id": recent.user_id,
        "last_type": recent.type,
        "last_method": recent.method,
        "punches_today": recent.punches,
        "today_from": recent.since,
    }
    return Message(topics.state(terminal_id), json_bytes(content), retain=True)


def bridge_state_message(topics: Topics, state: BridgeState) -> Message:
    """Make the bridge's retained state."""
    content = {
        "version": state.version,
        "instance": state.instance,
        "started_at": utc_text(state.started_at),
        "terminals": state.terminals,
        "terminals_online": state.terminals_online,
        "queue": state.queue,
        "refused": state.refused,
        "log_level": state.log_level,
    }
    return Message(topics.bridge_state, json_bytes(content), retain=True)


def presence_message(topics: Topics, user_id: str, *, home: bool) -> Message:
    """Make a person's retained presence."""
    return Message(topics.person(user_id), b"home" if home else b"not_home", retain=True)


def clearing_message(topic: str) -> Message:
    """Make the empty retained message that removes a topic."""
    return Message(topic, b"", retain=True)
