"""Sockets of a simulated terminal: TCP and UDP on one port, all in the hub's thread."""

import selectors
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from zkbridge.simulator.behaviour import Behaviour
from zkbridge.simulator.faults import Close, FaultPlan, Mute, Send, Step, whole
from zkbridge.simulator.hub import Hub
from zkbridge.simulator.terminal import Link, Machine
from zkbridge.zk.errors import ZKProtocolError
from zkbridge.zk.framing import HEADER_SIZE, FrameReader, build_tcp
from zkbridge.zk.opcodes import CMD_ACK_OK, CMD_PREPARE_BUFFER

_RECEIVE_BYTES: Final = 1 << 16
_MAX_UDP_CLIENTS: Final = 64
_MAX_LOGGED: Final = 1_000_000
_RESET: Final = struct.pack("ii", 1, 0)
_BIND_ATTEMPTS: Final = 20


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it reached the terminal."""

    command: int
    data: bytes
    transport: str
    client: str


class Client:
    """One client of a terminal and what is on its way to it.

    Everything here happens under the server's lock.
    """

    def __init__(self, server: "TerminalServer", link: Link) -> None:
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
        piece = max(int(bandwidth / 200), 512) if self.link.transport == "tcp" else len(step.data)
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

    def __init__(self, server: "TerminalServer", link: Link, sock: socket.socket) -> None:
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
        self, server: "TerminalServer", link: Link, sock: socket.socket, address: tuple[str, int]
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


class TerminalServer:
    """Listens for one terminal; every public method may be called from any thread."""

    def __init__(
        self,
        hub: Hub,
        machine: Machine,
        behaviour: Callable[[], Behaviour],
        *,
        tcp: bool = True,
        udp: bool = True,
    ) -> None:
        self.hub = hub
        self.lock = threading.RLock()
        self.behaviour = behaviour
        self.faults = FaultPlan()
        self.bytes_in = 0
        self.bytes_out = 0
        self.log: deque[Received] = deque(maxlen=_MAX_LOGGED)
        self.requests: Counter[int] = Counter()
        self.clients: list[Client] = []
        self.accepted = 0
        self.changed = threading.Condition(self.lock)
        self._machine = machine
        self._use_tcp, self._use_udp = tcp, udp
        self._tcp: socket.socket | None = None
        self._udp: socket.socket | None = None
        self._peers: dict[tuple[str, int], UdpClient] = {}
        self._paused = False

    def start(self, host: str, port: int) -> int:
        """Listen, and return the port; 0 chooses one that is free for both transports."""
        for attempt in range(_BIND_ATTEMPTS):
            try:
                port_bound = self._bind(host, port)
                break
            except OSError:
                self._close_listeners()
                if port or attempt == _BIND_ATTEMPTS - 1:
                    raise
        else:  # pragma: no cover - the loop ends by break or raise
            raise OSError("no free port")
        self.hub.call(self._watch_listeners)
        return port_bound

    def _bind(self, host: str, port: int) -> int:
        if self._use_tcp:
            self._tcp = _tcp_socket(host, port)
            self._tcp.listen(128)
            port = self._tcp.getsockname()[1]
        if self._use_udp:
            self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._udp.bind((host, port))
            self._udp.settimeout(0)
            port = self._udp.getsockname()[1]
        return port

    def _close_listeners(self) -> None:
        for sock in (self._tcp, self._udp):
            if sock is not None:
                sock.close()
        self._tcp = self._udp = None

    def _watch_listeners(self) -> None:
        if self._tcp is not None:
            self.hub.watch(self._tcp, selectors.EVENT_READ, self._accept)
        if self._udp is not None:
            self.hub.watch(self._udp, selectors.EVENT_READ, self._receive)

    def stop(self) -> None:
        """Close every socket."""

        def close() -> None:
            with self.lock:
                for client in list(self.clients):
                    client.close()
                for sock in (self._tcp, self._udp):
                    if sock is not None:
                        self.hub.watch(sock, 0, self._accept)
                self._close_listeners()

        self.hub.call(close)

    def drop(self, *, reset: bool = False) -> None:
        """End every connection."""

        def close() -> None:
            with self.lock:
                for client in list(self.clients):
                    client.close(reset=reset)

        self.hub.call(close)

    def pause(self) -> None:
        """Stop listening, as a terminal without power: connections end, new ones are refused."""

        def close() -> None:
            with self.lock:
                self._paused = True
                for client in list(self.clients):
                    client.close()
                if self._tcp is not None:
                    host, port = self._tcp.getsockname()
                    self.hub.watch(self._tcp, 0, self._accept)
                    self._tcp.close()
                    # Bound without listening: refuses, and keeps the port for resume().
                    self._tcp = _tcp_socket(host, port)

        self.hub.call(close)

    def resume(self) -> None:
        """Listen again on the same port."""

        def listen() -> None:
            with self.lock:
                self._paused = False
                if self._tcp is not None:
                    self._tcp.listen(128)
                self._watch_listeners()

        self.hub.call(listen)

    def broadcast(self, packet: bytes, hears: Callable[[Link], bool]) -> int:
        """Send an event to the clients that want it; returns to how many."""
        with self.lock:
            heard = [client for client in self.clients if hears(client.link)]
            for client in heard:
                client.enqueue([Send(self.framed(client.link, packet))])
            return len(heard)

    @staticmethod
    def framed(link: Link, packet: bytes) -> bytes:
        """Put the TCP top in front of a packet, where there is one."""
        return build_tcp(packet) if link.transport == "tcp" else packet

    def _accept(self, _events: int) -> None:
        with self.lock:
            if self._tcp is None:
                return
            try:
                sock, address = self._tcp.accept()
            except OSError:
                return
            sock.settimeout(0)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.accepted += 1
            client = TcpClient(self, Link("tcp", f"{address[0]}:{address[1]}"), sock)
            self.clients.append(client)
            self.changed.notify_all()
            if not self.behaviour().one_client or self._tcp_clients() == [client]:
                client.read_on()

    def _tcp_clients(self) -> list[TcpClient]:
        return [client for client in self.clients if isinstance(client, TcpClient)]

    def _receive(self, _events: int) -> None:
        with self.lock:
            if self._udp is None:
                return
            try:
                packet, address = self._udp.recvfrom(_RECEIVE_BYTES)
            except OSError:
                return
            if self._paused or len(packet) < HEADER_SIZE:
                return
            self.bytes_in += len(packet)
            client = self._peers.get(address)
            if client is None:
                if len(self._peers) >= _MAX_UDP_CLIENTS:
                    next(iter(self._peers.values())).close()
                client = UdpClient(
                    self, Link("udp", f"{address[0]}:{address[1]}"), self._udp, address
                )
                self._peers[address] = client
                self.clients.append(client)
            self.handle(client, packet)

    def handle(self, client: Client, packet: bytes) -> None:
        """Answer one packet of a client; under the lock."""
        command = int.from_bytes(packet[:2], "little")
        data = packet[HEADER_SIZE:]
        self.requests[command] += 1
        self.log.append(Received(command, data, client.link.transport, client.link.name))
        answer = self._machine.answer(client.link, packet)
        self.changed.notify_all()
        if command == CMD_ACK_OK and not answer:
            return
        frames = [self.framed(client.link, part) for part in answer]
        tcp = client.link.transport == "tcp"
        fault = self.faults.take(command, data)
        steps = whole(frames, tcp=tcp) if fault is None else fault.apply(frames, tcp=tcp)
        behaviour = self.behaviour()
        delay = behaviour.latency_s
        if command == CMD_PREPARE_BUFFER:
            delay += behaviour.prepare_s
        client.enqueue(steps, delay)

    def forget(self, client: Client) -> None:
        """Drop a client that has ended; under the lock, in the hub's thread."""
        if client in self.clients:
            self.clients.remove(client)
        if isinstance(client, UdpClient):
            self._peers = {a: peer for a, peer in self._peers.items() if peer is not client}
        waiting = self._tcp_clients()
        if waiting and not any(one.reading for one in waiting):
            waiting[0].read_on()
        self.changed.notify_all()


def _tcp_socket(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    sock.settimeout(0)
    return sock
