"""What was punched, what the broker acknowledged, what a subscriber got, and what that adds up to.

Shares the hash of an id with the bridge and nothing else: which punch has which occurrence, and
what may come in which order, is decided here once more.
"""

import json
import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any, Final

from tests.mosquitto import Record
from zkbridge.identity import punch_id
from zkbridge.simulator.records import pack_time

WINDOW: Final = 20
_SHOWN: Final = 5


@dataclass(slots=True)
class Made:
    """One punch, as its terminal recorded it.

    Attributes:
        index: Its place in the terminal's log, counted over clears.
        excused: It was discarded by the terminal, perhaps before anybody could read it.
        source: As it first arrived; None: it has not.
    """

    terminal: str
    index: int
    id: str
    user_id: str
    timestamp: str
    excused: bool = False
    source: str | None = None


@dataclass(slots=True)
class TerminalLog:
    """What a terminal's attendance log contains, and how it is told apart.

    Args:
        name: The terminal's id in topics.
        serial: Where its ids start.
        by_index: Its records carry only the internal index.
    """

    name: str
    serial: str
    by_index: bool = False
    shown: deque[Made] = field(default_factory=deque)
    _indexes: "count[int]" = field(default_factory=count)
    _occurrences: dict[tuple[str, int], int] = field(default_factory=dict)
    _run: tuple[int, set[str]] = (-1, set())
    _before_clear: set[tuple[str, int]] = field(default_factory=set)

    def can(self, user_id: str, wall: datetime) -> bool:
        """Tell whether a punch of these would be a punch of its own."""
        raw = pack_time(wall)
        again = self._run[0] == raw and user_id in self._run[1]
        return not again and (user_id, raw) not in self._before_clear

    def make(self, user_id: str, wall: datetime) -> Made:
        """Add a punch at the end."""
        raw, pair = pack_time(wall), (user_id, pack_time(wall))
        if self._run[0] != raw:
            self._run = (raw, set())
        self._run[1].add(user_id)
        occurrence = self._occurrences[pair] = self._occurrences.get(pair, -1) + 1
        person = f"uid:{user_id}" if self.by_index else user_id
        made = Made(
            self.name,
            next(self._indexes),
            punch_id(self.serial, person, raw, occurrence),
            user_id,
            wall.isoformat() + "+00:00",
        )
        self.shown.append(made)
        return made

    def drop(self, amount: int | None = None) -> None:
        """The terminal discards its oldest punches; None: all, as somebody clears the log."""
        for _ in range(len(self.shown) if amount is None else amount):
            gone = self.shown.popleft()
            gone.excused = gone.source is None
        if amount is None:
            self._before_clear.update(self._occurrences)
            self._occurrences.clear()
            self._run = (-1, set())


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run came to.

    Attributes:
        lost: Neither received nor acknowledged by the broker.
        lost_by_broker: Acknowledged by the broker, and gone with it.
        discarded: Gone from the terminal before the bridge could read them.
        repeats: Sent more than once.
        beyond_window: Connections of whose messages more than a window was sent again.
    """

    made: int
    received: int
    lost: list[str]
    lost_by_broker: int
    discarded: int
    repeats: int
    beyond_window: list[str]
    out_of_order: list[str]
    changed: list[str]
    complaints: list[str]

    @property
    def fine(self) -> bool:
        """Whether every promise was kept."""
        return not (
            self.lost or self.beyond_window or self.out_of_order or self.changed or self.complaints
        )

    def lines(self) -> list[str]:
        """Describe it."""
        counted = (
            ("lost", self.lost),
            ("repeated beyond the window", self.beyond_window),
            ("out of order", self.out_of_order),
            ("with changed id or content", self.changed),
            ("complaints", self.complaints),
        )
        total = (
            f"punches made: {self.made}, received: {self.received},"
            f" discarded by terminals before they could be read: {self.discarded},"
            f" lost by the broker after its acknowledgement: {self.lost_by_broker},"
            f" sent again within the window: {self.repeats}"
        )
        lines = [total]
        for what, found in counted:
            lines.append(f"{what}: {len(found)}")
            lines += [f"  {one}" for one in found[:_SHOWN]]
        return lines


class Ledger:
    """Counts everything; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, Made] = {}
        self._received: set[str] = set()
        self._acknowledged: set[str] = set()
        self._sent: dict[str, int] = {}
        self._repeats: Counter[int] = Counter()
        self._newest: dict[tuple[str, bool], int] = {}
        self._out_of_order: list[str] = []
        self._changed: list[str] = []
        self.arrived = threading.Event()

    def punched(self, made: Made) -> None:
        """Enter a punch, before the terminal tells anybody of it."""
        with self._lock:
            self._made[made.id] = made

    def sent(self, connection: int, payload: bytes) -> str:
        """The bridge sent a punch to the broker; returns its id."""
        event: str = json.loads(payload)["id"]
        with self._lock:
            before = self._sent.get(event)
            if before is not None:
                # The end of an old connection may get here after the start of a new one.
                self._repeats[min(connection, before)] += 1
            self._sent[event] = max(connection, before or 0)
        return event

    def acknowledged(self, event: str) -> None:
        """The broker acknowledged a punch."""
        with self._lock:
            self._acknowledged.add(event)
        self.arrived.set()

    def received(self, record: Record) -> None:
        """The subscriber got a punch."""
        content = json.loads(record.payload)
        with self._lock:
            self._enter(record.topic, content)
        self.arrived.set()

    def _enter(self, topic: str, content: dict[str, Any]) -> None:
        event = content["id"]
        made = self._made.get(event)
        if made is None:
            self._changed.append(f"nobody made {content}")
            return
        expected = {"terminal_id": made.terminal, "user_id": made.user_id}
        if made.timestamp[:19] != (content["timestamp"] or "")[:19] or any(
            content[key] != value for key, value in expected.items()
        ):
            self._changed.append(f"{made} became {content}")
        if event in self._received:
            return
        self._received.add(event)
        made.source = content["source"]
        live = made.source == "live"
        if made.excused:
            return  # no log shows it any more, so no log says where it belongs
        # A live punch may overtake older ones that the log still has to show; nothing else may.
        ahead = self._newest.get((made.terminal, live), -1)
        if made.index < ahead:
            self._out_of_order.append(f"{made} came after number {ahead}")
        elif live and made.index < self._newest.get((made.terminal, False), -1):
            self._out_of_order.append(f"{made} came live after it was passed by a poll")
        self._newest[made.terminal, live] = max(ahead, made.index)

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many were made, sent and acknowledged so far."""
        with self._lock:
            return len(self._made), len(self._sent), len(self._acknowledged)

    @property
    def missing(self) -> int:
        """How many should still arrive."""
        with self._lock:
            return sum(
                1
                for made in self._made.values()
                if made.source is None and not made.excused and made.id not in self._acknowledged
            )

    @property
    def underway(self) -> int:
        """How many the broker acknowledged and the subscriber has not got."""
        with self._lock:
            return len(self._acknowledged - self._received)

    def verdict(self, complaints: list[str]) -> Verdict:
        """Add everything up."""
        with self._lock:
            absent = [made for made in self._made.values() if made.source is None]
            gone = [made for made in absent if made.id not in self._acknowledged]
            return Verdict(
                made=len(self._made),
                received=len(self._received),
                lost=[str(made) for made in gone if not made.excused],
                lost_by_broker=len(absent) - len(gone),
                discarded=sum(made.excused for made in gone),
                repeats=self._repeats.total(),
                beyond_window=[
                    f"{repeats} of those sent on connection {connection}"
                    for connection, repeats in self._repeats.items()
                    if repeats > WINDOW
                ],
                out_of_order=list(self._out_of_order),
                changed=list(self._changed),
                complaints=complaints,
            )
