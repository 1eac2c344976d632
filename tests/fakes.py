"""Stand-ins at the edges: a transport without a socket, a clock, a terminal that reads a script."""

import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from struct import pack, unpack
from types import TracebackType
from typing import Self

from zkbridge.zk.framing import Frame
from zkbridge.zk.opcodes import (
    CMD_ACK_ERROR,
    CMD_ACK_OK,
    CMD_ACK_UNKNOWN,
    CMD_DATA,
    CMD_FACE_RRQ,
    CMD_FREE_DATA,
    CMD_GET_FREE_SIZES,
    CMD_GET_TIME,
    CMD_OPTIONS_RRQ,
    CMD_OPTIONS_WRQ,
    CMD_PREPARE_BUFFER,
    CMD_PREPARE_DATA,
    CMD_READ_BUFFER,
    CMD_REFRESHDATA,
    CMD_USER_PHOTO,
)
from zkbridge.zk.transport import Transport


class FakeTransport(Transport):
    """The least that a transport can be: connect, disconnect, capture.

    Attributes:
        options: Answers to option reads.
        tables: Table blobs by (command, fct), their u32 size in front.
        counters: Answer to CMD_GET_FREE_SIZES.
        blobs: Other bulk answers by (command, payload).
        answers: Further fixed answers by command.
        sent: Every command captured.
        inline_limit: Largest table that comes with the first answer.
        max_data: Largest DATA payload.
        events: Frames put in front of every answer.
    """

    def __init__(self) -> None:
        self.options: dict[str, str] = {"~SerialNumber": "FAKE001", "SDKBuild": "0"}
        self.tables: dict[tuple[int, int], bytes] = {}
        self.counters = bytes(92)
        self.clock = b"\x8b\xfc\x83\x33"
        self.blobs: dict[tuple[int, bytes], bytes] = {}
        self.answers: dict[int, list[Frame]] = {}
        self.sent: list[tuple[int, bytes]] = []
        self.inline_limit = 1024
        self.max_data = 1008
        self.events: list[Frame] = []
        self.connected = False
        self._buffer = b""

    def connect(self) -> None:
        self.connected = True

    def disconnect(self) -> None:
        self.connected = False

    def capture(self, command: int, data: bytes = b"") -> list[Frame]:
        self.sent.append((command, data))
        return [*self.events, *self._answer(command, data)]

    def _answer(self, command: int, data: bytes) -> list[Frame]:
        if command in self.answers:
            return self.answers[command]
        handlers: dict[int, Callable[[bytes], list[Frame]]] = {
            CMD_OPTIONS_RRQ: self._option,
            CMD_OPTIONS_WRQ: self._write_option,
            CMD_PREPARE_BUFFER: self._prepare,
            CMD_READ_BUFFER: self._slice,
            CMD_FREE_DATA: lambda _: [Frame(CMD_ACK_OK, 1, 1)],
            CMD_REFRESHDATA: lambda _: [Frame(CMD_ACK_OK, 1, 1)],
            CMD_GET_FREE_SIZES: lambda _: [Frame(CMD_ACK_OK, 1, 1, self.counters)],
            CMD_GET_TIME: lambda _: [Frame(CMD_ACK_OK, 1, 1, self.clock)],
        }
        if command in {CMD_USER_PHOTO, CMD_FACE_RRQ}:
            blob = self.blobs.get((command, data))
            return [Frame(CMD_ACK_ERROR, 1, 1)] if blob is None else self._transfer(blob)
        handler = handlers.get(command)
        return handler(data) if handler is not None else [Frame(CMD_ACK_UNKNOWN, 1, 1)]

    def _option(self, data: bytes) -> list[Frame]:
        name = data.rstrip(b"\0").decode()
        if name not in self.options:
            return [Frame(CMD_ACK_ERROR, 1, 1)]
        return [Frame(CMD_ACK_OK, 1, 1, f"{name}={self.options[name]}\0".encode())]

    def _write_option(self, data: bytes) -> list[Frame]:
        name, _, value = data.rstrip(b"\0").decode().partition("=")
        self.options[name] = value
        return [Frame(CMD_ACK_OK, 1, 1)]

    def _prepare(self, data: bytes) -> list[Frame]:
        _, command, fct, _ = unpack("<bhii", data)
        if (command, fct) not in self.tables:
            return [Frame(CMD_ACK_ERROR, 1, 1)]
        self._buffer = self.tables[command, fct]
        if len(self._buffer) <= self.inline_limit:
            return [Frame(CMD_DATA, 0, 1, self._buffer)]
        size = len(self._buffer)
        return [Frame(CMD_ACK_OK, 1, 1, pack("<BIII", 0, size, size, 0))]

    def _slice(self, data: bytes) -> list[Frame]:
        start, size = unpack("<ii", data)
        return self._transfer(self._buffer[start : start + size])

    def _transfer(self, blob: bytes) -> list[Frame]:
        parts = [blob[at : at + self.max_data] for at in range(0, len(blob), self.max_data)]
        return [
            Frame(CMD_PREPARE_DATA, 1, 1, pack("<II", len(blob), self.max_data)),
            *(Frame(CMD_DATA, index, 1, part) for index, part in enumerate(parts)),
            Frame(CMD_ACK_OK, len(blob) & 0xFFFF, 1),
        ]


class FakeClock:
    """A clock that stands still until told otherwise."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class ScriptedPeer:
    """A TCP server that expects given bytes and answers given bytes, for one connection.

    Attributes:
        port: Where it listens.
        failure: What came instead of what the script says; None while all is well.
    """

    def __init__(self, steps: Sequence[tuple[str, bytes]]) -> None:
        self._steps = steps
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(10)
        self.port: int = self._listener.getsockname()[1]
        self.failure: str | None = None
        self._thread = threading.Thread(target=self._serve, name="scripted-peer")

    def _serve(self) -> None:
        with suppress(OSError), self._listener.accept()[0] as peer:
            peer.settimeout(10)
            for who, data in self._steps:
                if who == "device":
                    peer.sendall(data)
                elif not self._expect(peer, data):
                    return
            while peer.recv(4096):
                pass

    def _expect(self, peer: socket.socket, data: bytes) -> bool:
        got = b""
        while len(got) < len(data):
            piece = peer.recv(len(data) - len(got))
            if not piece:
                break
            got += piece
        if got != data:
            self.failure = f"expected {data.hex()}, got {got.hex()}"
        return got == data

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.close()
        self._thread.join(10)
