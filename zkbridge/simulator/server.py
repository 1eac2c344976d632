"""Sockets of a simulated terminal: TCP and UDP on one port, all in the hub's thread."""

import selectors
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from zkbridge.simulator.behaviour import Behaviour
from zkbridge.simulator.clients import Client, TcpClient, UdpClient
from zkbridge.simulator.hub import Hub
from zkbridge.simulator.steps import FaultPlan, Send, whole
from zkbridge.simulator.terminal import Link, Machine
from zkbridge.zk.framing import HEADER_SIZE, build_tcp
from zkbridge.zk.opcodes import CMD_ACK_OK, CMD_PREPARE_BUFFER

_RECEIVE_BYTES: Final = 1 << 16
_MAX_UDP_CLIENTS: Final = 64
_MAX_LOGGED: Final = 1_000_000
_BIND_ATTEMPTS: Final = 20


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it reached the terminal."""

    command: int
    data: bytes
    transport: str
    client: str


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
        self._behaviour = behaviour
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

    def behaviour(self) -> Behaviour:
        """How the terminal behaves now."""
        return self._behaviour()

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
            if self.behaviour().events_to_one:
                heard = heard[-1:]
            for client in heard:
                client.enqueue([Send(self.framed(client.link, packet))])
            self.changed.notify_all()
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
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    sock.settimeout(0)
    return sock
