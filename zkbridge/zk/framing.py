"""Bytes to frames and back: packet header, TCP top, checksum, comm key. No I/O.

Source: protocol.md 1 and 2.2, captured.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final

from zkbridge.zk.errors import ZKNotATerminal, ZKProtocolError

TCP_MAGIC: Final = b"\x50\x50\x82\x7d"
# Mentioned for encrypted firmware only; protocol.md 1.2, unproven.
TCP_MAGIC_SECURE: Final = b"\x50\x50\x83\x7c"
HEADER_SIZE: Final = 8
MAX_FRAME_BYTES: Final = 1 << 20
REPLY_MODULUS: Final = 65535

_TOP = Struct("<4sI")
_HEADER = Struct("<HHHH")
_SHORTEST_FRAME: Final = _TOP.size + HEADER_SIZE
_COMM_KEY_MASK: Final = b"ZKSO"


@dataclass(frozen=True, slots=True)
class Frame:
    """One packet of the protocol.

    Attributes:
        cmd: Command of a request, or reply code.
        session: Session id; in some replies a packet index, a state or an event code.
        reply: Number that pairs a reply with its request.
        data: What follows the 8-byte header.

    Source: protocol.md 1.1, 1.5, 1.6, captured.
    """

    cmd: int
    session: int
    reply: int
    data: bytes = b""


def checksum(packet: bytes) -> int:
    """Compute the checksum of a packet whose checksum field is zero.

    Args:
        packet: Header and data as sent; an odd length is padded with one zero byte.

    Returns:
        The 16-bit one's complement of the folded sum of little-endian words.

    Source: protocol.md 1.4, 30 captured packets.
    """
    # 65536 is 1 modulo 65535, so the number the bytes form is congruent to the sum of its
    # 16-bit words: one big division in C instead of a loop in Python.
    total = int.from_bytes(packet, "little")
    if not total:
        return 0xFFFF
    return 0xFFFF - (total % 0xFFFF or 0xFFFF)


def checksum_valid(packet: bytes) -> bool:
    """Tell whether a received packet carries the right checksum. Source: protocol.md 1.4."""
    # The folded sum over everything, checksum included, is 0xFFFF.
    total = int.from_bytes(packet, "little")
    return total > 0 and total % 0xFFFF == 0


def make_commkey(key: int, session_id: int, ticks: int = 50) -> bytes:
    """Scramble a comm key for CMD_AUTH.

    Args:
        key: The decimal comm key, 0 where none is set.
        session_id: Session id from the reply to CMD_CONNECT.
        ticks: Any byte; the vendor's SDK uses 50.

    Returns:
        The 4 bytes that CMD_AUTH carries.

    Source: protocol.md 2.2, three implementations agree.
    """
    reversed_bits = int(f"{key & 0xFFFFFFFF:032b}"[::-1], 2)
    mixed = ((reversed_bits + session_id) & 0xFFFFFFFF).to_bytes(4, "little")
    _, b1, b2, b3 = (a ^ b for a, b in zip(mixed, _COMM_KEY_MASK, strict=True))
    t = ticks & 0xFF
    return bytes((b2 ^ t, b3 ^ t, t, b1 ^ t))


def build_packet(command: int, data: bytes, session_id: int, reply_id: int) -> bytes:
    """Build a packet as it goes into one UDP datagram.

    Args:
        command: Command or reply code.
        data: Payload.
        session_id: Content of the session field.
        reply_id: Reply number as it goes on the wire.
    """
    unsummed = _HEADER.pack(command, 0, session_id, reply_id) + data
    return _HEADER.pack(command, checksum(unsummed), session_id, reply_id) + data


def build_tcp(packet: bytes) -> bytes:
    """Put the 8-byte TCP top in front of a packet. Source: protocol.md 1.2, captured."""
    return _TOP.pack(TCP_MAGIC, len(packet)) + packet


def parse_packet(packet: bytes) -> Frame:
    """Parse a packet without its TCP top; the checksum is not judged here.

    Raises:
        ZKProtocolError: Shorter than its header.
    """
    if len(packet) < HEADER_SIZE:
        raise ZKProtocolError(f"packet of {len(packet)} bytes is shorter than its header")
    command, _, session, reply = _HEADER.unpack_from(packet)
    return Frame(command, session, reply, bytes(packet[HEADER_SIZE:]))


def packet_length(top: bytes | bytearray) -> int:
    """Read the length of the packet that follows an 8-byte TCP top.

    Raises:
        ZKNotATerminal: The first bytes are no magic at all.
        ZKProtocolError: The length cannot be that of a packet.

    Source: protocol.md 1.2.
    """
    magic, length = _TOP.unpack(top)
    if magic != TCP_MAGIC:
        raise ZKNotATerminal(f"bytes {top.hex(' ')} do not start a frame of this protocol")
    if not HEADER_SIZE <= length <= MAX_FRAME_BYTES:
        raise ZKProtocolError(f"frame announces {length} bytes")
    return int(length)


def parse_frame(buf: bytes) -> tuple[Frame, bytes]:
    """Parse the first TCP frame of a buffer.

    Args:
        buf: At least one whole frame, with its TCP top.

    Returns:
        The frame and the bytes after it.

    Raises:
        ZKProtocolError: Incomplete, wrong magic, or an impossible length.
    """
    if len(buf) < _TOP.size:
        raise ZKProtocolError(f"{len(buf)} bytes are no frame")
    end = _TOP.size + packet_length(buf[: _TOP.size])
    if len(buf) < end:
        raise ZKProtocolError(f"frame of {end} bytes is cut after {len(buf)}")
    return parse_packet(buf[_TOP.size : end]), buf[end:]


def next_reply_id(reply_id: int) -> int:
    """Number after ``reply_id``: 65534 is followed by 0. Source: protocol.md 1.6."""
    return (reply_id + 1) % REPLY_MODULUS


class FrameReader:
    """Cuts a byte stream into packets, however the bytes were split or joined.

    Attributes:
        bad_checksums: Packets seen whose checksum was wrong; they are delivered all the same,
            since no terminal is known to send one over TCP (protocol.md 1.4).
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.bad_checksums = 0

    def feed(self, chunk: bytes | memoryview) -> None:
        """Add received bytes."""
        self._buffer += chunk

    def take(self, chunk: bytes) -> bytes | None:
        """Add received bytes; return the packet where they are one whole frame and no more.

        Most answers are, and then need no buffer. None says nothing about what is in it.
        """
        if not self._buffer and len(chunk) >= _SHORTEST_FRAME:
            magic, length = _TOP.unpack_from(chunk)
            if magic == TCP_MAGIC and length == len(chunk) - _TOP.size <= MAX_FRAME_BYTES:
                packet = chunk[_TOP.size :]
                if not checksum_valid(packet):
                    self.bad_checksums += 1
                return packet
        self._buffer += chunk
        return None

    @property
    def pending(self) -> int:
        """Bytes that are not yet cut."""
        return len(self._buffer)

    def starts_with(self, prefix: bytes) -> bool:
        """Tell what the bytes that are not yet cut start with."""
        return self._buffer.startswith(prefix)

    def next_packet(self) -> bytes | None:
        """Return the next whole packet without its TCP top, or None when incomplete.

        Raises:
            ZKProtocolError: The stream is lost.
        """
        buffer = self._buffer
        if len(buffer) < _TOP.size:
            return None
        end = _TOP.size + packet_length(buffer[: _TOP.size])
        if len(buffer) < end:
            return None
        with memoryview(buffer) as view:
            packet = bytes(view[_TOP.size : end])
        del buffer[:end]
        if not checksum_valid(packet):
            self.bad_checksums += 1
        return packet

    def next_frame(self) -> Frame | None:
        """Return the next whole frame, or None when incomplete.

        Raises:
            ZKProtocolError: The stream is lost.
        """
        packet = self.next_packet()
        return None if packet is None else parse_packet(packet)

    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame that is complete by now."""
        while (frame := self.next_frame()) is not None:
            yield frame
