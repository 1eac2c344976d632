"""A recorded session as a terminal: each request gets the answer it got then."""

from collections import deque
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from zkbridge.simulator.behaviour import Behaviour
from zkbridge.simulator.hub import Hub
from zkbridge.simulator.listening import ListeningTerminal
from zkbridge.simulator.recording import Recording
from zkbridge.simulator.terminal import Link
from zkbridge.zk.framing import HEADER_SIZE, build_packet
from zkbridge.zk.opcodes import (
    CMD_ACK_OK,
    CMD_ACK_UNKNOWN,
    CMD_AUTH,
    CMD_CONNECT,
    CMD_DATA,
    CMD_EXIT,
    CMD_FREE_DATA,
    CMD_PREPARE_BUFFER,
    CMD_PREPARE_DATA,
    CMD_READ_BUFFER,
    CMD_REG_EVENT,
)

_HEADER: Final = Struct("<HHHH")
_CHUNK: Final = Struct("<ii")
_PAIR: Final = Struct("<II")
_MAX_CHUNK_DATA: Final = 1 << 20

Key = tuple[int, bytes, bytes]


@dataclass(slots=True)
class _Answers:
    """Answers to one request, in the order they were recorded; the last one stays."""

    waiting: deque[list[bytes]] = field(default_factory=deque)

    def take(self) -> list[bytes]:
        return self.waiting.popleft() if len(self.waiting) > 1 else self.waiting[0]


class ReplayTerminal:
    """Answers from a recording, whoever asks and in whatever order.

    A request is looked up by its command and data, a chunk also by its table; asked again, it
    gets the next recorded answer, and the last one from then on. Chunks that were not recorded
    as such are cut out of those that were. Session id and numbers are the asker's.

    Attributes:
        unmatched: Requests that the recording has no answer to; they are told "unknown command".
    """

    def __init__(self, recording: Recording) -> None:
        self.unmatched: list[tuple[int, bytes]] = []
        self._answers: dict[Key, _Answers] = {}
        self._events: list[bytes] = []
        self._tables: dict[bytes, dict[int, bytes]] = {}
        self._frame_bytes = 1024 if recording.transport == "udp" else 0xFFC0
        self._index(recording)

    def _index(self, recording: Recording) -> None:
        pending: dict[int, tuple[Key, list[bytes]]] = {}
        table = b""
        for entry in recording.packets:
            command, _, _, number = _HEADER.unpack_from(entry.packet)
            data = entry.packet[HEADER_SIZE:]
            if entry.direction == "<":
                if command == CMD_REG_EVENT:
                    self._events.append(entry.packet)
                elif number in pending:
                    pending[number][1].append(entry.packet)
                continue
            if command == CMD_ACK_OK:
                continue
            if command == CMD_PREPARE_BUFFER:
                table = data
            key = _key(command, data, table)
            answer: list[bytes] = []
            self._answers.setdefault(key, _Answers()).waiting.append(answer)
            pending[number] = (key, answer)
        for key, answers in list(self._answers.items()):
            answered = deque(answer for answer in answers.waiting if answer)
            if answered:
                answers.waiting = answered
                self._learn_table(key, answered[0])
            else:
                del self._answers[key]

    def _learn_table(self, key: Key, answer: list[bytes]) -> None:
        command, data, table = key
        if command != CMD_READ_BUFFER or len(data) != _CHUNK.size:
            return
        start = _CHUNK.unpack(data)[0]
        chunk = b"".join(
            packet[HEADER_SIZE:] for packet in answer if _HEADER.unpack_from(packet)[0] == CMD_DATA
        )
        self._tables.setdefault(table, {})[start] = chunk

    def answer(self, link: Link, packet: bytes) -> list[bytes]:
        """Answer one packet of a client, as it came without the TCP top."""
        if len(packet) < HEADER_SIZE:
            return []
        command, _, _, number = _HEADER.unpack_from(packet)
        data = packet[HEADER_SIZE:]
        if command == CMD_ACK_OK:
            link.acknowledged += 1
            return []
        if command == CMD_PREPARE_BUFFER:
            link.table = data
        found = self._answers.get(_key(command, data, link.table))
        if found is not None:
            answer = [_renumbered(one, number) for one in found.take()]
            if command == CMD_CONNECT:
                link.session = _HEADER.unpack_from(answer[0])[2]
            return answer + (self._events if command == CMD_REG_EVENT else [])
        return self._made_up(link, command, data, number)

    def _made_up(self, link: Link, command: int, data: bytes, number: int) -> list[bytes]:
        if command == CMD_READ_BUFFER and len(data) == _CHUNK.size:
            chunk = self._slice(link.table, *_CHUNK.unpack(data))
            if chunk:
                return self._transfer(chunk, number)
        if command in {CMD_FREE_DATA, CMD_EXIT}:
            return [build_packet(CMD_ACK_OK, b"", link.session, number)]
        self.unmatched.append((command, data))
        return [build_packet(CMD_ACK_UNKNOWN, b"", link.session, number)]

    def _slice(self, table: bytes, start: int, size: int) -> bytes:
        """Cut a chunk out of recorded ones; empty where they do not hold all of it."""
        parts, at, end = [], start, start + min(size, _MAX_CHUNK_DATA)
        chunks = sorted(self._tables.get(table, {}).items())
        for first, chunk in chunks:
            if first <= at < min(first + len(chunk), end):
                part = chunk[at - first : end - first]
                parts.append(part)
                at += len(part)
        return b"".join(parts) if at == end else b""

    def _transfer(self, chunk: bytes, number: int) -> list[bytes]:
        most = self._frame_bytes
        frames = [
            build_packet(CMD_DATA, chunk[at : at + most], index, number)
            for index, at in enumerate(range(0, len(chunk), most))
        ]
        announced = _PAIR.pack(len(chunk), most)
        return [
            build_packet(CMD_PREPARE_DATA, announced, 0, number),
            *frames,
            build_packet(CMD_ACK_OK, b"", len(chunk) & 0xFFFF, number),
        ]


def _key(command: int, data: bytes, table: bytes) -> Key:
    if command in {CMD_AUTH, CMD_CONNECT}:
        return command, b"", b""  # the key depends on the session, and proves nothing here
    return command, data, table if command == CMD_READ_BUFFER else b""


def _renumbered(packet: bytes, number: int) -> bytes:
    command, _, session, _ = _HEADER.unpack_from(packet)
    return build_packet(command, packet[HEADER_SIZE:], session, number)


class ReplayedTerminal(ListeningTerminal):
    """A recorded session on real sockets, of the transport that it was recorded on."""

    def __init__(
        self,
        recording: Recording,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        hub: Hub | None = None,
        behaviour: Behaviour | None = None,
    ) -> None:
        """Prepare to serve; nothing listens before :meth:`start`.

        Args:
            recording: What to serve.
            host: Address to listen on.
            port: 0: a free one.
            hub: Thread shared with other terminals; None: its own.
            behaviour: Latency and bandwidth; everything else is the recording's.
        """
        self._replay = ReplayTerminal(recording)
        chosen = behaviour or Behaviour()
        super().__init__(
            self._replay,
            lambda: chosen,
            host=host,
            port=port,
            transport=recording.transport,
            hub=hub,
        )

    @property
    def unmatched(self) -> list[tuple[int, bytes]]:
        """Commands, with their data, that the recording has no answer to; a copy."""
        with self._server.lock:
            return list(self._replay.unmatched)
