"""The client's sockets: packets in, packets out, every wait with an end and wakeable.

Nothing here knows what a packet means. ``OSError`` becomes ``ZKUnreachable`` here and nowhere
else.
"""

import os
import socket
from abc import ABC, abstractmethod
from errno import ETIMEDOUT
from time import monotonic
from typing import Final

from zkbridge.zk.errors import ZKEncrypted, ZKNotATerminal, ZKProtocolError, ZKUnreachable
from zkbridge.zk.framing import (
    HEADER_SIZE,
    TCP_MAGIC_SECURE,
    FrameReader,
    build_tcp,
    checksum_valid,
)
from zkbridge.zk.opcodes import MAX_CHUNK, MAX_CHUNK_UDP
from zkbridge.zk.waiting import Alarm, give_up_soon, until_ready

# An answer mostly comes at once: so long the socket alone is waited for, in one call. After that
# the wait is one that the alarm can end.
_AT_ONCE_S: Final = 0.05
# Memory for as many bytes is taken before they come, and what they leave of it is given back:
# with room for a whole chunk each time, answers of some bytes would lie scattered over megabytes.
_ANSWER_BYTES: Final = 1 << 12
_MOST_BYTES: Final = 1 << 16
_UDP_BUFFER_BYTES: Final = 1 << 18  # several chunks, so that none is lost on this side


class Wire(ABC):
    """One socket to one terminal.

    Attributes:
        ordered: Packets arrive whole, once and in order.
        chunk_size: Most bytes to ask for at once. Source: protocol.md 5.3.
        bytes_sent: Since construction.
        bytes_received: Since construction.
        packets_received: Since construction.
        last_packet_mono_s: Monotonic time of the newest packet; None before the first.
    """

    ordered: bool
    chunk_size: int
    _kind: socket.SocketKind

    def __init__(self) -> None:
        self.bytes_sent = 0
        self.bytes_received = 0
        self.packets_received = 0
        self.last_packet_mono_s: float | None = None
        self._socket: socket.socket | None = None
        self._room = _MOST_BYTES
        self._alarm = Alarm()

    @property
    def is_open(self) -> bool:
        """Whether there is a socket."""
        return self._socket is not None

    def open(self, host: str, port: int, timeout_s: float) -> None:
        """Connect to the first address of the host that answers.

        Raises:
            ZKUnreachable: None did, or the host has none.
        """
        self.close()
        self._check_abort()
        deadline = monotonic() + timeout_s
        try:
            addresses = socket.getaddrinfo(host, port, type=self._kind)
        except (OSError, UnicodeError) as error:
            raise ZKUnreachable(f"{host} has no address: {error}") from error
        failure: Exception = ZKUnreachable(f"{host} has no address")
        for family, kind, protocol, _, address in addresses:
            try:
                self._connect(socket.socket(family, kind, protocol), address, deadline)
            except OSError as error:
                failure = error
            else:
                return
        self.close()
        raise ZKUnreachable(f"{host}:{port} cannot be reached: {failure}") from failure

    def _connect(self, sock: socket.socket, address: tuple[object, ...], deadline: float) -> None:
        try:
            give_up_soon(sock, _AT_ONCE_S)
            try:
                sock.connect(address)
            except (TimeoutError, BlockingIOError) as error:
                if error.errno == ETIMEDOUT:
                    raise  # the network's, not ours
                self._finish_connecting(sock, deadline)
            self._tune(sock)
        except BaseException:
            sock.close()
            raise
        self._socket = sock

    def _finish_connecting(self, sock: socket.socket, deadline: float) -> None:
        if not self._wait(sock, deadline, writing=True):
            raise TimeoutError("no answer")
        if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))

    @abstractmethod
    def _tune(self, sock: socket.socket) -> None:
        """Set the connected socket's options."""

    def close(self) -> None:
        """Close every file descriptor; harmless when there is none."""
        sock, self._socket = self._socket, None
        if sock is not None:
            sock.close()
        self._alarm.close()

    def abort(self) -> None:
        """Make the waiting call, and every later one, raise; callable from any thread."""
        self._alarm.ring()

    @property
    def aborted(self) -> bool:
        """Whether ``abort`` was called and not forgiven."""
        return self._alarm.raised

    def forgive(self) -> None:
        """Forget an abort, so that the session can still be ended in good order."""
        if self._alarm.raised:
            self._alarm.still()

    def _check_abort(self) -> None:
        if self._alarm.raised:
            raise ZKUnreachable("the connection was given up on request")

    def _wait(
        self,
        sock: socket.socket,
        deadline: float,
        wake: int | None = None,
        *,
        writing: bool = False,
    ) -> bool:
        """Wait until the socket is ready.

        Returns:
            False at the deadline, or when ``wake`` became readable.
        """
        self._check_abort()
        alarm = self._alarm.fileno()
        others = (alarm,) if wake is None else (alarm, wake)
        ready = until_ready(sock.fileno(), others, deadline - monotonic(), writing=writing)
        self._check_abort()
        return ready

    def _opened(self) -> socket.socket:
        if self._socket is None:
            raise ZKUnreachable("there is no connection")
        return self._socket

    def _send_all(self, data: bytes, timeout_s: float) -> None:
        sock = self._socket or self._opened()
        if self._alarm.raised:
            self._check_abort()
        try:
            sent = sock.send(data)
        except (TimeoutError, BlockingIOError):
            sent = 0
        except OSError as error:
            raise ZKUnreachable(f"sending failed: {error}") from error
        self.bytes_sent += sent
        if sent < len(data):
            self._send_rest(sock, memoryview(data)[sent:], timeout_s)

    def _send_rest(self, sock: socket.socket, view: memoryview, timeout_s: float) -> None:
        deadline = monotonic() + timeout_s
        try:
            while view:
                if not self._wait(sock, deadline, writing=True):
                    raise TimeoutError("the terminal takes no more data")
                try:
                    sent = sock.send(view)
                except BlockingIOError:
                    continue
                self.bytes_sent += sent
                view = view[sent:]
        except OSError as error:
            raise ZKUnreachable(f"sending failed: {error}") from error

    def _receive_some(self, deadline: float, wake: int | None) -> bytes | None:
        """Receive what is there; None at the deadline or when woken."""
        sock = self._socket or self._opened()
        if self._alarm.raised:
            self._check_abort()
        try:
            at_once = wake is None and deadline - monotonic() > _AT_ONCE_S
            while at_once or self._wait(sock, deadline, wake):
                try:
                    received = sock.recv(self._room)
                except (TimeoutError, BlockingIOError) as error:
                    if error.errno == ETIMEDOUT:
                        raise  # the network's, not ours
                    at_once = False
                    continue
                self.bytes_received += len(received)
                return received
        except OSError as error:
            raise ZKUnreachable(f"receiving failed: {error}") from error
        return None

    @abstractmethod
    def send(self, packet: bytes, timeout_s: float) -> None:
        """Send one packet."""

    @abstractmethod
    def receive(self, deadline: float, wake: int | None = None) -> bytes | None:
        """Receive one whole packet.

        Args:
            deadline: On the monotonic clock, for the whole packet however it trickles in.
            wake: File descriptor that ends the wait when it becomes readable.

        Returns:
            The packet without its TCP top; None at the deadline or when woken.

        Raises:
            ZKUnreachable: The connection is gone, or ``abort`` was called.
            ZKProtocolError: What arrives is no packet.
        """


class TcpWire(Wire):
    """Packets behind an 8-byte top on a byte stream. Source: protocol.md 1.2."""

    ordered = True
    chunk_size = MAX_CHUNK
    _kind = socket.SOCK_STREAM

    def __init__(self) -> None:
        super().__init__()
        self._reader = FrameReader()
        self._speaks = False
        self._buffered = False

    @property
    def bad_checksums(self) -> int:
        """Packets on this connection whose checksum was wrong."""
        return self._reader.bad_checksums

    def open(self, host: str, port: int, timeout_s: float) -> None:
        """Connect; see ``Wire.open``."""
        self._reader = FrameReader()
        self._room = _ANSWER_BYTES
        self._speaks = False
        self._buffered = False
        super().open(host, port, timeout_s)

    def _tune(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def send(self, packet: bytes, timeout_s: float) -> None:
        """Send one packet behind its top."""
        self._send_all(build_tcp(packet), timeout_s)

    def receive(self, deadline: float, wake: int | None = None) -> bytes | None:
        """Receive one whole packet; see ``Wire.receive``."""
        packet = self._next_packet() if self._buffered else None
        while packet is None:
            received = self._receive_some(deadline, wake)
            if received is None:
                return None
            if not received:
                raise ZKUnreachable("the terminal closed the connection")
            # What fills its room is a table, and there is more of it.
            self._room = _MOST_BYTES if len(received) == self._room else _ANSWER_BYTES
            packet = self._reader.take(received)
            if packet is None:
                packet = self._next_packet()
        self._speaks = True
        self.packets_received += 1
        self.last_packet_mono_s = monotonic()
        return packet

    def _next_packet(self) -> bytes | None:
        try:
            packet = self._reader.next_packet()
        except ZKNotATerminal as error:
            if self._reader.starts_with(TCP_MAGIC_SECURE):
                raise ZKEncrypted("the plain protocol", 0) from error
            if self._speaks:
                raise ZKProtocolError(f"the stream is lost: {error}") from error
            raise
        self._buffered = self._reader.pending > 0
        return packet


class UdpWire(Wire):
    """One packet per datagram; what is damaged counts as lost. Source: protocol.md 1.3."""

    ordered = False
    chunk_size = MAX_CHUNK_UDP
    _kind = socket.SOCK_DGRAM

    def __init__(self) -> None:
        super().__init__()
        self.bad_checksums = 0

    def _tune(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _UDP_BUFFER_BYTES)

    def send(self, packet: bytes, timeout_s: float) -> None:
        """Send one datagram."""
        self._send_all(packet, timeout_s)

    def receive(self, deadline: float, wake: int | None = None) -> bytes | None:
        """Receive one undamaged packet; see ``Wire.receive``."""
        while True:
            received = self._receive_some(deadline, wake)
            if received is None:
                return None
            if len(received) >= HEADER_SIZE and checksum_valid(received):
                self.packets_received += 1
                self.last_packet_mono_s = monotonic()
                return received
            self.bad_checksums += 1
            if monotonic() >= deadline:
                return None
