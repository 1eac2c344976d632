"""Topics and payloads: made by the bridge's own makers of messages."""

import json
from datetime import UTC, datetime
from typing import Final

from zkbridge.events import (
    Alarm,
    Mode,
    OpEvent,
    Punch,
    Source,
    Terminal,
    TerminalState,
)
from zkbridge.identity import alarm_id, operation_id, punch_id
from zkbridge.mqtt.messages import (
    BridgeState,
    LastAndToday,
    Message,
    availability_message,
    bridge_state_message,
    event_message,
    presence_message,
    state_message,
    tag_message,
)
from zkbridge.mqtt.topics import BRIDGE_ID, Topics
from zkbridge.vocabulary import operation_type, punch_type, verified_by
from zkbridge.zk.codecs import encode_time
from zkbridge_docs.tables import code, fenced, table

TOPICS: Final = Topics()
DOOR: Final = Terminal(
    key="CKUH210360002", id="front_door", name="Front door", serial="CKUH210360002"
)
_SEEN: Final = datetime(2026, 3, 2, 1, 1, 7, 214000, UTC)
_RAW: Final = encode_time((2026, 3, 2), (8, 1, 7))
_IMPOSSIBLE: Final = 0x30350234  # 30 February 2025

PUNCH: Final = Punch(
    id=punch_id(DOOR.key, "1042", _RAW, 0),
    event_type=punch_type(0),
    user_id="1042",
    user_name="Ana Souza",
    raw_time=_RAW,
    timestamp="2026-03-02T08:01:07+07:00",
    occurred_at=datetime(2026, 3, 2, 1, 1, 7, tzinfo=UTC),
    verified_by=verified_by(1),
    verify_code=1,
    punch_code=0,
    source=Source.LIVE,
    seen_at=_SEEN,
)
IMPOSSIBLE: Final = Punch(
    id=punch_id(DOOR.key, "7", _IMPOSSIBLE, 0),
    event_type=punch_type(255),
    user_id="7",
    user_name=None,
    raw_time=_IMPOSSIBLE,
    timestamp=None,
    occurred_at=None,
    verified_by=verified_by(200),
    verify_code=200,
    punch_code=255,
    source=Source.POLL,
    seen_at=_SEEN,
)
_RECORD: Final = bytes.fromhex("01001e00") + _RAW.to_bytes(4, "little") + bytes([42, *bytes(7)])
OPERATION: Final = OpEvent(
    id=operation_id(DOOR.key, _RECORD, 0),
    event_type=operation_type(30),
    op_code=30,
    raw_time=_RAW,
    timestamp=PUNCH.timestamp,
    occurred_at=PUNCH.occurred_at,
    admin_uid=1,
    params=(42, 0, 0, 0),
    raw=_RECORD,
    source=Source.POLL,
    seen_at=_SEEN,
)
ALARM: Final = Alarm(
    id=alarm_id(DOOR.key, b"7\0\0\0", 1),
    event_type="tamper",
    code=0x37,
    user_id=None,
    raw=b"7\0\0\0",
    seen_at=_SEEN,
)
STATE: Final = TerminalState(
    users=84,
    fingerprints=160,
    faces=0,
    punches=41210,
    op_log=612,
    users_capacity=3000,
    fingerprints_capacity=3000,
    punches_capacity=100000,
    log_used=41.2,
    firmware="Ver 6.60 Apr 28 2017",
    serial=DOOR.serial,
    platform="ZMM220_TFT",
    clock_drift=-3.0,
    mode=Mode.LIVE,
    synced=True,
    last_punch=PUNCH.timestamp,
)
RECENT: Final = LastAndToday(
    user=PUNCH.user_name,
    user_id=PUNCH.user_id,
    type=PUNCH.event_type,
    method=PUNCH.verified_by,
    punches=1,
    since="2026-03-02T00:00:00+07:00",
)
BRIDGE: Final = BridgeState(
    version="0.1.0",
    instance="k3v9q0ax",
    started_at=datetime(2026, 3, 1, 22, 10, 4, 118000, UTC),
    terminals=2,
    terminals_online=2,
    queue=0,
    refused=0,
    log_level="info",
)


def example_punch() -> str:
    """Show a fresh punch."""
    return _shown(event_message(TOPICS, DOOR, PUNCH, late=False))


def example_impossible() -> str:
    """Show a late punch of a date that does not exist."""
    return _shown(event_message(TOPICS, DOOR, IMPOSSIBLE, late=True))


def example_operation() -> str:
    """Show an op-log entry."""
    return _shown(event_message(TOPICS, DOOR, OPERATION, late=False))


def example_alarm() -> str:
    """Show an alarm."""
    return _shown(event_message(TOPICS, DOOR, ALARM, late=False))


def example_state() -> str:
    """Show a terminal's state."""
    return _shown(state_message(TOPICS, DOOR.id, STATE, RECENT))


def example_bridge() -> str:
    """Show the bridge's state."""
    return _shown(bridge_state_message(TOPICS, BRIDGE))


def _shown(message: Message) -> str:
    pretty = json.dumps(json.loads(message.payload), indent=2, ensure_ascii=False)
    about = f"`{message.topic}`, QoS {message.qos}, {'' if message.retain else 'not '}retained"
    if message.expiry_s is not None:
        about += f", expires after {message.expiry_s // 3600} h (MQTT 5)"
    return f"{about}:\n\n{fenced(pretty, 'json')}"


def topics() -> str:
    """List every topic."""
    generic = Terminal(key="k", id="<id>", name="")
    made = (
        (
            availability_message(TOPICS.bridge_availability, online=True),
            "`online` or `offline`: is the bridge there (last will)",
        ),
        (bridge_state_message(TOPICS, BRIDGE), "[how the bridge is doing](#bridge-state)"),
        (
            availability_message(TOPICS.availability("<id>"), online=True),
            "`online` or `offline`: does this terminal answer",
        ),
        (state_message(TOPICS, "<id>", STATE), "[how the terminal is doing](#terminal-state)"),
        (event_message(TOPICS, generic, PUNCH, late=False), "[fresh punches](#punch)"),
        (
            event_message(TOPICS, generic, PUNCH, late=True),
            "the other punches: after an outage, backfill, replay",
        ),
        (event_message(TOPICS, generic, OPERATION, late=False), "[op-log entries](#op-log-entry)"),
        (event_message(TOPICS, generic, OPERATION, late=True), "op-log entries that are late"),
        (event_message(TOPICS, generic, ALARM, late=False), "[alarm and door events](#alarm)"),
        (tag_message(TOPICS, "<id>", "1"), "`zk-<user_id>`, only with `people.tags`"),
        (
            Message(TOPICS.portrait("<id>"), b"", retain=True),
            "JPEG of the last user, only with `people.photos`",
        ),
        (
            presence_message(TOPICS, "USER", home=True),
            "`home` or `not_home`, only with `people.presence`",
        ),
    )
    rows = [
        (code(message.topic.replace("USER", "<user>")), "yes" if message.retain else "no", text)
        for message, text in made
    ]
    rows += [
        (code(TOPICS.command("<id>")), "subscribed", "[commands to a terminal](#commands)"),
        (code(TOPICS.command(BRIDGE_ID)), "subscribed", "[commands to the bridge](#commands)"),
        (code(TOPICS.discovery("<id>")), "yes", "[Home Assistant](home-assistant.md): a terminal"),
        (code(TOPICS.discovery(BRIDGE_ID)), "yes", "Home Assistant: the bridge"),
    ]
    return table(("topic", "retained", "content"), rows)
