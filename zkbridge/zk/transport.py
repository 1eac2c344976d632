"""Commands to a terminal and what it answers: the seam between sockets and everything else.

``Transport`` is what the rest of the package depends on; a subclass with ``connect``,
``disconnect`` and ``capture`` is enough for every read. The sockets are in ``wire``, which frame
answers what is in ``exchange``.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from time import monotonic
from typing import Final

from zkbridge.zk.bulk import first_data, read_table
from zkbridge.zk.errors import (
    ZKAuthFailed,
    ZKBusy,
    ZKEncrypted,
    ZKError,
    ZKNotSupported,
    ZKProtocolError,
    ZKUnreachable,
)
from zkbridge.zk.exchange import Exchange, Patience, Verdict
from zkbridge.zk.framing import Frame, build_packet, make_commkey, next_reply_id, parse_packet
from zkbridge.zk.opcodes import *  # noqa: F403  the reference has the numbers in this module
from zkbridge.zk.opcodes import (
    CMD_ACK_LOCKED,
    CMD_ACK_OK,
    CMD_ACK_SECURE,
    CMD_ACK_UNAUTH,
    CMD_AUTH,
    CMD_CONNECT,
    CMD_EXIT,
    CMD_REG_EVENT,
    MAX_CHUNK,
)
from zkbridge.zk.wire import TcpWire, UdpWire, Wire

__all__ = ["TcpTransport", "Transport", "UdpTransport", "first_data", "read_buffer"]

TABLE_PATIENCE: Final = 6  # times the timeout, for the first answer to a table request
GOODBYE_S: Final = 2.0
_TRIES: Final = 3  # of a request over UDP
_MAX_QUEUED_EVENTS: Final = 4096


class Transport(ABC):
    """Moves commands and frames between client and terminal.

    Attributes:
        chunk_size: Most bytes to ask for at once when a table is read.
        budget_s: Seconds that may still be spent waiting for the terminal, over all commands;
            None for no limit but that of each frame.
        events: Event frames that arrived and were not taken yet.
    """

    chunk_size: int = MAX_CHUNK
    budget_s: float | None = None

    @abstractmethod
    def connect(self) -> None:
        """Open the connection and authenticate."""

    @abstractmethod
    def disconnect(self) -> None:
        """Say goodbye and close; safe when already disconnected."""

    @abstractmethod
    def capture(self, command: int, data: bytes = b"") -> list[Frame]:
        """Send a command and collect the frames that answer it."""

    def stream(self, command: int, data: bytes = b"") -> Iterator[Frame]:
        """Send a command and yield the answer's frames, as early as the transport can."""
        yield from self.capture(command, data)

    def next_event(self, timeout_s: float, wake: int | None = None) -> Frame | None:
        """Return the next event frame, or None after ``timeout_s`` or when woken.

        Raises:
            ZKNotSupported: This transport only answers commands.
        """
        raise ZKNotSupported(f"waiting {timeout_s} s (wake {wake}) for live events", 0)

    def acknowledge(self) -> None:
        """Tell the terminal that an event has been taken.

        Raises:
            ZKNotSupported: This transport only answers commands.
        """
        raise ZKNotSupported("acknowledging live events", 0)

    def abort(self) -> None:  # noqa: B027  nothing waits where there is no socket
        """Make the call that is waiting raise ``ZKUnreachable``; callable from any thread."""

    def hurried(self) -> AbstractContextManager[None]:
        """Give the terminal little time in all, for ending a session."""
        return nullcontext()


class SocketTransport(Transport):
    """Commands over one socket, TCP or UDP; used by one thread, but for ``abort``.

    Args:
        host: Address or name of the terminal.
        port: Its service port.
        timeout: Seconds that one frame may take.
        password: Comm key; 0 for none.
        idle: Seconds of silence that end an answer of which nothing better is known.
        wires: What to try, in this order, until a connection is accepted.
    """

    def __init__(
        self,
        host: str,
        port: int = 4370,
        timeout: float = 10.0,
        password: int = 0,
        idle: float = 1.5,
        *,
        wires: tuple[Callable[[], Wire], ...] = (TcpWire, UdpWire),
    ) -> None:
        self._host = host
        self._port = port
        self._timeout = timeout
        self._password = password
        self._idle = idle
        self._wires = [make() for make in wires]
        self._wire = self._wires[0]
        self._session_id = 0
        self._next_number = 0
        self._connected = False
        self._silent = False  # the last request was not answered
        self.events: deque[Frame] = deque()

    # --- counters ---

    @property
    def host(self) -> str:
        """Address or name of the terminal."""
        return self._host

    @property
    def timeout_s(self) -> float:
        """Seconds that one frame may take."""
        return self._timeout

    @property
    def bytes_sent(self) -> int:
        """Bytes handed to the network."""
        return sum(wire.bytes_sent for wire in self._wires)

    @property
    def bytes_received(self) -> int:
        """Bytes that arrived."""
        return sum(wire.bytes_received for wire in self._wires)

    @property
    def frames_received(self) -> int:
        """Frames that arrived."""
        return sum(wire.packets_received for wire in self._wires)

    @property
    def last_frame_mono_s(self) -> float | None:
        """Monotonic time of the newest frame; None before the first."""
        return self._wire.last_packet_mono_s

    @property
    def is_udp(self) -> bool:
        """Whether the connection runs over UDP."""
        return not self._wire.ordered

    # --- connection ---

    def connect(self) -> None:
        """Open the socket, connect and authenticate.

        Raises:
            ZKUnreachable: No connection; ``ZKBusy`` where it is accepted but not served.
            ZKAuthFailed: The comm key is wrong, or the terminal refuses.
            ZKProtocolError: ``ZKNotATerminal`` where something else answers.
            ZKNotSupported: ``ZKEncrypted`` for firmware that refuses plain sessions.

        Source: protocol.md 2.1.
        """
        if self._wire.is_open:
            self.disconnect()
        first_failure: ZKUnreachable | None = None
        for wire in self._wires:
            try:
                self._connect_over(wire)
            except ZKBusy:
                raise
            except ZKUnreachable as error:
                # Only a connection that nobody accepted is worth trying another way.
                first_failure = first_failure or error
            else:
                return
        raise first_failure or ZKUnreachable("there is nothing to connect with")

    def _connect_over(self, wire: Wire) -> None:
        wire.open(self._host, self._port, self._timeout)
        self._wire = wire
        self.chunk_size = wire.chunk_size
        self.events.clear()
        self._session_id = 0
        self._next_number = 0
        try:
            self._authenticate(self._greet())
            self._connected = True
        except BaseException:
            self.disconnect()
            raise

    def _greet(self) -> Frame:
        received = self._wire.packets_received
        try:
            reply = self.capture(CMD_CONNECT)[-1]
        except ZKUnreachable as error:
            silent = self._wire.is_open and self._wire.packets_received == received
            if self._wire.ordered and silent and isinstance(error.__cause__, TimeoutError):
                raise ZKBusy(
                    f"{self._host}:{self._port} accepts the connection but does not answer: "
                    "another client may hold the terminal, or it is no terminal"
                ) from error
            raise
        self._session_id = reply.session
        return reply

    def _authenticate(self, reply: Frame) -> None:
        if reply.cmd == CMD_ACK_UNAUTH:
            key = make_commkey(self._password, self._session_id)
            reply = self.capture(CMD_AUTH, key)[-1]
        if reply.cmd == CMD_ACK_OK:
            return
        if reply.cmd in {CMD_ACK_SECURE, CMD_ACK_LOCKED}:
            raise ZKEncrypted("a plain session", reply.cmd)
        if reply.cmd == CMD_ACK_UNAUTH:
            raise ZKAuthFailed(f"{self._host}:{self._port} refuses the comm key")
        raise ZKAuthFailed(f"{self._host}:{self._port} refuses the connection ({reply.cmd})")

    def disconnect(self) -> None:
        """Send CMD_EXIT and close the socket; safe when already disconnected."""
        wire = self._wire
        try:
            if wire.is_open:
                self._say_goodbye(wait=self._connected and not self._silent)
        finally:
            for each in self._wires:
                each.forgive()
            self._connected = False
            self.budget_s = None
            for each in self._wires:
                each.close()

    def _say_goodbye(self, *, wait: bool) -> None:
        # A terminal that is not told keeps the session, and the next client out (protocol.md 14).
        with suppress(ZKError), self.hurried():
            if wait:
                self.capture(CMD_EXIT)
            else:
                self._send(CMD_EXIT, b"", self._take_number())

    @contextmanager
    def hurried(self) -> Iterator[None]:
        """Give the terminal little time in all, for ending a session."""
        saved, self._timeout = self._timeout, min(self._timeout, GOODBYE_S)
        self.budget_s = GOODBYE_S
        self._wire.forgive()
        try:
            yield
        finally:
            self._timeout = saved
            self.budget_s = None

    def abort(self) -> None:
        """Make the waiting call, and every later one until ``disconnect``, raise; any thread."""
        for wire in self._wires:
            wire.abort()

    # --- commands ---

    def capture(self, command: int, data: bytes = b"") -> list[Frame]:
        """Send a command and collect the frames that answer it.

        Raises:
            ZKUnreachable: No answer in time, or the connection is gone.
            ZKProtocolError: What arrived is malformed or contradicts itself.
        """
        return list(self.stream(command, data))

    def stream(self, command: int, data: bytes = b"") -> Iterator[Frame]:
        """Send a command and yield the answer's frames as they arrive.

        Abandoning the iterator is harmless: what is still to come bears this command's number
        and is dropped.
        """
        if self._wire.ordered:
            return self._stream_ordered(command, data)
        return self._stream_unordered(command, data)

    def _stream_ordered(self, command: int, data: bytes) -> Iterator[Frame]:
        exchange = Exchange(command, self._send(command, data, self._take_number()), data)
        verdict = Verdict.PART
        while verdict is not Verdict.LAST:
            frame = self._receive_for(exchange, self._timeout)
            if frame is None:
                if exchange.patience is Patience.IDLE:
                    return
                raise self._no_answer(command)
            self._silent = False
            verdict, part = frame
            if part is not None:
                yield part

    def _stream_unordered(self, command: int, data: bytes) -> Iterator[Frame]:
        tries = 1 if command == CMD_EXIT else _TRIES
        failure: ZKError | None = None
        for _ in range(tries):
            # Each try has a number of its own, but for the very first command of a session,
            # so that what a late answer to an earlier try brings cannot mix with this one's.
            number = 0 if command == CMD_CONNECT else self._take_number()
            exchange = Exchange(command, self._send(command, data, number), data, ordered=False)
            try:
                if self._collect(exchange, self._timeout / tries):
                    if command == CMD_CONNECT:
                        self._next_number = 1
                    self._silent = False
                    return iter(exchange.answer())
                failure = None
            except ZKProtocolError as error:
                failure = error
        raise failure or self._no_answer(command)

    def _collect(self, exchange: Exchange, timeout_s: float) -> bool:
        while True:
            frame = self._receive_for(exchange, timeout_s)
            if frame is None:
                return exchange.complete
            if frame[0] is Verdict.LAST:
                return True

    def _no_answer(self, command: int) -> ZKUnreachable:
        error = ZKUnreachable(f"{self._host}:{self._port} did not answer command {command} in time")
        error.__cause__ = TimeoutError()
        self._silent = True
        return error

    def _take_number(self) -> int:
        number, self._next_number = self._next_number, next_reply_id(self._next_number)
        return number

    def _send(self, command: int, data: bytes, number: int) -> int:
        packet = build_packet(command, data, self._session_id, number)
        self._wire.send(packet, self._timeout)
        return number

    def _receive_for(
        self, exchange: Exchange, timeout_s: float
    ) -> tuple[Verdict, Frame | None] | None:
        """Receive until a frame brings the answer forward.

        What does not belong to it neither ends nor prolongs the wait.

        Returns:
            The verdict and the frame; None when its time is over.
        """
        allowed = self._allowed(exchange.patience, timeout_s)
        started = monotonic()
        deadline = started + allowed
        try:
            while True:
                packet = self._wire.receive(deadline)
                if packet is None:
                    return None
                frame = parse_packet(packet)
                verdict = exchange.accept(frame)
                if verdict is Verdict.EVENT:
                    self._queue(frame)
                elif verdict is not Verdict.STRAY:
                    return verdict, frame
                if monotonic() >= deadline:
                    return None
        finally:
            if self.budget_s is not None:
                self.budget_s -= monotonic() - started

    def _allowed(self, patience: Patience, timeout_s: float) -> float:
        allowed = timeout_s
        if patience is Patience.TABLE:
            allowed = timeout_s * TABLE_PATIENCE
        elif patience is Patience.IDLE:
            allowed = min(self._idle, timeout_s)
        return allowed if self.budget_s is None else max(0.0, min(allowed, self.budget_s))

    # --- events ---

    def _queue(self, frame: Frame) -> None:
        if len(self.events) >= _MAX_QUEUED_EVENTS:
            raise ZKProtocolError("more live events than anyone can take")
        self.events.append(frame)

    def next_event(self, timeout_s: float, wake: int | None = None) -> Frame | None:
        """Return the next event frame, or None after ``timeout_s`` or when woken."""
        if self.events:
            return self.events.popleft()
        deadline = monotonic() + timeout_s
        while True:
            packet = self._wire.receive(deadline, wake)
            if packet is None:
                return None
            frame = parse_packet(packet)
            if frame.cmd == CMD_REG_EVENT:
                return frame
            if monotonic() >= deadline:
                return None

    def acknowledge(self) -> None:
        """Answer an event with CMD_ACK_OK, number 0. Source: protocol.md 10.2."""
        self._send(CMD_ACK_OK, b"", 0)


class TcpTransport(SocketTransport):
    """Commands over TCP.

    Args:
        host: Address or name of the terminal.
        port: Its service port.
        timeout: Seconds that one frame may take.
        password: Comm key; 0 for none.
        idle: Seconds of silence that end an answer of which nothing better is known; no command
            of this package needs it on a healthy connection.
    """

    def __init__(
        self,
        host: str,
        port: int = 4370,
        timeout: float = 10.0,
        password: int = 0,
        idle: float = 1.5,
    ) -> None:
        super().__init__(host, port, timeout, password, idle, wires=(TcpWire,))


class UdpTransport(SocketTransport):
    """Commands over UDP; takes what ``TcpTransport`` takes.

    Lost, repeated and swapped datagrams are found by packet index and reply number, and the
    request is made again. Source: protocol.md 1.3, 5.4.
    """

    def __init__(
        self,
        host: str,
        port: int = 4370,
        timeout: float = 10.0,
        password: int = 0,
        idle: float = 1.5,
    ) -> None:
        super().__init__(host, port, timeout, password, idle, wires=(UdpWire,))


def read_buffer(transport: Transport, command: int, fct: int, ext: int = 0) -> bytes:
    """Read a whole table through the terminal's buffer.

    Args:
        transport: What to ask through.
        command: The table's command.
        fct: Which of its tables.
        ext: Passed on.

    Returns:
        The table with its leading u32 size; empty only where the terminal says it is empty.

    Raises:
        ZKNotSupported: The terminal refuses.
        ZKProtocolError: Fewer or more bytes than announced.
    """
    return read_table(transport, command, fct, ext)
