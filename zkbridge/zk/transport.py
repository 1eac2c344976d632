"""Commands to a terminal and what it answers: the seam between sockets and everything else.

``Transport`` is what the rest of the package depends on; a subclass with ``connect``,
``disconnect`` and ``capture`` is enough for every read. The sockets are in ``wire``, which frame
answers what is in ``exchange``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Literal

from zkbridge.zk.bulk import first_data, read_table
from zkbridge.zk.conversation import Conversation
from zkbridge.zk.errors import (
    ZKAuthFailed,
    ZKBusy,
    ZKEncrypted,
    ZKError,
    ZKNotSupported,
    ZKUnreachable,
)
from zkbridge.zk.framing import Frame, make_commkey
from zkbridge.zk.opcodes import *  # noqa: F403  the reference has the numbers in this module
from zkbridge.zk.opcodes import (
    CMD_ACK_LOCKED,
    CMD_ACK_OK,
    CMD_ACK_SECURE,
    CMD_ACK_UNAUTH,
    CMD_AUTH,
    CMD_CONNECT,
    CMD_EXIT,
    MAX_CHUNK,
)
from zkbridge.zk.wire import TcpWire, UdpWire, Wire

__all__ = ["TcpTransport", "Transport", "UdpTransport", "first_data", "read_buffer"]

TransportKind = Literal["auto", "tcp", "udp"]


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


class SocketTransport(Conversation, Transport):
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
        self._wires = [make() for make in wires]
        super().__init__(self._wires[0], f"{host}:{port}", timeout, idle)
        self._host = host
        self._port = port
        self._password = password
        self._connected = False

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

    def abort(self) -> None:
        """Make the waiting call, and every later one until ``disconnect``, raise; any thread."""
        for wire in self._wires:
            wire.abort()


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
