"""A tiny MQTT server on a real socket with scripted answers; just enough of 5 and 3.1.1."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK = 1, 2, 3, 4, 8, 9
UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = 10, 11, 12, 13, 14


@dataclass(frozen=True, slots=True)
class Published:
    """A PUBLISH as it came over the wire."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    duplicate: bool
    packet_id: int
    connection: int


@dataclass(frozen=True, slots=True)
class Close:
    """Instead of an answer: close the connection, after a DISCONNECT where there is a code."""

    code: int | None = None


Answer = int | Close | None


class ScriptedBroker:
    """Answers every PUBLISH with what ``answer`` says: a reason code, a closure, or nothing.

    Attributes:
        port: Where it listens.
        versions: Protocol level of every CONNECT, in order.
        publishes: Everything published, in order.
    """

    def __init__(
        self,
        answer: Callable[[Published], Answer] = lambda _: 0,
        *,
        refuse_v5: str | None = None,
        connack_properties: bytes = b"",
    ) -> None:
        """Script a broker.

        Args:
            answer: To each PUBLISH.
            refuse_v5: ``code`` answers MQTT 5 with a 3.1.1 refusal, ``close`` with a closure.
            connack_properties: Of the CONNACK of MQTT 5, without their length.
        """
        self._answer = answer
        self._refuse_v5 = refuse_v5
        self._properties = connack_properties
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.versions: list[int] = []
        self.publishes: list[Published] = []
        self._changed = threading.Condition()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        thread = threading.Thread(target=self._accept, name="scripted-broker")
        thread.start()
        self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in list(self._sockets):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def on(self, topic: str) -> list[Published]:
        """Return what was published on a topic so far."""
        with self._changed:
            return [one for one in self.publishes if one.topic == topic]

    def wait_for(
        self, predicate: Callable[[list[Published]], object], timeout: float = 20.0
    ) -> list[Published]:
        """Wait until the predicate of everything published is true."""
        with self._changed:
            if not self._changed.wait_for(lambda: predicate(self.publishes), timeout):
                raise TimeoutError(str(self.publishes[-10:]))
            return list(self.publishes)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.add(sock)
            thread = threading.Thread(target=self._serve, args=(sock, len(self._threads)))
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with sock, contextlib.suppress(OSError, EOFError):
            file = sock.makefile("rb")
            with file:
                level = 4
                while True:
                    head = _exactly(file.read, 1)[0]
                    body = _exactly(file.read, _length(file.read))
                    if head >> 4 == CONNECT:
                        level = body[6]
                        if not self._greet(sock, level):
                            return
                    elif not self._reply(sock, number, level, head, body):
                        return
        self._sockets.discard(sock)

    def _greet(self, sock: socket.socket, level: int) -> bool:
        self.versions.append(level)
        if level == 5 and self._refuse_v5 is not None:
            if self._refuse_v5 == "code":
                sock.sendall(bytes([CONNACK << 4, 2, 0, 1]))
            return False
        tail = bytes([len(self._properties)]) + self._properties if level == 5 else b""
        _send(sock, CONNACK << 4, b"\0\0" + tail)
        return True

    def _reply(self, sock: socket.socket, number: int, level: int, head: int, body: bytes) -> bool:
        kind = head >> 4
        if kind == PUBLISH:
            return self._take(sock, number, level, head, body)
        extra = b"\0" if level == 5 else b""
        if kind == SUBSCRIBE:
            count = _filters(body[2 + len(extra) :], with_options=True)
            _send(sock, SUBACK << 4, body[:2] + extra + b"\1" * count)
        elif kind == UNSUBSCRIBE:
            count = _filters(body[2 + len(extra) :], with_options=False)
            _send(sock, UNSUBACK << 4, body[:2] + extra + (b"\0" * count if extra else b""))
        elif kind == PINGREQ:
            _send(sock, PINGRESP << 4, b"")
        return kind != DISCONNECT

    def _take(self, sock: socket.socket, number: int, level: int, head: int, body: bytes) -> bool:
        (size,) = struct.unpack_from(">H", body)
        topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
        (packet_id,) = struct.unpack_from(">H", rest)
        payload = rest[2:]
        if level == 5:
            payload = payload[1 + payload[0] :]
        one = Published(
            topic, payload, head >> 1 & 3, bool(head & 1), bool(head & 8), packet_id, number
        )
        answer = self._answer(one)
        with self._changed:
            self.publishes.append(one)
            self._changed.notify_all()
        if isinstance(answer, Close):
            if answer.code is not None:
                _send(sock, DISCONNECT << 4, bytes([answer.code, 0]))
            return False
        if answer is not None:
            reason = bytes([answer, 0]) if level == 5 and answer else b""
            _send(sock, PUBACK << 4, struct.pack(">H", packet_id) + reason)
        return True


def _exactly(read: Callable[[int], bytes], count: int) -> bytes:
    data = read(count)
    if len(data) < count:
        raise EOFError
    return data


def _length(read: Callable[[int], bytes]) -> int:
    value = shift = 0
    while True:
        byte = _exactly(read, 1)[0]
        value |= (byte & 127) << shift
        shift += 7
        if not byte & 128:
            return value


def _filters(data: bytes, *, with_options: bool) -> int:
    count = 0
    while data:
        (size,) = struct.unpack_from(">H", data)
        data = data[2 + size + with_options :]
        count += 1
    return count


def _send(sock: socket.socket, head: int, body: bytes) -> None:
    sock.sendall(bytes([head, len(body)]) + body)
