"""Terminals, events and stores as the tests need them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from zkbridge.events import Alarm, Freshness, OpEvent, Punch, Source
from zkbridge.identity import alarm_id, operation_id, punch_id
from zkbridge.store import KnownTerminal, Lane, Store, Transaction

KEY = "CJDE193560303"
MONDAY = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
FRESH = Freshness(age_s=0.0, seen_mono_s=12.5, process="run-1")


class FakeClock:
    """A clock that moves when told."""

    def __init__(self, now: datetime = MONDAY) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, time: timedelta) -> None:
        self.now += time


def terminal(tx: Transaction, key: str = KEY, terminal_id: str = "front_door") -> KnownTerminal:
    return tx.terminal(
        key=key,
        id=terminal_id,
        name="Front door",
        serial=key,
        mac="00:17:61:01:02:03",
        host="192.0.2.1",
        port=4370,
    )


def punch(
    second: int = 0,
    user_id: str = "17",
    *,
    key: str = KEY,
    at: datetime | None = None,
    name: str | None = "Ann",
    code: int = 0,
    seen_at: datetime | None = None,
) -> Punch:
    moment = (at or MONDAY) + timedelta(seconds=second)
    raw_time = int(moment.timestamp()) % (1 << 31)
    return Punch(
        id=punch_id(key, user_id, raw_time, 0),
        event_type="check_in",
        user_id=user_id,
        user_name=name,
        raw_time=raw_time,
        timestamp=moment.isoformat(),
        occurred_at=moment,
        verified_by="fingerprint",
        verify_code=1,
        punch_code=code,
        source=Source.LIVE,
        seen_at=seen_at or moment + timedelta(microseconds=123_457),
    )


def operation(second: int = 0) -> OpEvent:
    moment = MONDAY + timedelta(seconds=second)
    raw_time = int(moment.timestamp()) % (1 << 31)
    raw = raw_time.to_bytes(4, "little") * 4
    return OpEvent(
        id=operation_id(KEY, raw, 0),
        event_type="user_enrolled",
        op_code=30,
        raw_time=raw_time,
        timestamp=moment.isoformat(),
        occurred_at=moment,
        admin_uid=1,
        params=(1, 0, 65535, 3),
        raw=raw,
        source=Source.POLL,
        seen_at=moment,
    )


def alarm(second: int = 0, user_id: str | None = None) -> Alarm:
    moment = MONDAY + timedelta(seconds=second)
    raw = b"\x37\x00\x00\x00"
    return Alarm(
        id=alarm_id(KEY, raw, second),
        event_type="tamper",
        code=55,
        user_id=user_id,
        raw=raw,
        seen_at=moment,
    )


def add_punch(
    tx: Transaction,
    number: int,
    event: Punch,
    *,
    confirmed: bool = True,
    freshness: Freshness = FRESH,
    lane: Lane = Lane.NORMAL,
) -> bool:
    return tx.add(
        number,
        event,
        subject=event.user_id,
        raw_time=event.raw_time,
        confirmed=confirmed,
        freshness=freshness,
        lane=lane,
    )


def store_punches(store: Store, *events: Punch, terminal_id: str = "front_door") -> int:
    """Store punches of one terminal; returns its number."""
    key = KEY if terminal_id == "front_door" else terminal_id.upper()
    with store.transaction() as tx:
        number = terminal(tx, key, terminal_id).terminal
        for event in events:
            add_punch(tx, number, event)
    return number


def raw_bytes(path: Path) -> bytes:
    """Return everything the store has on the disk."""
    parts = sorted(part for part in path.parent.iterdir() if part.name.startswith(path.name))
    return b"".join(part.read_bytes() for part in parts)
