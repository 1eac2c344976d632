"""The connection to the broker: the only paho.

One thread owns a :class:`Connection` and turns its crank with :meth:`Connection.wait`; other
threads only call :meth:`Connection.wake`. Every attempt has a paho client of its own, so that
nothing from an earlier connection is ever sent again behind the publisher's back. Looking up
the broker's name and opening the socket can block, so that happens in a thread of its own.
"""

import contextlib
import logging
import random
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from enum import Enum, auto
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from zkbridge.mqtt.broker import (
    Acknowledged,
    Broker,
    ConnectionEvent,
    Down,
    Received,
    Subscribed,
    Up,
    tls_context,
)
from zkbridge.mqtt.causes import (
    UNSUPPORTED_PROTOCOL,
    Cause,
    connect_cause,
    loss_cause,
    refusal_cause,
    silence_cause,
)
from zkbridge.mqtt.messages import Message

_LOGGER = logging.getLogger(__name__)

KEEPALIVE_S: Final = 30
_CONNECT_TIMEOUT_S: Final = 10.0
_GREETING_TIMEOUT_S: Final = 10.0
# How often paho looks whether a ping is due; an idle connection wakes up no oftener.
_HOUSEKEEPING_S: Final = 5.0
# A connection that lasted this long ends a row of failures.
_STABLE_S: Final = 10.0
_KEEP_ALIVE_TIMEOUT: Final = 0x8D
_LARGEST_INCOMING: Final = 256 * 1024
_HAS_CORK: Final = hasattr(socket, "TCP_CORK")
_V5: Final = MQTTProtocolVersion.MQTTv5
_V311: Final = MQTTProtocolVersion.MQTTv311


def default_delays() -> Iterator[float]:
    """Yield the waits between attempts: 0.2 s doubling to 30 s, with jitter."""
    ceiling = 0.2
    while True:
        yield random.uniform(ceiling / 2, ceiling)  # noqa: S311 - jitter, not a secret
        ceiling = min(ceiling * 2, 30.0)


class _Phase(Enum):
    CLOSED = auto()
    WAITING = auto()
    CONNECTING = auto()
    GREETING = auto()
    UP = auto()


class Connection:
    """One connection to one broker, opened again whenever it is lost."""

    def __init__(
        self,
        broker: Broker,
        will: Message,
        *,
        delays: Callable[[], Iterator[float]] = default_delays,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._broker = broker
        self._will = will
        self._new_delays = delays
        self._delays = delays()
        self._monotonic = monotonic
        self._phase = _Phase.CLOSED
        self._client: paho.Client | None = None
        self._protocol = _V311 if broker.protocol == "3.1.1" else _V5
        self._knows_v5 = False
        self._old_for_good = False
        self._attempt = 0
        self._opened: deque[tuple[int, paho.Client | None, Exception | None]] = deque()
        self._deadline = 0.0
        self._up_since = 0.0
        self._housekeeping_at = 0.0
        self._events: list[ConnectionEvent] = []
        self._unacknowledged: dict[int, Hashable] = {}
        self._filters: dict[int, tuple[str, ...]] = {}
        self._end: tuple[int | None, str] = (None, "")
        self._refusal: tuple[int, str] | None = None
        self._expiries: dict[int, Properties] = {}
        self._woken = False
        self._corked: socket.socket | None = None
        self._selector: selectors.BaseSelector | None = None
        self._registered: Any = None
        self._watched = 0
        self._wake_in: socket.socket | None = None
        self._wake_out: socket.socket | None = None

    @property
    def up(self) -> bool:
        """Whether messages can be published now."""
        return self._phase is _Phase.UP

    @property
    def unacknowledged(self) -> int:
        """How many messages the broker has not acknowledged yet."""
        return len(self._unacknowledged)

    def open(self) -> None:
        """Start the first attempt; :meth:`wait` tells what comes of it."""
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.settimeout(0)
        self._wake_out.settimeout(0)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_in, selectors.EVENT_READ)
        self._start_attempt()

    def wake(self) -> None:
        """Make :meth:`wait` return; any thread, any time."""
        if self._woken:
            return
        self._woken = True
        out = self._wake_out
        if out is not None:
            with contextlib.suppress(OSError):
                out.send(b"w")

    def close(self, *, graceful: bool = True) -> None:
        """Let go; safe to call twice.

        Args:
            graceful: Say goodbye, so that the broker leaves the last will alone.
        """
        self.flush()
        client, self._client = self._client, None
        was_up = self.up
        self._phase = _Phase.CLOSED
        self._attempt += 1
        if client is not None:
            if was_up and graceful:
                client.disconnect()
            self._drop(client)
        for part in (self._wake_in, self._wake_out, self._selector):
            if part is not None:
                part.close()
        self._wake_in = self._wake_out = self._selector = None

    def publish(self, message: Message, key: Hashable) -> None:
        """Send a message; its key comes back with the acknowledgement or the disconnection.

        Only while :attr:`up`.
        """
        if self._client is None:
            raise RuntimeError("publish needs a connection")
        properties = None
        if message.expiry_s is not None and self._protocol is _V5:
            properties = self._expiry(message.expiry_s)
        if self._unacknowledged:
            # One that is alone goes at once; those behind others share what is sent.
            self._cork()
        info = self._client.publish(
            message.topic, message.payload, message.qos, message.retain, properties
        )
        self._unacknowledged[info.mid] = key

    def flush(self) -> None:
        """Let the network have what was published since the last time."""
        corked, self._corked = self._corked, None
        if corked is not None:
            with contextlib.suppress(OSError):
                corked.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)

    def _cork(self) -> None:
        # One segment for a batch of messages costs a tenth less time than one for each.
        if self._corked is None and self._client is not None and _HAS_CORK:
            sock = self._client.socket()
            if isinstance(sock, socket.socket):
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
                    self._corked = sock

    def subscribe(self, filters: Sequence[str]) -> None:
        """Subscribe with QoS 1; only while :attr:`up`."""
        if self._client is None:
            raise RuntimeError("subscribe needs a connection")
        _, mid = self._client.subscribe([(topic, 1) for topic in filters])
        if mid is not None:
            self._filters[mid] = tuple(filters)

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Stop hearing of these; only while :attr:`up`."""
        if self._client is None:
            raise RuntimeError("unsubscribe needs a connection")
        self._client.unsubscribe(list(filters))

    def wait(self, timeout_s: float | None) -> list[ConnectionEvent]:
        """Work until something happened, somebody woke us, or the time is over."""
        if self._selector is None or self._wake_in is None:
            raise RuntimeError("wait needs an open connection")
        self.flush()
        self._watch()
        for selected, mask in self._selector.select(self._patience(timeout_s)):
            if selected.fileobj is self._wake_in:
                with contextlib.suppress(BlockingIOError):
                    self._wake_in.recv(4096)
            elif self._client is not None:
                self._work(self._client, mask)
        # Cleared before the caller looks at what it was woken for.
        self._woken = False
        self._turn()
        events, self._events = self._events, []
        return events

    # What is due

    def _patience(self, timeout_s: float | None) -> float | None:
        if self._events or self._opened:
            return 0.0
        if self._client is not None and self._pending(self._client):
            return 0.0
        now = self._monotonic()
        waits = [] if timeout_s is None else [timeout_s]
        if self._phase in {_Phase.WAITING, _Phase.GREETING}:
            waits.append(self._deadline - now)
        if self._phase in {_Phase.GREETING, _Phase.UP}:
            waits.append(self._housekeeping_at - now)
        return max(0.0, min(waits)) if waits else None

    @staticmethod
    def _pending(client: paho.Client) -> bool:
        # Bytes that TLS has already taken from the socket are invisible to the selector.
        pending = getattr(client.socket(), "pending", None)
        return bool(pending and pending() > 0)

    def _turn(self) -> None:
        now = self._monotonic()
        while self._opened:
            self._take(*self._opened.popleft())
        client = self._client
        if client is not None:
            if self._pending(client):
                client.loop_read()
            if now >= self._housekeeping_at:
                self._housekeeping_at = now + _HOUSEKEEPING_S
                client.loop_misc()
            silent = self._phase is _Phase.GREETING and now >= self._deadline
            if silent or client.socket() is None or self._refusal is not None:
                self._lost()
        if self._phase is _Phase.WAITING and now >= self._deadline:
            self._start_attempt()

    def _work(self, client: paho.Client, mask: int) -> None:
        if mask & selectors.EVENT_READ:
            client.loop_read()
        if mask & selectors.EVENT_WRITE and client.socket() is not None:
            client.loop_write()

    def _watch(self) -> None:
        if self._selector is None or self._client is None:
            return
        sock = self._client.socket()
        if sock is None:
            return
        wanted = selectors.EVENT_READ
        if self._client.want_write():
            wanted |= selectors.EVENT_WRITE
        if self._registered is not sock:
            self._unwatch()
            self._selector.register(sock, wanted)
            self._registered = sock
        elif wanted != self._watched:
            self._selector.modify(sock, wanted)
        self._watched = wanted

    def _unwatch(self) -> None:
        if self._registered is not None and self._selector is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(self._registered)
        self._registered = None

    # Opening

    def _start_attempt(self) -> None:
        self._attempt += 1
        self._phase = _Phase.CONNECTING
        thread = threading.Thread(
            target=self._open_client,
            args=(self._attempt, self._protocol),
            name="mqtt-connect",
            daemon=True,  # a name lookup that hangs must not keep the process
        )
        thread.start()

    def _open_client(self, attempt: int, protocol: MQTTProtocolVersion) -> None:
        client = None
        error: Exception | None = None
        try:
            client = self._new_client(protocol)
            self._connect(client, protocol)
        except Exception as caught:  # noqa: BLE001 - the top of this thread; told to the owner
            client, error = None, caught
        if attempt != self._attempt and client is not None:
            self._drop(client)
            return
        self._opened.append((attempt, client, error))
        self.wake()

    def _new_client(self, protocol: MQTTProtocolVersion) -> paho.Client:
        broker = self._broker
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=broker.client_id,
            clean_session=None if protocol is _V5 else True,
            protocol=protocol,
            transport=broker.transport,
            reconnect_on_failure=False,
        )
        client.connect_timeout = _CONNECT_TIMEOUT_S
        # The window is the publisher's; paho would only search for what it held back.
        client.max_inflight_messages_set(0)
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.password)
        if broker.tls is not None:
            client.tls_set_context(tls_context(broker.tls))
        will = self._will
        client.will_set(will.topic, will.payload, will.qos, will.retain)
        client.on_socket_open = _no_delay
        client.on_socket_close = self._on_socket_close
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _connect(self, client: paho.Client, protocol: MQTTProtocolVersion) -> None:
        host, port = self._broker.host, self._broker.port
        if protocol is _V5:
            properties = _properties(PacketTypes.CONNECT)
            properties.MaximumPacketSize = _LARGEST_INCOMING
            client.connect(host, port, KEEPALIVE_S, clean_start=True, properties=properties)
        else:
            client.connect(host, port, KEEPALIVE_S)

    def _take(self, attempt: int, client: paho.Client | None, error: Exception | None) -> None:
        if attempt != self._attempt:
            if client is not None:
                self._drop(client)
            return
        if client is None:
            reason = error if error is not None else OSError("unknown")
            self._failed(connect_cause(reason, self._broker.host, self._broker.port))
            return
        now = self._monotonic()
        self._client = client
        self._phase = _Phase.GREETING
        self._deadline = now + _GREETING_TIMEOUT_S
        self._housekeeping_at = now + _HOUSEKEEPING_S
        self._end = (None, "")
        self._refusal = None

    # Losing

    def _lost(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            self._drop(client)
        if self._phase is _Phase.UP:
            if self._monotonic() - self._up_since >= _STABLE_S:
                self._delays = self._new_delays()
            self._failed(loss_cause(*self._end), was_up=True)
        elif self._refusal is not None:
            code, name = self._refusal
            self._fall_back(refusal_cause(code, name), explicit=code == UNSUPPORTED_PROTOCOL)
        else:
            self._fall_back(silence_cause(self._broker.host, self._broker.port), explicit=False)

    def _fall_back(self, cause: Cause, *, explicit: bool) -> None:
        """Try the other protocol version where this one seems not to be spoken."""
        if self._broker.protocol == "auto":
            silent = self._refusal is None and not self._knows_v5
            if self._protocol is _V5 and (explicit or silent):
                _LOGGER.debug("the broker refuses MQTT 5, trying 3.1.1")
                self._protocol = _V311
                self._old_for_good = explicit
                self._start_attempt()
                return
            self._protocol = _V5
        self._failed(cause)

    def _failed(self, cause: Cause, *, was_up: bool = False) -> None:
        if self._broker.protocol == "auto" and not self._old_for_good:
            self._protocol = _V5
        if not was_up:
            self._old_for_good = False
        delay = next(self._delays)
        self._phase = _Phase.WAITING
        self._deadline = self._monotonic() + delay
        unacknowledged = tuple(self._unacknowledged.values())
        self._unacknowledged.clear()
        self._filters.clear()
        self._events.append(
            Down(cause=cause, was_up=was_up, unacknowledged=unacknowledged, retry_s=delay)
        )

    def _drop(self, client: paho.Client) -> None:
        self._corked = None
        if self._registered is client.socket():
            self._unwatch()
        sock = client.socket()
        if sock is not None:
            sock.close()

    # paho's callbacks: in the owner's thread, except that of a socket being opened

    def _on_socket_close(self, _client: paho.Client, _userdata: object, sock: object) -> None:
        if sock is self._registered:
            self._unwatch()

    def _on_connect(
        self,
        _client: paho.Client,
        _userdata: object,
        _flags: paho.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._refusal = (reason.value, str(reason))
            return
        self._phase = _Phase.UP
        self._up_since = self._monotonic()
        self._knows_v5 |= self._protocol is _V5
        self._events.append(
            Up(
                protocol="5" if self._protocol is _V5 else "3.1.1",
                receive_maximum=getattr(properties, "ReceiveMaximum", 65535),
                maximum_packet=getattr(properties, "MaximumPacketSize", None),
            )
        )

    def _on_disconnect(
        self,
        _client: paho.Client,
        _userdata: object,
        flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        # Its silence is nothing that the broker has against a message of ours.
        if flags.is_disconnect_packet_from_server or reason.value == _KEEP_ALIVE_TIMEOUT:
            self._end = (reason.value, str(reason))

    def _on_publish(
        self,
        _client: paho.Client,
        _userdata: object,
        mid: int,
        reason: ReasonCode,
        _properties: Properties,
    ) -> None:
        if mid in self._unacknowledged:
            key = self._unacknowledged.pop(mid)
            code = reason.value
            self._events.append(Acknowledged(key, code, str(reason) if code else ""))

    def _on_subscribe(
        self,
        _client: paho.Client,
        _userdata: object,
        mid: int,
        reasons: list[ReasonCode],
        _properties: Properties,
    ) -> None:
        filters = self._filters.pop(mid, ())
        refused = tuple(
            topic for topic, reason in zip(filters, reasons, strict=False) if reason.is_failure
        )
        self._events.append(Subscribed(refused))

    def _on_message(
        self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage
    ) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        self._events.append(Received(topic, bytes(message.payload), message.retain))

    def _expiry(self, seconds: int) -> Properties:
        properties = self._expiries.get(seconds)
        if properties is None:
            properties = self._expiries[seconds] = _Expiry(seconds)
        return properties


def _no_delay(_client: paho.Client, _userdata: object, sock: object) -> None:
    # A punch followed by its tag must not wait for the broker's delayed acknowledgement.
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class _Expiry(Properties):
    """A message's expiry, packed once; paho would pack it for every message."""

    def __init__(self, seconds: int) -> None:
        super().__init__(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        self.MessageExpiryInterval = seconds
        packed = super().pack()  # type: ignore[no-untyped-call]  # likewise
        object.__setattr__(self, "pack", lambda: packed)


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]  # paho leaves it untyped
