"""A store with terminals and events, and a publisher over it, for the tests of this package."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from zkbridge.events import (
    Alarm,
    DeviceFacts,
    Freshness,
    Mode,
    OpEvent,
    Punch,
    Source,
    Terminal,
    TerminalState,
    TerminalView,
)
from zkbridge.identity import alarm_id, operation_id, punch_id
from zkbridge.mqtt.broker import Broker
from zkbridge.mqtt.connection import Connection
from zkbridge.mqtt.messages import availability_message
from zkbridge.mqtt.publisher import Publisher
from zkbridge.mqtt.settings import Hooks, Identity, Settings
from zkbridge.store import Lane, Store, utc_now

PROCESS = "this-run"
STARTED = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


def quick() -> Iterator[float]:
    while True:
        yield 0.05


def wait_until(condition: Callable[[], object], timeout: float = 20.0) -> None:
    """Wait for something that announces itself to nobody."""
    end = time.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        pause.wait(0.005)


def punch(
    number: int,
    *,
    key: str = "SERIAL1",
    user_id: str = "7",
    user_name: str | None = "Ada",
    punch_code: int = 0,
    occurred_at: datetime | None = None,
    source: Source = Source.LIVE,
    seen_at: datetime | None = None,
) -> Punch:
    moment = occurred_at or STARTED + timedelta(seconds=number)
    return Punch(
        id=punch_id(key, user_id, number, 0),
        event_type="check_in",
        user_id=user_id,
        user_name=user_name,
        raw_time=number,
        timestamp=moment.isoformat(),
        occurred_at=moment,
        verified_by="fingerprint",
        verify_code=1,
        punch_code=punch_code,
        source=source,
        seen_at=seen_at or datetime.now(UTC),
    )


def operation(number: int, *, key: str = "SERIAL1") -> OpEvent:
    raw = number.to_bytes(4, "little") * 4
    return OpEvent(
        id=operation_id(key, raw, 0),
        event_type="power_on",
        op_code=0,
        raw_time=number,
        timestamp=STARTED.isoformat(),
        occurred_at=STARTED,
        admin_uid=0,
        params=(1, 2, 3, 4),
        raw=raw,
        source=Source.POLL,
        seen_at=datetime.now(UTC),
    )


def alarm(number: int, *, key: str = "SERIAL1") -> Alarm:
    return Alarm(
        id=alarm_id(key, b"\x01", number),
        event_type="tamper",
        code=55,
        user_id=None,
        raw=b"\x01\xff",
        seen_at=datetime.now(UTC),
    )


def fresh(age_s: float | None = 0.0) -> Freshness:
    return Freshness(age_s=age_s, seen_mono_s=time.monotonic(), process=PROCESS)


class Site:
    """Terminals in a store."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.numbers: dict[str, int] = {}

    def terminal(self, terminal_id: str = "door", serial: str = "SERIAL1") -> int:
        with self.store.transaction() as tx:
            known = tx.terminal(
                key=serial,
                id=terminal_id,
                name=terminal_id.title(),
                serial=serial,
                mac=None,
                host=terminal_id,
                port=4370,
            )
        self.numbers[terminal_id] = known.terminal
        return known.terminal

    def add(
        self,
        *events: Punch | OpEvent | Alarm,
        terminal_id: str = "door",
        age_s: float | None = 0.0,
        lane: Lane = Lane.NORMAL,
        freshness: Freshness | None = None,
    ) -> None:
        """Store events in one transaction, as a worker does."""
        with self.store.transaction() as tx:
            for event in events:
                tx.add(
                    self.numbers[terminal_id],
                    event,
                    subject=b"" if isinstance(event, Alarm) else event.id,
                    raw_time=0 if isinstance(event, Alarm) else event.raw_time,
                    occurrence=0,
                    freshness=freshness or fresh(age_s),
                    lane=lane,
                )

    def view(
        self,
        terminal_id: str = "door",
        *,
        online: bool = True,
        **state: Any,  # noqa: ANN401 - fields of TerminalState
    ) -> None:
        self.store.set_view(
            TerminalView(
                terminal=Terminal(
                    key="SERIAL1", id=terminal_id, name=terminal_id.title(), serial="SERIAL1"
                ),
                state=TerminalState(mode=Mode.LIVE, **state),
                facts=DeviceFacts(model="K14"),
                online=online,
            )
        )


def make_publisher(
    store: Store,
    port: int,
    settings: Settings | None = None,
    hooks: Hooks | None = None,
    *,
    process: str = PROCESS,
    client_id: str | None = None,
    instance: str | None = None,
    clock: Callable[[], datetime] = utc_now,
    **broker: Any,  # noqa: ANN401 - fields of Broker
) -> Publisher:
    """Build a publisher; without settings it knows one terminal, ``door``."""
    chosen = settings or Settings(directions={"door": "state"})
    identity = Identity(
        version="1.2.3",
        instance=instance or store.instance,
        process=process,
        started_at=STARTED,
    )
    connection = Connection(
        Broker(
            host="127.0.0.1",
            port=port,
            client_id=client_id or f"zkbridge-{store.instance}",
            **broker,
        ),
        availability_message(chosen.topics.bridge_availability, online=False),
        delays=quick,
    )
    return Publisher(store, connection, chosen, identity, hooks, clock=clock)


def ids(records: list[Any]) -> list[str]:
    """Return the ids of the events in messages, in order."""
    return [json.loads(record.payload)["id"] for record in records]


def open_store(folder: Path) -> Store:
    store = Store(folder / "store.db")
    store.open()
    return store
