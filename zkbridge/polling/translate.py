"""Records of a terminal to events of the bridge. Pure: identities, words and times only."""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final

from zkbridge.events import Alarm, OpEvent, Punch, Source
from zkbridge.identity import alarm_id, operation_id, punch_id, user_key
from zkbridge.timezones import iso_local, to_utc
from zkbridge.vocabulary import operation_type, punch_type, verified_by
from zkbridge.zk import Attendance, LiveAlarm, LivePunch, LiveVerify, OpLog

# A record may be stamped this much ahead of the clock that is asked for afterwards.
CLOCK_TOLERANCE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Translator:
    """Turns what one terminal says into events.

    Attributes:
        key: Terminal key, where ids start.
        local: The terminal's zone.
    """

    key: str
    local: tzinfo

    def punch(
        self,
        record: Attendance | LivePunch,
        *,
        person: str,
        user_id: str,
        user_name: str | None,
        occurrence: int,
        source: Source,
        seen_at: datetime,
    ) -> Punch:
        """Translate a punch.

        Args:
            record: From the log or live.
            person: User key.
            user_id: Resolved through the user table where the record has only an index.
            user_name: None when unknown or not to be shown.
            occurrence: From :class:`~zkbridge.polling.sequence.PunchSequence`.
            source: How it was found.
            seen_at: Host's clock, UTC.
        """
        nearest = seen_at if source is Source.LIVE else None
        timestamp, occurred_at = self.moment(record.timestamp, occurrence, nearest)
        return Punch(
            id=punch_id(self.key, person, record.raw_time, occurrence),
            event_type=punch_type(record.punch),
            user_id=user_id,
            user_name=user_name,
            raw_time=record.raw_time,
            timestamp=timestamp,
            occurred_at=occurred_at,
            verified_by=verified_by(record.status),
            verify_code=record.status,
            punch_code=record.punch,
            source=source,
            seen_at=seen_at,
        )

    def operation(
        self, record: OpLog, *, occurrence: int, source: Source, seen_at: datetime
    ) -> OpEvent:
        """Translate an op-log entry."""
        timestamp, occurred_at = self.moment(record.timestamp, 0, None)
        return OpEvent(
            id=operation_id(self.key, record.raw, occurrence),
            event_type=operation_type(record.op),
            op_code=record.op,
            raw_time=record.raw_time,
            timestamp=timestamp,
            occurred_at=occurred_at,
            admin_uid=record.admin_uid,
            params=record.params,
            raw=record.raw,
            source=source,
            seen_at=seen_at,
        )

    def alarm(
        self, event: LiveAlarm | LiveVerify, *, user_id: str | None, seen_at: datetime, seen_ns: int
    ) -> Alarm:
        """Translate a realtime alarm, door event or failed verification."""
        alarm = event if isinstance(event, LiveAlarm) else None
        return Alarm(
            id=alarm_id(self.key, event.raw, seen_ns),
            event_type=alarm.kind if alarm else "verify_failed",
            code=alarm.alarm if alarm else None,
            user_id=user_id,
            raw=event.raw,
            seen_at=seen_at,
        )

    def moment(
        self, wall: datetime | None, occurrence: int, nearest: datetime | None
    ) -> tuple[str | None, datetime | None]:
        """Return a wall-clock time as text with its offset, and in UTC."""
        if wall is None:
            return None, None
        try:
            moment = to_utc(wall, self.local, occurrence=occurrence, nearest=nearest)
        except OverflowError:
            return None, None
        return iso_local(moment, wall), moment


def log_person(record: Attendance) -> str:
    """Return the user key of a punch in the log."""
    return user_key(None if record.uid_only else record.user_id, record.uid)


def clock_age_s(
    record_wall: datetime | None, terminal_wall: datetime | None, local: tzinfo, late_after_s: float
) -> float | None:
    """Age of a record by the terminal's own clock, where that says it is fresh.

    Args:
        record_wall: Wall-clock time of the record; None for an impossible date.
        terminal_wall: The terminal's clock now; None when it could not be read.
        local: The terminal's zone.
        late_after_s: From what age on an event is late.

    Returns:
        Seconds, not negative; None when the record is late (contract 5.9: doubt is late).
    """
    if record_wall is None or terminal_wall is None:
        return None
    try:
        age = to_utc(terminal_wall, local) - to_utc(record_wall, local)
    except OverflowError:
        return None
    if not timedelta(seconds=-CLOCK_TOLERANCE_S) <= age <= timedelta(seconds=late_after_s):
        return None
    return max(0.0, age.total_seconds())
