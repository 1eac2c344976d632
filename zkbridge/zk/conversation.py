"""Commands over a wire: which number they bear, what is waited for, and for how long."""

from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager
from time import monotonic
from typing import Final

from zkbridge.zk.errors import ZKError, ZKProtocolError, ZKUnreachable
from zkbridge.zk.exchange import ONE_FRAME_COMMANDS, Exchange, Patience, Verdict, answers_alone
from zkbridge.zk.framing import Frame, build_packet, next_reply_id, parse_packet
from zkbridge.zk.opcodes import CMD_ACK_OK, CMD_CONNECT, CMD_EXIT, CMD_REG_EVENT
from zkbridge.zk.wire import Wire

TABLE_PATIENCE: Final = 6  # times the timeout, for the first answer to a table request
GOODBYE_S: Final = 2.0
_TRIES: Final = 3  # of a request over UDP
_MAX_QUEUED_EVENTS: Final = 4096


class Conversation:
    """Asks and listens; connecting and parting are for who inherits it.

    Args:
        wire: What is spoken over; may be changed between sessions.
        address: Whom, for errors.
        timeout: Seconds that one frame may take.
        idle: Seconds of silence that end an answer of which nothing better is known.

    Attributes:
        budget_s: As of ``Transport``.
        events: Event frames that arrived and were not taken yet.
    """

    def __init__(self, wire: Wire, address: str, timeout: float, idle: float) -> None:
        self._wire = wire
        self._address = address
        self._timeout = timeout
        self._idle = idle
        self._session_id = 0
        self._next_number = 0
        self.budget_s: float | None = None
        self._silent = False  # the last request was not answered
        self.events: deque[Frame] = deque()

    # --- commands ---

    def capture(self, command: int, data: bytes = b"") -> list[Frame]:
        """Send a command and collect the frames that answer it.

        Raises:
            ZKUnreachable: No answer in time, or the connection is gone.
            ZKProtocolError: What arrived is malformed or contradicts itself.
        """
        wire = self._wire
        if command not in ONE_FRAME_COMMANDS or not wire.ordered:
            return list(self.stream(command, data))
        # The usual case, one frame that comes at once, in as few steps as can be.
        number = self._next_number
        self._next_number = next_reply_id(number)
        wire.send(build_packet(command, data, self._session_id, number), self._timeout)
        started = monotonic()
        budget_s = self.budget_s
        allowed = self._timeout if budget_s is None else max(0.0, min(self._timeout, budget_s))
        packet = wire.receive(started + allowed)
        if budget_s is not None:
            self.budget_s = budget_s - (monotonic() - started)
        if packet is None:
            raise self._no_answer(command)
        frame = parse_packet(packet)
        if answers_alone(command, number, frame):
            self._silent = False
            return [frame]
        return self._go_on(Exchange(command, number, data), frame, started + allowed)

    def _go_on(self, exchange: Exchange, frame: Frame, deadline: float) -> list[Frame]:
        verdict = exchange.accept(frame)
        if verdict is Verdict.PART or verdict is Verdict.LAST:
            return list(self._rest(exchange, (verdict, frame)))
        if verdict is Verdict.EVENT:
            self._queue(frame)
        return list(self._rest(exchange, self._receive_for(exchange, deadline - monotonic())))

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
        yield from self._rest(exchange, self._receive_for(exchange, self._timeout))

    def _rest(self, exchange: Exchange, received: tuple[Verdict, Frame] | None) -> Iterator[Frame]:
        while received is not None:
            self._silent = False
            verdict, frame = received
            yield frame
            if verdict is Verdict.LAST:
                return
            received = self._receive_for(exchange, self._timeout)
        if exchange.patience is not Patience.IDLE:
            raise self._no_answer(exchange.command)

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
        error = ZKUnreachable(f"{self._address} did not answer command {command} in time")
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

    def _receive_for(self, exchange: Exchange, timeout_s: float) -> tuple[Verdict, Frame] | None:
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

    def hurried(self) -> AbstractContextManager[None]:
        """Give the terminal little time in all, for ending a session."""
        return _Hurry(self)

    def hurry(self) -> float:
        """Begin to hurry; returns what a frame could take before."""
        saved, self._timeout = self._timeout, min(self._timeout, GOODBYE_S)
        self.budget_s = GOODBYE_S
        if self._wire.aborted:
            # Whoever gave up waiting for an answer does not want to wait for another one.
            self._silent = True
            self._wire.forgive()
        return saved

    def relax(self, timeout_s: float) -> None:
        """Hurry no longer: a frame may take so long again."""
        self._timeout = timeout_s
        self.budget_s = None


class _Hurry(AbstractContextManager[None]):
    """Hurries as long as it lasts."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._timeout_s = 0.0

    def __enter__(self) -> None:
        self._timeout_s = self._conversation.hurry()

    def __exit__(self, *exc: object) -> None:
        self._conversation.relax(self._timeout_s)
