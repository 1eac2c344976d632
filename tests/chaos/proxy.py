"""Stands between bridge and broker: sees what is published and acknowledged, and can cut."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Final

from tests.chaos.ledger import Ledger

_CONNECT: Final = 1
_PUBLISH: Final = 3
_PUBACK: Final = 4
_MQTT_5: Final = 5
_FAILURE: Final = 0x80
_PIECE: Final = 65536


class Packets:
    """Splits a stream into MQTT packets."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the packets that are complete."""
        self._buffer += data
        while len(self._buffer) >= 2:
            try:
                length, at = _number(self._buffer, 1)
            except IndexError:
                return
            if len(self._buffer) < at + length:
                return
            yield bytes(self._buffer[: at + length])
            del self._buffer[: at + length]


def _number(data: bytes | bytearray, at: int) -> tuple[int, int]:
    """Read a variable byte integer; returns it and where it ends."""
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return value, at


class Dialogue:
    """What one connection says about punches."""

    def __init__(self, number: int, ledger: Ledger) -> None:
        self._number = number
        self._ledger = ledger
        self._version = _MQTT_5
        self._waiting: dict[int, str] = {}

    def upward(self, packet: bytes) -> None:
        """Take a packet of the bridge."""
        _, at = _number(packet, 1)
        if packet[0] >> 4 == _CONNECT:
            self._version = packet[at + 2 + int.from_bytes(packet[at : at + 2], "big")]
        if packet[0] >> 4 != _PUBLISH or not packet[0] & 0x06:
            return
        end = at + 2 + int.from_bytes(packet[at : at + 2], "big")
        topic = packet[at + 2 : end].decode()
        identifier = int.from_bytes(packet[end : end + 2], "big")
        end += 2
        if self._version == _MQTT_5:
            properties, end = _number(packet, end)
            end += properties
        if "/punch" in topic:
            self._waiting[identifier] = self._ledger.sent(self._number, packet[end:])

    def downward(self, packet: bytes) -> bool:
        """Take a packet of the broker; tell whether it is an acknowledgement of a punch."""
        if packet[0] >> 4 != _PUBACK:
            return False
        _, at = _number(packet, 1)
        event = self._waiting.pop(int.from_bytes(packet[at : at + 2], "big"), None)
        refused = len(packet) > at + 2 and packet[at + 2] >= _FAILURE
        if event is not None and not refused:
            self._ledger.acknowledged(event)
        return event is not None


class Proxy:
    """A TCP proxy in a thread of its own.

    Attributes:
        port: Where it listens.
        open: Whether connections get through; closing it does not end those that there are.
    """

    def __init__(self, upstream: int, ledger: Ledger) -> None:
        self.port = 0
        self.open = True
        self._upstream = upstream
        self._ledger = ledger
        self._number = 0
        self._swallow = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy")

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """End everything."""
        self._call(self._loop.stop)
        self._thread.join()

    def cut(self) -> None:
        """Reset every connection."""
        self._call(self._cut)

    def swallow(self, acknowledgements: int) -> None:
        """Keep so many acknowledgements of punches from the bridge, then reset."""
        self._swallow = acknowledgements

    def _call(self, action: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(action)

    def _cut(self) -> None:
        for writer in self._writers:
            linger = struct.pack("ii", 1, 0)
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger
                )
            writer.transport.abort()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._connected, "127.0.0.1", 0)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._cut()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(server.wait_closed())
        self._loop.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._number += 1
        dialogue = Dialogue(self._number, self._ledger)
        self._writers.add(writer)
        broker: asyncio.StreamWriter | None = None
        try:
            if not self.open:
                return
            answers, broker = await asyncio.open_connection("127.0.0.1", self._upstream)
            self._writers.add(broker)
            up = asyncio.ensure_future(self._upward(reader, broker, dialogue))
            down = asyncio.ensure_future(self._downward(answers, writer, dialogue))
            _, pending = await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
        except OSError:
            return
        finally:
            for each in (writer, broker):
                if each is not None:
                    self._writers.discard(each)
                    each.close()
                    with contextlib.suppress(OSError, asyncio.CancelledError):
                        await each.wait_closed()

    async def _upward(
        self, reader: asyncio.StreamReader, broker: asyncio.StreamWriter, dialogue: Dialogue
    ) -> None:
        packets = Packets()
        while data := await reader.read(_PIECE):
            for packet in packets.feed(data):
                dialogue.upward(packet)
            broker.write(data)
            await broker.drain()

    async def _downward(
        self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter, dialogue: Dialogue
    ) -> None:
        packets = Packets()
        while data := await answers.read(_PIECE):
            for packet in packets.feed(data):
                if dialogue.downward(packet) and self._swallow:
                    self._swallow -= 1
                    if not self._swallow:
                        self._cut()
                        return
                    continue
                writer.write(packet)
            await writer.drain()
