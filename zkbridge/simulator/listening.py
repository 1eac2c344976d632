"""Anything that listens like a terminal: its life, its faults, and what a test may look at."""

from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Self

from zkbridge.simulator.behaviour import Behaviour
from zkbridge.simulator.hub import Hub
from zkbridge.simulator.server import Received, TerminalServer
from zkbridge.simulator.steps import Fault, Planned
from zkbridge.simulator.terminal import Machine
from zkbridge.zk.opcodes import CMD_OPTIONS_WRQ

Sockets = Literal["both", "tcp", "udp"]


class ListeningTerminal:
    """A machine on real sockets; every method may be called from any thread.

    Attributes:
        host: Where it listens.
        port: 0 until started, unless one was given.
    """

    def __init__(
        self,
        machine: Machine,
        behaviour: Callable[[], Behaviour],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        transport: Sockets = "both",
        hub: Hub | None = None,
    ) -> None:
        self.host, self.port = host, port
        self._own_hub = hub is None
        self._hub = hub or Hub()
        self._server = TerminalServer(
            self._hub, machine, behaviour, tcp=transport != "udp", udp=transport != "tcp"
        )
        self._running = False

    # Life

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: The port is taken.
        """
        if self._own_hub:
            self._hub.start()
        try:
            self.port = self._server.start(self.host, self.port)
        except OSError:
            if self._own_hub:
                self._hub.stop()
            raise
        self._running = True

    def stop(self) -> None:
        """Close every socket; a second stop does nothing."""
        if not self._running:
            return
        self._running = False
        self._server.stop()
        if self._own_hub:
            self._hub.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def pause(self) -> None:
        """Lose power: connections end, new ones are refused, datagrams vanish."""
        self._server.pause()

    def resume(self) -> None:
        """Listen again, on the same port."""
        self._server.resume()

    def drop_connections(self, *, reset: bool = False) -> None:
        """End every connection, with a FIN or a RST."""
        self._server.drop(reset=reset)

    def forget_sessions(self, code: int = 2005) -> None:
        """Lose every session, as after a restart that clients did not notice."""
        with self._server.lock:
            for client in self._server.clients:
                client.link.forgotten = code
                client.link.mask, client.link.snapshot = 0, None

    def inject(
        self,
        fault: Fault,
        command: int | None = None,
        *,
        times: int = 1,
        skip: int = 0,
        data: bytes = b"",
    ) -> None:
        """Let something go wrong with coming replies.

        Args:
            fault: What; see :mod:`zkbridge.simulator.faults`.
            command: Requests whose reply it hits; None: any.
            times: How many replies.
            skip: Matching replies that pass first.
            data: Requests whose data starts so.
        """
        with self._server.lock:
            self._server.faults.waiting.append(Planned(fault, command, times, skip, data))

    # What a test looks at

    @property
    def connections(self) -> int:
        """Open TCP connections and known UDP clients."""
        with self._server.lock:
            return len(self._server.clients)

    @property
    def registered(self) -> int:
        """Clients that registered for events."""
        with self._server.lock:
            return sum(1 for client in self._server.clients if client.link.mask)

    @property
    def accepted(self) -> int:
        """TCP connections accepted so far."""
        return self._server.accepted

    @property
    def acknowledged(self) -> int:
        """Events that the clients of now acknowledged."""
        with self._server.lock:
            return sum(client.link.acknowledged for client in self._server.clients)

    @property
    def command_log(self) -> list[Received]:
        """Every packet received, in order; a copy."""
        with self._server.lock:
            return list(self._server.log)

    @property
    def requests(self) -> Counter[int]:
        """How often each command was received; a copy."""
        with self._server.lock:
            return Counter(self._server.requests)

    @property
    def bytes_in(self) -> int:
        """Bytes received."""
        return self._server.bytes_in

    @property
    def bytes_out(self) -> int:
        """Bytes sent."""
        return self._server.bytes_out

    @property
    def faults_hit(self) -> int:
        """Faults that have happened."""
        return self._server.faults.hits

    @property
    def written_options(self) -> list[bytes]:
        """Data of every option write received."""
        return [one.data for one in self.command_log if one.command == CMD_OPTIONS_WRQ]

    def reset_counters(self) -> None:
        """Forget the command log and the byte counts."""
        with self._server.lock:
            self._server.log.clear()
            self._server.requests.clear()
            self._server.bytes_in = self._server.bytes_out = 0

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> bool:
        """Wait until a condition on this terminal holds; False: it did not in time."""
        with self._server.changed:
            return self._server.changed.wait_for(condition, timeout_s)
