"""What goes into the store and comes out of it, beyond the values of ``zkbridge.events``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from zkbridge.events import Event, Freshness, Log, Terminal


class Kind(IntEnum):
    """What an event is; the numbers are in the file."""

    PUNCH = 0
    OPERATION = 1
    ALARM = 2


class Lane(IntEnum):
    """Which queue of a terminal an event waits in; the numbers are in the file."""

    NORMAL = 0
    REPLAY = 1


class Delivery(IntEnum):
    """What became of an event; the numbers are in the file."""

    PENDING = 0
    DELIVERED = 1
    REFUSED = 2
    DROPPED = 3


class Occurrences(NamedTuple):
    """What is known of one person and one packed time.

    Attributes:
        confirmed: Highest occurrence read from the log; None: none.
        live_unconfirmed: One was seen live and no log has shown it yet.
    """

    confirmed: int | None
    live_unconfirmed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTerminal:
    """One terminal as the store remembers it.

    Attributes:
        terminal: What the store calls it; void after :class:`StoreDamaged`.
        first_contact: None until the bridge finished its first contact with it.
        recovered: Its records were known to an earlier file that is lost (contract 5.4): instead of
            ``backfill``, the last 7 days go to the late topics, what is older is taken as known.
        sdk_build: The option's original value, while ours is set on the terminal.
        partial_rest_until: No partial reads before that.
        facts: Small values of the worker's own, JSON.
    """

    terminal: int
    key: str
    id: str
    name: str
    serial: str | None
    mac: str | None
    host: str
    port: int
    first_contact: datetime | None = None
    recovered: bool = False
    cursor_punches: str | None = None
    cursor_operations: str | None = None
    sdk_build: str | None = None
    partial_rest_until: datetime | None = None
    facts: Mapping[str, object] = field(default_factory=dict)

    def cursor(self, log: Log) -> str | None:
        """Return where reading that log stopped."""
        return self.cursor_punches if log is Log.PUNCHES else self.cursor_operations

    @property
    def identity(self) -> Terminal:
        """The terminal as the rest of the bridge sees it."""
        return Terminal(key=self.key, id=self.id, name=self.name, serial=self.serial)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxItem:
    """One event that waits for the broker's acknowledgement.

    Attributes:
        seq: Its place in the order of the whole store.
        number: The store's number of the terminal.
        event: Of a replay, ``source`` already says so.
    """

    seq: int
    number: int
    terminal: Terminal
    lane: Lane
    event: Event
    freshness: Freshness


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """One event for the page and for export."""

    seq: int
    terminal: Terminal
    event: Event
    delivery: Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events are asked for; None does not restrict.

    Attributes:
        since: Not before that moment.
        until: Before that moment.
        terminal: Id, as in topics.
    """

    kind: Kind = Kind.PUNCH
    since: datetime | None = None
    until: datetime | None = None
    terminal: str | None = None
    user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HourCount:
    """How many punches one terminal stored in one hour of its own day."""

    terminal: str
    day: date
    hour: int
    punches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserDay:
    """One person's day by the terminals' clocks.

    Attributes:
        first: The first punch of the day.
        last: The last one; equal to ``first`` where there is only one.
    """

    user_id: str
    user_name: str | None
    day: date
    first: datetime
    last: datetime
    punches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Presence:
    """Where a person was last seen going."""

    user_id: str
    state: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What erasing a person touched.

    Attributes:
        events: Events erased.
        topics: Retained topics that concern the person and are to be cleared.
        remains: Damaged files set aside earlier; they may still hold the person's punches.
    """

    events: int
    topics: frozenset[str]
    remains: tuple[Path, ...] = ()
