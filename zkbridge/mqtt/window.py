"""What is on its way to the broker, and what of it is not recorded in the store yet. Pure."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from zkbridge.mqtt.messages import Message
from zkbridge.store.values import OutboxItem

SIZE: Final = 20


class Key(NamedTuple):
    """One message of one event that is on its way.

    Attributes:
        flight: Which sending of which event; never used twice.
        part: Which of the event's messages, from 0.
    """

    flight: int
    part: int


@dataclass(slots=True)
class Flight:
    """One event between the store and the broker's acknowledgement.

    Attributes:
        fresh: Sent to the fresh topic.
        offline: Home Assistant was away when it was sent.
        parts: How many messages it is.
        left: How many of them are not acknowledged.
    """

    item: OutboxItem
    fresh: bool
    offline: bool
    parts: int
    left: int
    refused: bool = False


@dataclass(slots=True)
class Outcome:
    """What is to be recorded in the store."""

    delivered: list[Flight] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.delivered) + len(self.refused) + len(self.dropped)

    def seqs(self) -> Iterable[int]:
        """Return every event in it."""
        yield from (flight.item.seq for flight in self.delivered)
        yield from self.refused
        yield from self.dropped


class Window:
    """At most so many messages are sent whose acknowledgement is not recorded (contract 5.2)."""

    def __init__(self) -> None:
        self._flights: dict[int, Flight] = {}
        self._seqs: dict[int, int] = {}
        self._sent = 0
        self._outgoing: deque[tuple[Key, Message]] = deque()
        self.outcome = Outcome()

    def holds(self, seq: int) -> bool:
        """Tell whether an event is on its way, or its end is not recorded yet."""
        return seq in self._seqs or seq in self.outcome.seqs()

    @property
    def in_flight(self) -> int:
        """How many events are on their way."""
        return len(self._flights)

    def room(self, unacknowledged: int, *, limit: int) -> int:
        """Return how many more messages may be sent.

        Args:
            unacknowledged: Of all kinds, by the connection's count.
            limit: What the broker, or caution, allows to be unacknowledged.
        """
        unrecorded = sum(flight.parts for flight in self.outcome.delivered)
        return min(limit - unacknowledged, SIZE - unacknowledged - unrecorded)

    def add(self, flight: Flight, messages: Sequence[Message]) -> None:
        """Take an event on; its messages come out of :meth:`take`."""
        self._sent += 1
        self._flights[self._sent] = flight
        self._seqs[flight.item.seq] = self._sent
        self._outgoing.extend(
            [(Key(self._sent, part), message) for part, message in enumerate(messages)]
        )

    def take(self) -> tuple[Key, Message] | None:
        """Return the next message of the events taken on."""
        return self._outgoing.popleft() if self._outgoing else None

    def event(self, key: Key) -> int | None:
        """Return which event a message belongs to; None: it is not on its way any more."""
        flight = self._flights.get(key.flight)
        return None if flight is None else flight.item.seq

    def acknowledged(self, key: Key, *, refused: bool) -> Flight | None:
        """Note the broker's answer; return the event when it was the last one missing."""
        flight = self._flights.get(key.flight)
        if flight is None:
            return None
        # The event is its first message; a tag that is refused must not keep it.
        flight.refused |= refused and key.part == 0
        flight.left -= 1
        if flight.left > 0:
            return None
        self._end(key.flight)
        if flight.refused:
            self.outcome.refused.append(flight.item.seq)
        else:
            self.outcome.delivered.append(flight)
        return flight

    def give_up(self, seq: int) -> None:
        """Set an event aside that the broker will never take."""
        self.release(seq)
        self.outcome.refused.append(seq)

    def drop(self, seq: int) -> None:
        """Note that nobody wants an event any more."""
        self.outcome.dropped.append(seq)

    def release(self, seq: int) -> None:
        """Forget that an event is on its way: it will be taken from the store again."""
        number = self._seqs.get(seq)
        if number is not None:
            self._end(number)
            self._outgoing = deque(one for one in self._outgoing if one[0].flight != number)

    def release_all(self) -> None:
        """Forget everything on its way; what was acknowledged remains to be recorded."""
        self._flights.clear()
        self._seqs.clear()
        self._outgoing.clear()

    def forget(self) -> None:
        """Forget everything: the store it belonged to is gone."""
        self.release_all()
        self.outcome = Outcome()

    def _end(self, number: int) -> None:
        flight = self._flights.pop(number)
        self._seqs.pop(flight.item.seq, None)
