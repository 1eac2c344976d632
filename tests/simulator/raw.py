"""A client that knows frames and nothing else, so that tests see what is on the wire."""

import socket
from struct import pack, unpack_from
from types import TracebackType
from typing import Final, Literal, Self

from zkbridge.simulator import ListeningTerminal
from zkbridge.zk.framing import (
    Frame,
    FrameReader,
    build_packet,
    build_tcp,
    checksum_valid,
    make_commkey,
    parse_packet,
)

PATIENCE_S: Final = 10.0
PUNCHES: Final = (13, 0)
OPERATIONS: Final = (34, 0)
USERS: Final = (9, 5)
TEMPLATES: Final = (7, 2)


class RawClient:
    """Sends packets, and hands over every frame that comes back."""

    def __init__(
        self, terminal: ListeningTerminal, transport: Literal["tcp", "udp"] = "tcp"
    ) -> None:
        self.tcp = transport == "tcp"
        kind = socket.SOCK_STREAM if self.tcp else socket.SOCK_DGRAM
        self.socket = socket.socket(socket.AF_INET, kind)
        self.socket.settimeout(PATIENCE_S)
        try:
            self.socket.connect((terminal.host, terminal.port))
        except OSError:
            self.socket.close()
            raise
        self.reader = FrameReader()
        self.session = 0
        self.number = -1
        self.bad_checksums = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, command: int, data: bytes = b"", *, number: int | None = None) -> None:
        if number is None:
            self.number = number = self.number + 1
        packet = build_packet(command, data, self.session, number)
        self.socket.sendall(build_tcp(packet) if self.tcp else packet)

    def receive(self) -> Frame:
        """Next frame; EOFError where the connection has ended."""
        if not self.tcp:
            packet = self.socket.recv(1 << 16)
            self.bad_checksums += not checksum_valid(packet)
            return parse_packet(packet)
        while (frame := self.reader.next_frame()) is None:
            received = self.socket.recv(1 << 16)
            if not received:
                raise EOFError
            self.reader.feed(received)
        self.bad_checksums = self.reader.bad_checksums
        return frame

    def ask(self, command: int, data: bytes = b"") -> Frame:
        self.send(command, data)
        return self.receive()

    def connect(self, comm_key: int = 0) -> Frame:
        answer = self.ask(1000)
        self.session = answer.session
        if answer.cmd == 2005:
            answer = self.ask(1102, make_commkey(comm_key, self.session))
        return answer

    def silent(self, within_s: float = 0.1) -> bool:
        """Whether nothing comes, not even an end, for that long."""
        self.socket.settimeout(within_s)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(PATIENCE_S)
        return False

    def prepare(self, table: tuple[int, int]) -> Frame:
        return self.ask(1503, pack("<bhii", 1, *table, 0))

    def chunk(self, start: int, size: int) -> list[Frame]:
        """All frames of one chunk, up to the one that ends it."""
        self.send(1504, pack("<ii", start, size))
        frames = [self.receive()]
        while frames[0].cmd == 1500 and frames[-1].cmd != 2000:
            frames.append(self.receive())
        return frames

    def table(self, table: tuple[int, int], most: int = 0xFFC0) -> bytes:
        """A whole table as its blob; refuses to hide anything unusual."""
        answer = self.prepare(table)
        if answer.cmd == 1501:
            return answer.data
        if answer.cmd != 2000:
            raise ValueError(answer.cmd)
        total = unpack_from("<I", answer.data, 1)[0]
        blob = b""
        while len(blob) < total:
            frames = self.chunk(len(blob), min(most, total - len(blob)))
            blob += b"".join(frame.data for frame in frames if frame.cmd == 1501)
        if self.ask(1502).cmd != 2000:
            raise ValueError("free data refused")
        return blob
