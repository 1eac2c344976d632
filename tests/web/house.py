"""A web server with a real store behind it, and a hand that makes people punch."""

import http.client
import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from zkbridge.config import WebOptions
from zkbridge.events import (
    DeviceFacts,
    Freshness,
    Log,
    Mode,
    Punch,
    Source,
    Terminal,
    TerminalState,
    TerminalView,
)
from zkbridge.identity import punch_id
from zkbridge.metrics import CountingMetrics
from zkbridge.store import KnownTerminal, Store
from zkbridge.vocabulary import PUNCH_TYPES, VERIFY_METHODS
from zkbridge.web import Health, LogView, TerminalAddress, TerminalTest, WebServer

STARTED = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
LATE = Freshness(age_s=None, seen_mono_s=0.0, process="test")


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever was answered
        return json.loads(self.body)


def packed(moment: datetime) -> int:
    """Terminal time of a wall clock; only has to be stable here."""
    days = (moment.year - 2000) * 372 + (moment.month - 1) * 31 + moment.day - 1
    return days * 86400 + moment.hour * 3600 + moment.minute * 60 + moment.second


def punch(
    user_id: str,
    at: datetime,
    *,
    key: str = "AAA001",
    name: str | None = None,
    code: int = 0,
    verify: int = 1,
    source: Source = Source.LIVE,
) -> Punch:
    """A punch at that moment; the moment's offset is the terminal's."""
    raw = packed(at)
    return Punch(
        id=punch_id(key, user_id, raw, 0),
        event_type=PUNCH_TYPES[code] if code < len(PUNCH_TYPES) else "punch",
        user_id=user_id,
        user_name=name,
        raw_time=raw,
        timestamp=at.isoformat(),
        occurred_at=at.astimezone(UTC),
        verified_by=VERIFY_METHODS[verify],
        verify_code=verify,
        punch_code=code,
        source=source,
        seen_at=at.astimezone(UTC) + timedelta(milliseconds=120),
    )


@dataclass
class House:
    """Two terminals, a store, and the server over it."""

    path: Path
    token: str | None = None
    listen: str = "127.0.0.1:0"
    ingress: bool = False
    now: datetime | None = None
    health: Health = field(
        default_factory=lambda: Health(
            started_at=STARTED, broker="localhost:1883", broker_connected=True
        )
    )
    config: dict[str, Any] = field(default_factory=dict)
    tried: list[TerminalAddress] = field(default_factory=list)
    hang: TerminalTest | None = None
    trial: dict[str, object] = field(default_factory=lambda: {"status": "ok"})

    def __post_init__(self) -> None:
        self.store = Store(self.path / "zkbridge.db")
        self.log = LogView()
        self.metrics = CountingMetrics()
        self.numbers: dict[str, KnownTerminal] = {}
        self.server = WebServer(
            WebOptions.model_validate({"listen": self.listen, "token": self.token}),
            self.store,
            health=lambda: self.health,
            metrics=self.metrics,
            shown_config=lambda: self.config,
            test_terminal=self._test,
            log=self.log,
            version="0.1.0",
            ingress=self.ingress,
            clock=lambda: self.now or datetime.now(UTC),
        )

    def __enter__(self) -> Self:
        self.store.open()
        try:
            self.add_terminal("front_door", "Front door", "AAA001")
            self.add_terminal("warehouse", "Warehouse", "BBB002")
            self.server.start()
        except BaseException:
            self.store.close()
            raise
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.server.stop()
        ended = self.server.join(10)
        self.store.close()
        assert ended, "the web server did not stop"

    def _test(self, address: TerminalAddress) -> Mapping[str, object]:
        self.tried.append(address)
        return self.trial if self.hang is None else self.hang(address)

    def add_terminal(self, terminal_id: str, name: str, key: str) -> None:
        """Make a terminal known, online and live."""
        with self.store.transaction() as tx:
            self.numbers[key] = tx.terminal(
                key=key, id=terminal_id, name=name, serial=key, mac=None, host="10.0.0.9", port=4370
            )
        self.set_view(key)

    def set_view(self, key: str, *, online: bool | None = True, **state: Any) -> None:  # noqa: ANN401 - fields of the state
        """Change what is known of a terminal."""
        known = self.numbers[key]
        normal: dict[str, Any] = {"mode": Mode.LIVE, "synced": True, "serial": key}
        self.store.set_view(
            TerminalView(
                terminal=Terminal(key=key, id=known.id, name=known.name, serial=key),
                state=replace(TerminalState(), **{**normal, **state}),
                facts=DeviceFacts(model="SpeedFace", host=known.host),
                online=online,
            )
        )

    def add(self, punches: Iterable[Punch], *, key: str = "AAA001") -> list[int]:
        """Store punches as a worker does."""
        number = self.numbers[key].terminal
        with self.store.transaction() as tx:
            for one in punches:
                tx.add(
                    number,
                    one,
                    subject=one.user_id,
                    raw_time=one.raw_time,
                    occurrence=0,
                    confirmed=True,
                    freshness=LATE,
                )
        return [item.seq for item in self.store.after(0, 10_000)]

    def deliver(self) -> None:
        """Mark everything as acknowledged by the broker."""
        self.store.mark(delivered=[item.seq for item in self.store.after(0, 100_000)])

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())
        finally:
            connection.close()


class EventReader:
    """One page's stream of server-sent events, read as bytes from a socket."""

    def __init__(self, port: int, query: str = "", last_id: int | None = None) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        header = "" if last_id is None else f"Last-Event-ID: {last_id}\r\n"
        self._socket.sendall(
            f"GET /api/events{query} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n".encode()
        )
        self._file = self._socket.makefile("rb")
        while self._file.readline() not in {b"\r\n", b""}:
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._file.close()
        self._socket.close()

    def next(self, wanted: str | None = None) -> tuple[str, str | None, Any]:
        """Return the next event: its name, its id, its data."""
        name, event_id, data = "", None, None
        while True:
            line = self._line()
            if line is None:
                raise EOFError("the stream has ended")
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("id: "):
                event_id = line[4:]
            elif line.startswith("data: "):
                data = json.loads(line[6:])
            elif not line and name:
                if wanted in {None, name}:
                    return name, event_id, data
                name, event_id, data = "", None, None

    def _line(self) -> str | None:
        # Chunks of the transfer encoding end where events end.
        raw = self._file.readline()
        if not raw:
            return None
        line = raw.rstrip(b"\r\n").decode()
        return line if raw.endswith(b"\n") and not raw.endswith(b"\r\n") else " "


def replaced(house: House, **health: Any) -> None:  # noqa: ANN401 - fields of Health
    """Change how the bridge is doing."""
    house.health = replace(house.health, **health)


__all__ = ["LATE", "STARTED", "Answer", "EventReader", "House", "Log", "packed", "punch"]
