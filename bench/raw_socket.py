"""A bare socket that makes given round trips and parses nothing: the floor to compare with."""

import socket
from struct import Struct
from types import TracebackType
from typing import Self

from zkbridge.zk.framing import build_packet, build_tcp
from zkbridge.zk.opcodes import (
    CMD_ACK_OK,
    CMD_CONNECT,
    CMD_EXIT,
    CMD_PREPARE_DATA,
    CMD_REG_EVENT,
)

_TOP_AND_HEADER = Struct("<4sIHHHH")


class RawSocket:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._session = 0
        self._number = 0

    def __enter__(self) -> Self:
        self._socket = socket.create_connection(("127.0.0.1", self._port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = bytearray()
        self._session = self._number = 0
        self._session = self.ask(CMD_CONNECT, b"")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ask(CMD_EXIT, b"")
        self._socket.close()

    def ask(self, command: int, data: bytes) -> int:
        """Send a command, receive its answer to the end; returns the last session field."""
        packet = build_packet(command, data, self._session, self._number)
        self._number += 1
        self._socket.sendall(build_tcp(packet))
        code, session = self._frame()
        if code == CMD_PREPARE_DATA:
            while code != CMD_ACK_OK:
                code, session = self._frame()
        return session

    def event(self) -> None:
        """Receive one event and acknowledge it."""
        while self._frame()[0] != CMD_REG_EVENT:
            pass
        self._socket.sendall(build_tcp(build_packet(CMD_ACK_OK, b"", self._session, 0)))

    def _frame(self) -> tuple[int, int]:
        self._fill(_TOP_AND_HEADER.size)
        _, length, code, _, session, _ = _TOP_AND_HEADER.unpack_from(self._rest)
        self._fill(8 + length)
        del self._rest[: 8 + length]
        return code, session

    def _fill(self, size: int) -> None:
        while len(self._rest) < size:
            received = self._socket.recv(1 << 16)
            if not received:
                raise ConnectionError("the terminal closed the connection")
            self._rest += received
