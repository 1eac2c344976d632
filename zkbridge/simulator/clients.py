"""Clients of a simulated terminal: what arrives from each, and what is on its way to it."""

import selectors
import socket
import struct
import threading
import time
from collections import deque
from typing import Final, Protocol

from zkbridge.simulator.behaviour import Behaviour
from zkbridge.simulator.hub import Hub
from zkbridge.simulator.steps import Close, Mute, Send, Step
from zkbridge.simulator.terminal import Link
from zkbridge.zk.errors import ZKProtocolError
from zkbridge.zk.framing import FrameReader

_RECEIVE_BYTES: Final = 1 << 16
_RESET: Final = struct.pack("ii", 1, 0)
# A slow line delivers in pieces of this many seconds, as a real one does in segments.
_PIECE_S: Final = 0.005
_MIN_PIECE: Final = 512


class Owner(Protocol):
    """What a client needs of its server."""

    hub: Hub
    lock: threading.RLock
    bytes_in: int
    bytes_out: int

    def behaviour(self) -> Behaviour:
        """How the terminal behaves now."""
        ...

    def handle(self, client: "Client", packet: bytes) -> None:
        """Answer one packet; under the lock."""
        ...

    def forget(self, client: "Client") -> None:
        """Drop a client that has ended; under the lock, in the hub's thread."""
        ...


class Client:
    """One client of a terminal and what is on its way to it.

    Everything here happens under the server's lock.
    """

    def __init__(self, server: Owner, link: Link) -> None:
        self.link = link
        self.muted = False
        self.closed = False
        self._server = server
        self._outbox: deque[tuple[float, Step]] = deque()
        self._line_free_at = 0.0
        self._timer_at = 0.0

    def enqueue(self, steps: list[Step], delay_s: float = 0.0) -> None:
        """Let steps happen after what is already on its way."""
        if self.muted or self.closed:
            return
        due = time.monotonic() + delay_s
        if self._outbox:
            due = max(due, self._outbox[-1][0])
        for step in steps:
            if not isinstance(step, Mute):
                due += step.after_s
            due = self._pace(due, step)
        self.flush()

    def _pace(self, due: float, step: Step) -> float:
        bandwidth = self._server.behaviour().bandwidth
        if not bandwidth or not isinstance(step, Send):
            self._outbox.append((due, step))
            return due
        piece = (
            max(int(bandwidth * _PIECE_S), _MIN_PIECE)
            if self.link.transport == "tcp"
            else len(step.data)
        )
        for at in range(0, len(step.data), max(piece, 1)):
            part = step.data[at : at + piece]
            due = self._line_free_at = max(due, self._line_free_at) + len(part) / bandwidth
            self._outbox.append((due, Send(part)))
        return due

    def flush(self) -> None:
        """Do every step that is due; the hub comes back for the others."""
        while self._outbox and not self.closed:
            due, step = self._outbox[0]
            if due > time.monotonic():
                if self._timer_at != due:
                    self._timer_at = due
                    self._server.hub.call_at(due, self._locked_flush)
                return
            if isinstance(step, Mute):
                self.muted = True
                self._outbox.clear()
            elif isinstance(step, Close):
                if not self._server.hub.inside:
                    self._server.hub.call_soon(self._locked_flush)
                    return
                self.close(reset=step.reset)
            else:
                rest = self._write(step.data)
                if rest:
                    self._outbox[0] = (due, Send(rest))
                    return
                self._outbox.popleft()

    def _locked_flush(self) -> None:
        with self._server.lock:
            self.flush()

    def _write(self, data: bytes) -> bytes:
        """Send; returns what has to wait for room."""
        raise NotImplementedError

    def close(self, *, reset: bool = False) -> None:
        """End the client; the hub's thread only."""
        raise NotImplementedError


class TcpClient(Client):
    """A TCP connection."""

    def __init__(self, server: Owner, link: Link, sock: socket.socket) -> None:
        super().__init__(server, link)
        self._sock = sock
        self._reader = FrameReader()
        self._reading = False

    def read_on(self) -> None:
        """Begin to read; the hub's thread only."""
        self._reading = True
        self._server.hub.watch(self._sock, selectors.EVENT_READ, self._ready)

    @property
    def reading(self) -> bool:
        """Whether the terminal looks at this connection at all."""
        return self._reading

    def _ready(self, events: int) -> None:
        with self._server.lock:
            if events & selectors.EVENT_WRITE and not self.closed:
                self._server.hub.watch(self._sock, selectors.EVENT_READ, self._ready)
                self.flush()
            if events & selectors.EVENT_READ and not self.closed:
                self._receive()

    def _receive(self) -> None:
        try:
            received = self._sock.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self.close()
            return
        self._server.bytes_in += len(received)
        alien = self._server.behaviour().alien
        if alien:
            self.enqueue([Send(alien)])
            return
        self._reader.feed(received)
        try:
            while not self.closed and (packet := self._reader.next_packet()) is not None:
                self._server.handle(self, packet)
        except ZKProtocolError:
            self.close()

    def _write(self, data: bytes) -> bytes:
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            # The reader notices the end as well; what was on its way is lost.
            self._outbox.clear()
            self._outbox.append((0.0, Mute()))
            return b""
        self._server.bytes_out += sent
        if sent == len(data):
            return b""
        self._server.hub.call_soon(self._watch_writing)
        return data[sent:]

    def _watch_writing(self) -> None:
        with self._server.lock:
            if not self.closed:
                both = selectors.EVENT_READ | selectors.EVENT_WRITE
                self._server.hub.watch(self._sock, both, self._ready)

    def close(self, *, reset: bool = False) -> None:
        """End the connection; the hub's thread only."""
        if self.closed:
            return
        self.closed = True
        self._outbox.clear()
        self._server.hub.watch(self._sock, 0, self._ready)
        if reset:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._sock.close()
        self._server.forget(self)


class UdpClient(Client):
    """A UDP address that was heard from."""

    def __init__(
        self, server: Owner, link: Link, sock: socket.socket, address: tuple[str, int]
    ) -> None:
        super().__init__(server, link)
        self._sock = sock
        self._address = address

    def _write(self, data: bytes) -> bytes:
        try:
            self._server.bytes_out += self._sock.sendto(data, self._address)
        except OSError:
            return b""  # a datagram without room is a lost datagram
        return b""

    def close(self, *, reset: bool = False) -> None:  # noqa: ARG002 - there is nothing to reset
        """Forget the address; the hub's thread only."""
        self.closed = True
        self._server.forget(self)
