"""What happens to a reply on its way, and the plan of what will go wrong. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes in one write, or one datagram, ``after_s`` after what went before."""

    data: bytes
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Close:
    """The connection ends: with a FIN, or a RST."""

    reset: bool = False
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Mute:
    """The terminal never says another word on this connection."""


Step = Send | Close | Mute


class Fault(Protocol):
    """Something that goes wrong with a reply."""

    def apply(self, frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
        """Turn the frames of a reply, TCP tops included, into what happens instead."""
        ...


@dataclass(slots=True)
class Planned:
    """A fault that waits for its reply.

    Attributes:
        fault: What goes wrong.
        command: Requests whose reply it hits; None: any.
        times: Replies that it still hits.
        skip: Matching replies that it lets pass first.
        data: Requests whose data starts so.
    """

    fault: Fault
    command: int | None = None
    times: int = 1
    skip: int = 0
    data: bytes = b""


@dataclass(slots=True)
class FaultPlan:
    """Faults that wait for their replies, in the order in which they were planned."""

    waiting: list[Planned] = field(default_factory=list)
    hits: int = 0

    def take(self, command: int, data: bytes) -> Fault | None:
        """Return the fault for the reply to this request, or None."""
        for planned in self.waiting:
            if planned.command not in {None, command} or not data.startswith(planned.data):
                continue
            if planned.skip:
                planned.skip -= 1
                continue
            planned.times -= 1
            if not planned.times:
                self.waiting.remove(planned)
            self.hits += 1
            return planned.fault
        return None


def whole(frames: Sequence[bytes], *, tcp: bool) -> list[Step]:
    """Send a reply as it is: one write on TCP, one datagram per frame on UDP."""
    if tcp and frames:
        return [Send(b"".join(frames))]
    return [Send(frame) for frame in frames]
