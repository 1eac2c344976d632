"""Recorded sessions as files: JSON lines, a header first, then one packet per line.

The header: ``{"format": "zkbridge-recording", "version": 1, "transport": "tcp", ...}`` with
whatever else its writer tells (``software``, ``created``, ``note``). Then each packet in the
order it crossed the wire: ``{"dir": ">", "at": 0.0123, "packet": "e803..."}``. ``dir`` is ``>``
from client to terminal and ``<`` back, ``at`` seconds since the start, ``packet`` hex without
the TCP top. Lines of other shapes and unknown keys are errors and ignored, respectively.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, TextIO

from zkbridge.zk.framing import HEADER_SIZE

FORMAT: Final = "zkbridge-recording"
VERSION: Final = 1
# What a recording may hold in all: a table of every record there is, several times over.
MAX_PACKETS: Final = 1_000_000
MAX_PACKET_BYTES: Final = 1 << 20

Direction = Literal[">", "<"]


class RecordingError(ValueError):
    """A file is no recording, or a broken one; the message says which line and why."""


@dataclass(frozen=True, slots=True)
class RecordedPacket:
    """One packet on the wire.

    Attributes:
        direction: ``>`` from client to terminal, ``<`` back.
        packet: Without the TCP top.
        at_s: Seconds since the recording began.
    """

    direction: Direction
    packet: bytes
    at_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded session.

    Attributes:
        packets: In the order they crossed the wire.
        transport: Which one that was.
        header: Everything that the file's header tells.
    """

    packets: tuple[RecordedPacket, ...]
    transport: Literal["tcp", "udp"] = "tcp"
    header: dict[str, Any] = field(default_factory=dict)


class RecordingWriter:
    """Writes a recording while its session runs; a context manager."""

    def __init__(self, stream: TextIO, transport: Literal["tcp", "udp"], **header: Any) -> None:  # noqa: ANN401 - anything that JSON can hold
        """Write the header.

        Args:
            stream: Where to; closed at the end.
            transport: Which one is recorded.
            **header: What else the header should tell.
        """
        self._stream = stream
        self._write({"format": FORMAT, "version": VERSION, "transport": transport} | header)

    def add(self, direction: Direction, packet: bytes, at_s: float = 0.0) -> None:
        """Write one packet, without its TCP top."""
        self._write({"dir": direction, "at": round(at_s, 6), "packet": packet.hex()})

    def _write(self, entry: dict[str, Any]) -> None:
        self._stream.write(json.dumps(entry, separators=(", ", ": ")) + "\n")

    def close(self) -> None:
        """End the recording."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def write_recording(path: Path, recording: Recording) -> None:
    """Write a whole recording to a file."""
    header = {
        key: value
        for key, value in recording.header.items()
        if key not in {"format", "version", "transport"}
    }
    with RecordingWriter(path.open("w", encoding="utf-8"), recording.transport, **header) as out:
        for entry in recording.packets:
            out.add(entry.direction, entry.packet, entry.at_s)


def read_recording(path: Path) -> Recording:
    """Read a recording from a file.

    Raises:
        RecordingError: It is none, or a broken one.
        OSError: It cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            return parse_recording(lines)
    except UnicodeDecodeError as error:
        raise RecordingError("not a text file") from error


def parse_recording(lines: Iterable[str]) -> Recording:
    """Read a recording from its lines.

    Raises:
        RecordingError: It is none, or a broken one.
    """
    numbered = _objects(lines)
    header = next(numbered, (0, {}))[1]
    if header.get("format") != FORMAT:
        raise RecordingError("the first line is not the header of a recording")
    if header.get("version") != VERSION:
        raise RecordingError(f"version {header.get('version')!r} of recordings is not known")
    transport = header.get("transport")
    if transport != "tcp" and transport != "udp":  # noqa: PLR1714 - narrows the type
        raise RecordingError(f"transport {transport!r} is neither tcp nor udp")
    packets: list[RecordedPacket] = []
    for number, entry in numbered:
        if len(packets) >= MAX_PACKETS:
            raise RecordingError(f"more than {MAX_PACKETS} packets")
        packets.append(_packet(number, entry))
    return Recording(tuple(packets), transport, header)


def _objects(lines: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RecordingError(f"line {number} is not JSON") from error
        if not isinstance(entry, dict):
            raise RecordingError(f"line {number} is not an object")
        yield number, entry


def _packet(number: int, entry: dict[str, Any]) -> RecordedPacket:
    direction, text, at_s = entry.get("dir"), entry.get("packet"), entry.get("at", 0.0)
    if direction != ">" and direction != "<":  # noqa: PLR1714 - narrows the type
        raise RecordingError(f"line {number}: dir {direction!r} is neither '>' nor '<'")
    if not isinstance(text, str) or not isinstance(at_s, int | float):
        raise RecordingError(f"line {number} holds no packet")
    try:
        packet = bytes.fromhex(text)
    except ValueError as error:
        raise RecordingError(f"line {number}: the packet is not hexadecimal") from error
    if not HEADER_SIZE <= len(packet) <= MAX_PACKET_BYTES:
        raise RecordingError(f"line {number}: no packet has {len(packet)} bytes")
    return RecordedPacket(direction, packet, float(at_s))
