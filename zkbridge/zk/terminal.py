"""One terminal, connected: its session, what it is, its clock and counters, its events."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from functools import partial
from struct import Struct
from typing import Self

from zkbridge.zk.codecs import decode_capacity, decode_text, decode_time
from zkbridge.zk.errors import ZKError, ZKNotSupported, ZKProtocolError
from zkbridge.zk.listening import Listener
from zkbridge.zk.models import Capacity, DeviceInfo, LiveEvent
from zkbridge.zk.opcodes import (
    ALL_EVENTS,
    CMD_ACK_OK,
    CMD_GET_FREE_SIZES,
    CMD_GET_TIME,
    CMD_GET_VERSION,
    CMD_REG_EVENT,
)
from zkbridge.zk.reading import Tables
from zkbridge.zk.session import SERIAL, Session
from zkbridge.zk.transport import (
    SocketTransport,
    TcpTransport,
    Transport,
    TransportKind,
    UdpTransport,
)

_U32 = Struct("<I")


class Terminal:
    """What every reading starts from; see ``ZKDevice`` for the arguments.

    Attributes:
        session: Options and handshake.
    """

    def __init__(
        self,
        host: str = "",
        port: int = 4370,
        password: int = 0,
        timeout: float = 10.0,
        transport: Transport | None = None,
        *,
        kind: TransportKind = "auto",
        handshake: bool = True,
    ) -> None:
        self._host = host
        self._port = port
        self._transport = transport or _transport(kind, host, port, timeout, password)
        self._handshake = handshake
        self._capabilities: dict[str, str] | None = None
        self._firmware: str | None = None
        self._user_ids: dict[int, str] | None = None
        self._tables = Tables(self._transport)
        self.session = Session(self._transport)
        self._listener = Listener(self._transport, partial(self.session.request, CMD_GET_TIME))

    # --- life ---

    def __enter__(self) -> Self:
        """Open the session and read what the terminal is."""
        self.open()
        return self

    def __exit__(self, *exc: object) -> None:
        """Put the handshake option back and disconnect."""
        self.close()

    def open(self) -> None:
        """Connect, authenticate, perform the handshake, read what the terminal is.

        Opened again, the terminal is asked for its serial number only, to see that it is the
        same. Nothing stays open when this fails.

        Raises:
            ZKError: Whatever went wrong.
        """
        self._listener.forget()
        self._tables.forget()
        self.session.open(handshake=self._handshake)
        try:
            self._recognise()
        except BaseException:
            self.close()
            raise

    def _recognise(self) -> None:
        known = self._capabilities
        if known is not None and self.session.read_option(SERIAL) == known.get(SERIAL):
            return
        self._firmware = None
        self._user_ids = None
        self._capabilities = self.session.capabilities()

    def close(self) -> None:
        """Put the handshake option back and disconnect; harmless when already closed."""
        self._tables.forget()
        self.session.close()

    def abort(self) -> None:
        """Make the call that is waiting raise ``ZKUnreachable``; from any thread.

        Calls after it raise too, until ``close`` has been called.
        """
        self._transport.abort()

    # --- what it is ---

    @property
    def transport(self) -> Transport:
        """What the terminal is asked through."""
        return self._transport

    @property
    def handshake_done(self) -> bool:
        """Whether the terminal was told that an SDK talks to it."""
        return self.session.handshake_done

    @property
    def capabilities(self) -> dict[str, str]:
        """The options read on opening; those that had a value."""
        return dict(self._capabilities or {})

    @property
    def serial(self) -> str:
        """Serial number as the terminal tells it, stray separators stripped; maybe empty."""
        return (self._capabilities or {}).get(SERIAL, "").strip(" =")

    @property
    def mac(self) -> str | None:
        """MAC address as the terminal tells it."""
        return (self._capabilities or {}).get("MAC")

    @property
    def platform(self) -> str:
        """Hardware platform; maybe empty."""
        return (self._capabilities or {}).get("~Platform", "")

    @property
    def firmware(self) -> str:
        """Firmware text; maybe empty. Asks the terminal where no option told it."""
        if self._firmware is None:
            self._firmware = (self._capabilities or {}).get("FirmVer") or self._version()
        return self._firmware

    def _version(self) -> str:
        reply = self.session.request(CMD_GET_VERSION)
        return decode_text(reply.tail).strip() if reply.code == CMD_ACK_OK else ""

    def option(self, name: str) -> str | None:
        """Read one option; None where the terminal does not have it."""
        return self.session.read_option(name)

    def clock(self) -> datetime | None:
        """Read the terminal's wall clock, naive, 1 s resolution; None for an impossible date.

        Raises:
            ZKNotSupported: The terminal does not tell it.

        Source: protocol.md 3.3.
        """
        reply = self.session.request(CMD_GET_TIME)
        if reply.code != CMD_ACK_OK:
            raise ZKNotSupported("clock", reply.code)
        if len(reply.tail) < _U32.size:
            raise ZKProtocolError(f"{len(reply.tail)} bytes are no time")
        return decode_time(_U32.unpack_from(reply.tail)[0])

    def capacity(self) -> Capacity:
        """Read the counters; all None where the terminal does not tell them.

        Source: protocol.md 4.
        """
        reply = self.session.request(CMD_GET_FREE_SIZES)
        return decode_capacity(reply.tail if reply.code == CMD_ACK_OK else b"")

    def device_info(self) -> DeviceInfo:
        """Tell what the terminal is, and how much it holds now."""
        counts = self.capacity()
        no_faces = 0 if counts.users is not None else None
        return DeviceInfo(
            self._host,
            self.serial,
            self.firmware,
            self.platform,
            counts.users,
            counts.punches,
            counts.faces if counts.faces is not None else no_faces,
            counts.fingerprints,
            self.capabilities,
        )

    # --- live events ---

    def register_events(self, mask: int = ALL_EVENTS) -> None:
        """Ask the terminal to tell events by itself; 0 ends that.

        Raises:
            ZKNotSupported: The terminal refuses.

        Source: protocol.md 10.1.
        """
        reply = self.session.request(CMD_REG_EVENT, _U32.pack(mask & 0xFFFFFFFF))
        if reply.code != CMD_ACK_OK:
            raise ZKNotSupported("live events", reply.code)

    def next_event(self, timeout_s: float, wake: int | None = None) -> LiveEvent | None:
        """Wait for the next event; those that came between other answers come first.

        While it is quiet, the terminal is asked for its time now and then, so that a dead one
        is noticed within a minute.

        Args:
            timeout_s: How long to wait.
            wake: File descriptor that ends the wait when it becomes readable.

        Returns:
            The event, to be acknowledged; None after ``timeout_s``, or when woken.

        Raises:
            ZKUnreachable: The terminal is gone.
            ZKNotSupported: The transport only answers commands.
        """
        return self._listener.next(timeout_s, wake)

    @property
    def keep_alive_s(self) -> float:
        """Seconds of silence after which waiting for events asks whether the terminal is there.

        Anything else that is asked serves as well.
        """
        return self._listener.keep_alive_s

    @keep_alive_s.setter
    def keep_alive_s(self, seconds: float) -> None:
        self._listener.keep_alive_s = seconds

    def acknowledge(self) -> None:
        """Tell the terminal that the last event has been taken; once per event."""
        self._listener.acknowledge()

    def live_events(self, mask: int = ALL_EVENTS) -> Iterator[LiveEvent]:
        """Yield events as they happen; other commands may be used in between.

        Each is acknowledged once the caller has taken it: when the next one is asked for, or
        the iterator is closed.

        Raises:
            ZKUnreachable: The terminal is gone, noticed within a minute.
            ZKNotSupported: The terminal tells no events.
        """
        self.register_events(mask)
        try:
            while True:
                event = self.next_event(self.keep_alive_s)
                if event is not None:
                    yield event
                    self.acknowledge()
        except GeneratorExit:
            with suppress(ZKError):
                self.acknowledge()
                self.register_events(0)
            raise

    # --- counters ---

    @property
    def bytes_sent(self) -> int:
        """Bytes handed to the network; 0 for a transport that does not count."""
        return self._transport.bytes_sent if isinstance(self._transport, SocketTransport) else 0

    @property
    def bytes_received(self) -> int:
        """Bytes that arrived; 0 for a transport that does not count."""
        return self._transport.bytes_received if isinstance(self._transport, SocketTransport) else 0

    @property
    def frames_received(self) -> int:
        """Frames that arrived; 0 for a transport that does not count."""
        transport = self._transport
        return transport.frames_received if isinstance(transport, SocketTransport) else 0

    @property
    def last_frame_mono_s(self) -> float | None:
        """Monotonic time of the newest frame; None before the first."""
        transport = self._transport
        return transport.last_frame_mono_s if isinstance(transport, SocketTransport) else None


def _transport(
    kind: TransportKind, host: str, port: int, timeout: float, password: int
) -> Transport:
    made = {"tcp": TcpTransport, "udp": UdpTransport}.get(kind, SocketTransport)
    return made(host, port, timeout, password)
