"""Faults in what a reply's frames say: checksums, lengths, numbers, codes. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

from zkbridge.simulator.steps import Step, whole
from zkbridge.zk.framing import HEADER_SIZE, REPLY_MODULUS, build_packet, build_tcp
from zkbridge.zk.opcodes import CMD_ACK_OK, CMD_ACK_UNAUTH, CMD_DATA, CMD_PREPARE_DATA

_HEADER: Final = Struct("<HHHH")
_U16: Final = Struct("<H")
_U32: Final = Struct("<I")
_TOP_SIZE: Final = 8
_PREPARED_SIZE: Final = 9


@dataclass(frozen=True, slots=True)
class CorruptChecksum:
    """A frame carries a wrong checksum over right data.

    Attributes:
        frame: Its place in the reply.
    """

    frame: int = 0

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Flip the checksum's bits."""
        return _flip(frames, self.frame, range(2, 4), tcp=tcp)


@dataclass(frozen=True, slots=True)
class CorruptData:
    """A frame's data was changed on its way, and the checksum shows it.

    Attributes:
        frame: Its place in the reply.
        at: Which byte of the data.
    """

    frame: int = 0
    at: int = 0

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Flip the byte's bits."""
        place = HEADER_SIZE + self.at
        return _flip(frames, self.frame, range(place, place + 1), tcp=tcp)


@dataclass(frozen=True, slots=True)
class WrongLength:
    """A frame's TCP top announces another length than follows; on UDP the datagram has it.

    Attributes:
        delta: Difference to the true length.
        frame: Its place in the reply.
    """

    delta: int
    frame: int = 0

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Change the length."""
        changed = list(frames)
        victim = changed[self.frame]
        length = len(victim) - (_TOP_SIZE if tcp else 0) + self.delta
        if tcp:
            changed[self.frame] = victim[:4] + _U32.pack(length & 0xFFFFFFFF) + victim[_TOP_SIZE:]
        else:
            changed[self.frame] = victim[:length].ljust(max(length, 0), b"\0")
        return whole(changed, tcp=tcp)


@dataclass(frozen=True, slots=True)
class OversizedLength:
    """A frame's TCP top announces more than any terminal has; TCP only.

    Attributes:
        length: What it announces.
        frame: Its place in the reply.
    """

    length: int = 1 << 31
    frame: int = 0

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Change the length."""
        changed = list(frames)
        if tcp:
            victim = changed[self.frame]
            changed[self.frame] = victim[:4] + _U32.pack(self.length) + victim[_TOP_SIZE:]
        return whole(changed, tcp=tcp)


@dataclass(frozen=True, slots=True)
class OversizedTable:
    """The table, or the chunk, is announced larger than any terminal's memory.

    Attributes:
        size: What is announced.
    """

    size: int = 1 << 31

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Change the size in PREPARE_DATA and in the answer to CMD_PREPARE_BUFFER."""
        size = _U32.pack(self.size)
        changed = list(frames)
        for at, frame in enumerate(frames):
            packet = _packet(frame, tcp=tcp)
            command, data = _U16.unpack_from(packet)[0], packet[HEADER_SIZE:]
            if command == CMD_PREPARE_DATA:
                changed[at] = _rebuilt(packet, size + data[4:], tcp=tcp)
            elif command == CMD_ACK_OK and len(data) >= _PREPARED_SIZE:
                changed[at] = _rebuilt(packet, data[:1] + size + size + data[9:], tcp=tcp)
        return whole(changed, tcp=tcp)


@dataclass(frozen=True, slots=True)
class ShortData:
    """The last DATA frame holds less, or more, than was announced; its frame is right.

    Attributes:
        missing: Bytes left out at its end; negative: that many more.
    """

    missing: int

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Shorten or lengthen the data."""
        changed = list(frames)
        for at in range(len(frames) - 1, -1, -1):
            packet = _packet(frames[at], tcp=tcp)
            if _U16.unpack_from(packet)[0] == CMD_DATA:
                data = packet[HEADER_SIZE:]
                length = max(len(data) - self.missing, 0)
                changed[at] = _rebuilt(packet, data[:length].ljust(length, b"\0"), tcp=tcp)
                break
        return whole(changed, tcp=tcp)


@dataclass(frozen=True, slots=True)
class WrongNumber:
    """The reply carries the number of another request.

    Attributes:
        delta: Difference to the right number.
    """

    delta: int = -1

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Change the number of every frame."""
        return whole([_renumbered(frame, self.delta, tcp=tcp) for frame in frames], tcp=tcp)


@dataclass(frozen=True, slots=True)
class LateAnswer:
    """The answer to an earlier request arrives in front of this one's.

    Attributes:
        code: Its code.
        data: Its data.
        delta: Its number, relative to this request's.
    """

    code: int = CMD_ACK_OK
    data: bytes = b""
    delta: int = -1

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Put the late answer in front."""
        if not frames:
            return []
        _, _, session, number = _HEADER.unpack_from(_packet(frames[0], tcp=tcp))
        late = build_packet(self.code, self.data, session, (number + self.delta) % REPLY_MODULUS)
        return whole([build_tcp(late) if tcp else late, *frames], tcp=tcp)


@dataclass(frozen=True, slots=True)
class Refused:
    """The terminal answers with a code and nothing else; 2005: it has lost the session.

    Attributes:
        code: The code.
        data: Data with it.
    """

    code: int = CMD_ACK_UNAUTH
    data: bytes = b""

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Answer with the code, under the request's number."""
        if not frames:
            return []
        number = _HEADER.unpack_from(_packet(frames[0], tcp=tcp))[3]
        packet = build_packet(self.code, self.data, 0, number)
        return whole([build_tcp(packet) if tcp else packet], tcp=tcp)


@dataclass(frozen=True, slots=True)
class Garbage:
    """Bytes that are no frame arrive instead of the reply.

    Attributes:
        data: The bytes.
        in_front: In front of the reply, rather than in its place.
    """

    data: bytes = b"\xde\xad\xbe\xef" * 8
    in_front: bool = False

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Send the bytes."""
        return whole([self.data, *(frames if self.in_front else ())], tcp=tcp)


def _packet(frame: bytes, *, tcp: bool) -> bytes:
    return frame[_TOP_SIZE:] if tcp else frame


def _rebuilt(packet: bytes, data: bytes, *, tcp: bool) -> bytes:
    command, _, session, number = _HEADER.unpack_from(packet)
    built = build_packet(command, data, session, number)
    return build_tcp(built) if tcp else built


def _renumbered(frame: bytes, delta: int, *, tcp: bool) -> bytes:
    packet = _packet(frame, tcp=tcp)
    command, _, session, number = _HEADER.unpack_from(packet)
    number = (number + delta) % REPLY_MODULUS
    built = build_packet(command, packet[HEADER_SIZE:], session, number)
    return build_tcp(built) if tcp else built


def _flip(frames: Sequence[bytes], frame: int, places: range, *, tcp: bool) -> list[Step]:
    changed = list(frames)
    victim = bytearray(changed[frame])
    top = _TOP_SIZE if tcp else 0
    for place in places:
        if top + place < len(victim):
            victim[top + place] ^= 0xFF
    changed[frame] = bytes(victim)
    return whole(changed, tcp=tcp)
