"""Who answers at an address: the terminal's key, its id, and what the store knows of it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from zkbridge.config import TerminalOptions
from zkbridge.events import Log
from zkbridge.identity import normal_mac, normal_serial, terminal_key
from zkbridge.metrics import Metrics
from zkbridge.polling.context import Context
from zkbridge.polling.directory import Directory
from zkbridge.polling.roster import Roster
from zkbridge.polling.schedule import LogSchedule
from zkbridge.polling.translate import Translator
from zkbridge.store import KnownTerminal, Store
from zkbridge.timezones import zone
from zkbridge.zk import ZKDevice, ZKProtocolError

_LOGGER = logging.getLogger(__name__)


class DuplicateTerminalError(Exception):
    """Two configured terminals are one device."""


def _nothing() -> None:
    """Stand in where nobody wants to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all workers share.

    Attributes:
        shown: Whether a user's name may go out.
        pictured: Whether a user's portrait may go out.
        portrait: Takes a portrait: terminal id, user id, JPEG.
        renamed: Called when a terminal turns out to go by another id.
        people_changed: Called when a terminal's user table says something new.
        clock: Host's clock, aware UTC.
        mono: Monotonic clock, seconds.
        process: Identifies this run of the bridge.
    """

    store: Store
    roster: Roster
    metrics: Metrics
    shown: Callable[[str], bool]
    pictured: Callable[[str], bool]
    portrait: Callable[[str, str, bytes], None]
    renamed: Callable[[], None]
    late_after_s: float
    clock: Callable[[], datetime]
    mono: Callable[[], float]
    process: str
    people_changed: Callable[[], None] = _nothing


@dataclass(slots=True)
class Memory:
    """What a worker remembers of its terminal from one connection to the next.

    Attributes:
        key: Of the terminal that it is about.
        reopened_at_s: When the connection was last given up because live events stayed away.
    """

    directory: Directory
    schedules: dict[Log, LogSchedule]
    key: str | None = None
    reopened_at_s: float | None = None

    @classmethod
    def empty(cls, shown: Callable[[str], bool]) -> "Memory":
        """Of a terminal never met."""
        return cls(Directory(shown), {log: LogSchedule() for log in Log})

    def meet(self, key: str, shown: Callable[[str], bool]) -> bool:
        """Start over when it is another terminal; tell whether it is."""
        other = self.key not in {None, key}
        if other:
            self.directory = Directory(shown)
            self.schedules = {log: LogSchedule() for log in Log}
        self.key = key
        return other


def identify(
    device: ZKDevice, options: TerminalOptions, default_id: str, around: Surroundings
) -> KnownTerminal:
    """Claim the terminal at the other end and look it up in the store, or enter it.

    Args:
        device: An open connection.
        options: The terminal as configured.
        default_id: Its id where neither configuration nor store say otherwise.
        around: Store and roster.

    Raises:
        DuplicateTerminalError: Another worker talks to the same terminal.
        ZKError: It cannot be asked.
    """
    serial, mac = normal_serial(device.serial), normal_mac(device.mac)
    serial = serial or _untold_serial(around.store, mac, options)
    claim = around.roster.claim(options.name, serial, mac)
    if claim.duplicate_of is not None:
        raise DuplicateTerminalError(
            f"{options.name} and {claim.duplicate_of} are the same terminal"
        )
    shared = _goes_by_mac(around.store, serial, mac, shared_now=claim.shared_serial)
    key = terminal_key(serial, mac, options.host, options.port, shared_serial=shared)
    earlier = around.store.terminal_by_key(key)
    # A renamed terminal keeps the id that its topics and entities have.
    wanted = options.id or (earlier.id if earlier else default_id)
    with around.store.transaction() as tx:
        return tx.terminal(
            key=key,
            id=around.roster.claim_id(options.name, wanted, default_id),
            name=options.name,
            serial=serial,
            mac=mac,
            host=options.host,
            port=options.port,
        )


def _untold_serial(store: Store, mac: str | None, options: TerminalOptions) -> str | None:
    """Return the serial of a terminal that does not tell it this time; None where it has none.

    A busy terminal may refuse a single option. Taken for one without a serial, it would go by
    another key, and its whole log by other ids.

    Raises:
        ZKProtocolError: It tells no MAC either, although it told its serial before.
    """
    known = store.terminal_by_place(options.host, options.port)
    if known is None or known.serial is None:
        return None
    if mac is None:
        raise ZKProtocolError("it tells neither serial number nor MAC, and told them before")
    return known.serial if mac == known.mac else None


def _goes_by_mac(store: Store, serial: str | None, mac: str | None, *, shared_now: bool) -> bool:
    """Tell whether a terminal's serial is another's too; once decided, it stays so.

    The first terminal that was met keeps the serial for its records' ids, so that nothing
    already published changes its id, whichever of the two is met first after a restart.
    """
    if serial is None or mac is None:
        return False
    owner = store.terminal_by_key(serial)
    if owner is not None and owner.mac == mac:
        return False
    other = store.terminal_by_key(mac)
    return shared_now or (other is not None and other.serial == serial)


def context_of(
    known: KnownTerminal, options: TerminalOptions, around: Surroundings, memory: Memory
) -> Context:
    """Gather what the parts of a worker need to know about the terminal."""
    if memory.meet(known.key, around.shown):
        _LOGGER.warning(
            "%s: another terminal (%s) answers at %s; its own history starts here",
            options.name,
            known.key,
            options.host,
        )
    return Context(
        number=known.terminal,
        terminal_id=known.id,
        translator=Translator(known.key, zone(options.timezone)),
        directory=memory.directory,
        store=around.store,
        metrics=around.metrics,
        late_after_s=around.late_after_s,
        process=around.process,
        clock=around.clock,
        mono=around.mono,
    )
