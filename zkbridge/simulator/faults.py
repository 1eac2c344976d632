"""What can go wrong with a reply on its way: each fault turns frames into steps. No I/O.

Here: when and in which pieces frames arrive; what frames say wrongly is in ``wrong_frames``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from zkbridge.simulator.steps import Close, Fault, Mute, Send, Step, whole
from zkbridge.simulator.wrong_frames import (
    CorruptChecksum,
    CorruptData,
    Garbage,
    LateAnswer,
    OversizedLength,
    OversizedTable,
    Refused,
    ShortData,
    WrongLength,
    WrongNumber,
)
from zkbridge.zk.framing import build_packet, build_tcp
from zkbridge.zk.opcodes import CMD_REG_EVENT

__all__ = [
    "Closed",
    "CorruptChecksum",
    "CorruptData",
    "Cut",
    "Delay",
    "Doubled",
    "Dribble",
    "EventBefore",
    "EventBetween",
    "Fault",
    "Garbage",
    "Hang",
    "Joined",
    "LateAnswer",
    "Lost",
    "OversizedLength",
    "OversizedTable",
    "Refused",
    "Reordered",
    "Repeated",
    "Separate",
    "ShortData",
    "Silence",
    "Split",
    "WrongLength",
    "WrongNumber",
]


@dataclass(frozen=True, slots=True)
class Delay:
    """The reply comes late."""

    seconds: float

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Wait, then send."""
        return _after(self.seconds, whole(frames, tcp=tcp))


@dataclass(frozen=True, slots=True)
class Silence:
    """This reply is lost; the terminal goes on."""

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Send nothing."""
        del frames, tcp
        return []


@dataclass(frozen=True, slots=True)
class Hang:
    """The terminal stops answering on this connection, and keeps it open."""

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Send nothing, now and later."""
        del frames, tcp
        return [Mute()]


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection ends instead of a reply.

    Attributes:
        reset: With a RST.
    """

    reset: bool = False

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """End the connection."""
        del frames, tcp
        return [Close(reset=self.reset)]


@dataclass(frozen=True, slots=True)
class Cut:
    """The reply ends in its middle.

    Attributes:
        at: Bytes of the reply, TCP tops included, that still arrive.
        then: What the terminal does afterwards.
    """

    at: int
    then: Literal["hang", "close", "reset", "go_on"] = "close"

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Send a part; on UDP the datagram that holds the cut is sent short."""
        steps: list[Step] = []
        left = self.at
        for step in whole(frames, tcp=tcp):
            if isinstance(step, Send) and left > 0:
                steps.append(Send(step.data[:left]))
                left -= len(step.data)
        if self.then == "hang":
            steps.append(Mute())
        elif self.then != "go_on":
            steps.append(Close(reset=self.then == "reset"))
        return steps


@dataclass(frozen=True, slots=True)
class Split:
    """The reply arrives in pieces; TCP only.

    Attributes:
        at: Positions in the reply where a piece ends.
        pause_s: Time between pieces.
    """

    at: tuple[int, ...]
    pause_s: float = 0.0

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Write each piece on its own."""
        if not tcp:
            return whole(frames, tcp=tcp)
        joined = b"".join(frames)
        bounds = [0, *(at for at in sorted(self.at) if at < len(joined)), len(joined)]
        pieces = [joined[start:end] for start, end in pairwise(bounds)]
        return _spaced(self.pause_s, pieces)


@dataclass(frozen=True, slots=True)
class Dribble:
    """The reply arrives one byte at a time; on UDP, one datagram at a time.

    Attributes:
        pause_s: Time between bytes.
        most: Bytes after which the terminal falls silent; None: it goes on to the end.
    """

    pause_s: float = 0.0
    most: int | None = None

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Write each byte on its own."""
        if not tcp:
            return _spaced(self.pause_s, frames)
        joined = b"".join(frames)[: self.most]
        return _spaced(self.pause_s, [joined[at : at + 1] for at in range(len(joined))])


@dataclass(frozen=True, slots=True)
class Separate:
    """Each frame of the reply arrives on its own.

    Attributes:
        pause_s: Time between frames.
    """

    pause_s: float = 0.0

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Write each frame on its own."""
        del tcp
        return _spaced(self.pause_s, frames)


@dataclass(frozen=True, slots=True)
class Joined:
    """The reply and an event behind it arrive in one segment; on UDP, one after the other.

    Attributes:
        code: Event code.
        payload: Its data.
    """

    code: int
    payload: bytes

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Write everything at once."""
        return whole([*frames, _event(self.code, self.payload, tcp=tcp)], tcp=tcp)


@dataclass(frozen=True, slots=True)
class EventBefore:
    """An event arrives between the command and its reply.

    Attributes:
        code: Event code.
        payload: Its data.
    """

    code: int
    payload: bytes

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Put the event in front."""
        return whole([_event(self.code, self.payload, tcp=tcp), *frames], tcp=tcp)


@dataclass(frozen=True, slots=True)
class EventBetween:
    """An event arrives before every frame of the reply but the first.

    Attributes:
        code: Event code.
        payload: Its data.
    """

    code: int
    payload: bytes

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Put events between the frames."""
        event = _event(self.code, self.payload, tcp=tcp)
        mixed = [part for frame in frames for part in (frame, event)]
        return whole(mixed[:-1], tcp=tcp)


@dataclass(frozen=True, slots=True)
class Doubled:
    """Every frame of the reply arrives twice."""

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Send each frame twice."""
        return whole([frame for frame in frames for _ in range(2)], tcp=tcp)


@dataclass(frozen=True, slots=True)
class Repeated:
    """The whole reply arrives twice."""

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Send the reply, then the reply."""
        return whole([*frames, *frames], tcp=tcp)


@dataclass(frozen=True, slots=True)
class Lost:
    """Single frames of the reply never arrive.

    Attributes:
        frames: Their places in the reply; negative ones count from its end.
    """

    frames: tuple[int, ...]

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Leave them out."""
        gone = {at % len(frames) for at in self.frames} if frames else set()
        return whole([frame for at, frame in enumerate(frames) if at not in gone], tcp=tcp)


@dataclass(frozen=True, slots=True)
class Reordered:
    """Two frames of the reply change places.

    Attributes:
        first: Place of one; negative counts from the end.
        second: Place of the other.
    """

    first: int
    second: int

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Swap them; a reply too short for both stays as it is."""
        mixed = list(frames)
        places = range(-len(mixed), len(mixed))
        if self.first in places and self.second in places:
            mixed[self.first], mixed[self.second] = mixed[self.second], mixed[self.first]
        return whole(mixed, tcp=tcp)


def _after(seconds: float, steps: list[Step]) -> list[Step]:
    if not steps or isinstance(steps[0], Mute):
        return steps
    return [replace(steps[0], after_s=seconds), *steps[1:]]


def _spaced(pause_s: float, pieces: Sequence[bytes]) -> list[Step]:
    return [Send(piece, pause_s if at else 0.0) for at, piece in enumerate(pieces)]


def _event(code: int, payload: bytes, *, tcp: bool) -> bytes:
    packet = build_packet(CMD_REG_EVENT, payload, code, 0)
    return build_tcp(packet) if tcp else packet
