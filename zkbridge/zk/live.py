"""Live events: payloads of CMD_REG_EVENT frames to values. No I/O.

Source: protocol.md 10. Payloads of forms that are not known stay raw; nothing is invented.
"""

from struct import Struct
from typing import Final

from zkbridge.zk.codecs import decode_text, decode_time6, decode_user_id
from zkbridge.zk.framing import Frame
from zkbridge.zk.models import (
    LiveAlarm,
    LiveEnroll,
    LiveEvent,
    LiveOther,
    LivePunch,
    LiveVerify,
)
from zkbridge.zk.opcodes import EventFlag

_TEXT = Struct("<24sBB6s")  # 32 bytes and more; protocol.md 10.3, captured
_NUMBER_16 = Struct("<HBB6s")  # 10 and 14 bytes; protocol.md 10.3
_NUMBER_32 = Struct("<IBB6s")  # 12 bytes; protocol.md 10.3
_SHORT: Final = {10: _NUMBER_16, 12: _NUMBER_32, 14: _NUMBER_16}
_UNDEFINED: Final = 255

_VERIFY = Struct("<I")
_NOBODY: Final = 0xFFFFFFFF

_ENROLL_RESULT = Struct("<H")
_ENROLL = Struct("<HH9sB")

_ALARM_12 = Struct("<4xHHI")
_DURESS, _PASSBACK = 32, 34
_KINDS_4: Final = {0x37: "tamper", 0x3A: "misoperation", 0x35: "exit_button"}
_DOOR_CLOSED: Final = frozenset({0x36, 0x54})
_KINDS_12: Final = {_DURESS: "duress", _PASSBACK: "passback"}
# What the SDK's door events are called with; protocol.md 10.4.
_KINDS_DOOR: Final = {1: "forced_door", 4: "door_open", 5: "door_closed"}


def decode_event(frame: Frame) -> LiveEvent:
    """Decode an event frame, whose session field is the event's code.

    Source: protocol.md 10.2, captured.
    """
    code, data = frame.session, frame.data
    event: LiveEvent | None = None
    if code == EventFlag.ATTLOG:
        event = _punch(data)
    elif code == EventFlag.VERIFY and len(data) >= _VERIFY.size:
        (uid,) = _VERIFY.unpack_from(data)
        known = uid != _NOBODY
        event = LiveVerify(code=code, raw=data, uid=uid if known else None, identified=known)
    elif code == EventFlag.ALARM:
        event = _alarm(data)
    elif code == EventFlag.ENROLLFINGER:
        event = _enroll(data)
    return event or LiveOther(code=code, raw=data)


def _punch(data: bytes) -> LivePunch | None:
    if len(data) >= _TEXT.size:
        form = _TEXT
        field, status, punch, time6 = form.unpack_from(data)
        user_id = decode_user_id(field)
    else:
        short = _SHORT.get(len(data))
        if short is None:
            return None
        form = short
        number, status, state, time6 = form.unpack_from(data)
        user_id = str(number)
        # The high nibble says whether the record is valid, 255 that no key was pressed.
        punch = state if state == _UNDEFINED else state & 0x0F
    if user_id is None:
        return None
    timestamp, raw_time = decode_time6(time6)
    return LivePunch(
        code=int(EventFlag.ATTLOG),
        raw=data,
        user_id=user_id,
        timestamp=timestamp,
        status=status,
        punch=punch,
        raw_time=raw_time,
        uid_only=form is _NUMBER_16,
        tail=data[form.size :],
    )


def _alarm(data: bytes) -> LiveAlarm:
    code = int(EventFlag.ALARM)
    if len(data) == 4:  # noqa: PLR2004  form; protocol.md 10.4
        kind = _KINDS_4.get(data[0]) or _KINDS_DOOR.get(data[0], "alarm")
        return LiveAlarm(code=code, raw=data, alarm=data[0], kind=kind)
    if len(data) == 8:  # noqa: PLR2004  form; protocol.md 10.4
        kind = "door_closed" if data[0] in _DOOR_CLOSED else _KINDS_DOOR.get(data[0], "alarm")
        return LiveAlarm(code=code, raw=data, alarm=data[0], kind=kind)
    if len(data) == _ALARM_12.size and data.startswith(b"\xff\xff"):
        return _alarm_12(data)
    return LiveAlarm(code=code, raw=data)


def _alarm_12(data: bytes) -> LiveAlarm:
    kind, uid, match_type = _ALARM_12.unpack(data)
    if kind not in _KINDS_12 and uid in _KINDS_12:
        kind, uid = uid, kind  # the 2006 manual has the two the other way round
    return LiveAlarm(
        code=int(EventFlag.ALARM),
        raw=data,
        alarm=kind,
        kind=_KINDS_12.get(kind, "alarm"),
        uid=uid,
        match_type=match_type,
    )


def _enroll(data: bytes) -> LiveEnroll | None:
    code = int(EventFlag.ENROLLFINGER)
    if len(data) < _ENROLL_RESULT.size:
        return None
    (result,) = _ENROLL_RESULT.unpack_from(data)
    if result or len(data) < _ENROLL.size:
        return LiveEnroll(code=code, raw=data, result=result)
    _, size, user_id, finger = _ENROLL.unpack_from(data)
    return LiveEnroll(
        code=code,
        raw=data,
        result=result,
        template_size=size,
        user_id=decode_text(user_id),
        finger=finger,
    )
