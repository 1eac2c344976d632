"""Simulated terminals of several kinds, with people who punch and a log of what they did."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

from tests.bridge import terminal_options
from tests.chaos.ledger import Ledger, TerminalLog
from zkbridge.simulator import Hub, SimulatedPunch, SimulatedTerminal, pack_time
from zkbridge.simulator.faults import (
    Closed,
    CorruptChecksum,
    CorruptData,
    Cut,
    Doubled,
    Dribble,
    Fault,
    Garbage,
    Hang,
    LateAnswer,
    Lost,
    OversizedLength,
    OversizedTable,
    Refused,
    Repeated,
    ShortData,
    Silence,
    Split,
    WrongLength,
    WrongNumber,
)

_USERS: Final = 200


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of terminal.

    Attributes:
        options: Its configuration in the bridge.
        behaviour: Of the simulated terminal.
        history: Punches before first contact.
        steady: Its clock is never set.
    """

    name: str
    options: dict[str, object]
    behaviour: dict[str, Any]
    history: int = 0
    steady: bool = False


KINDS: Final = (
    Kind("colour", {"live": True}, {}),
    Kind("numbers", {"live": True}, {"punch_size": 16, "event_size": 14}),
    Kind("indexes", {"live": True}, {"punch_size": 8, "event_size": 10, "user_size": 28}),
    Kind("wide", {"live": True, "backfill": "all"}, {"punch_size": 49, "event_size": 37}, 300),
    Kind("visited", {"live": False, "session": "per_poll"}, {"counts": "zero"}),
    Kind("streaming", {"live": False, "transport": "udp"}, {"punch_size": 40}),
    Kind(
        "full",
        {"live": True, "backfill": "all"},
        {"punch_capacity": 1500, "drop_oldest": 100},
        1450,
        steady=True,
    ),
    Kind("frozen", {"live": True, "incremental": "off"}, {"counts": "frozen"}),
)


@dataclass(slots=True)
class Place:
    """One terminal of the laboratory."""

    kind: Kind
    terminal: SimulatedTerminal
    log: TerminalLog
    ledger: Ledger
    _people: Sequence[str] = field(default_factory=lambda: [str(n + 1) for n in range(_USERS)])

    @property
    def options(self) -> dict[str, Any]:
        """Its configuration in the bridge."""
        return terminal_options(
            self.terminal, name=self.kind.name, id=self.kind.name, timeout=1, **self.kind.options
        )

    def prepare(self, random: Random) -> None:
        """Enroll people, and let them have punched."""
        for uid, user_id in enumerate(self._people, 1):
            self.terminal.add_user(user_id, f"Person {user_id}", uid=uid)
        self.terminal.operate(0)
        if self.kind.history:
            self.punch(self.kind.history, random, live=False)

    def punch(self, amount: int, random: Random, *, live: bool = True) -> None:
        """Let as many different people punch within one second."""
        wall = self.terminal.wall_clock()
        able = [one for one in self._people if self.log.can(one, wall)]
        chosen = random.sample(able, min(amount, len(able)))
        for user_id in chosen:
            self._discard()
            self.ledger.punched(self.log.make(user_id, wall))
            if live:
                self.terminal.punch(user_id, when=wall)
        if not live:
            raw = pack_time(wall)
            self.terminal.load_punches([SimulatedPunch(one, raw) for one in chosen])

    def repeat(self) -> None:
        """Record the last punch once more: the same record in the same second is the same."""
        if not self.log.shown or self.kind.behaviour.get("drop_oldest"):
            return
        last = self.log.shown[-1]
        self.terminal.punch(last.user_id, when=datetime.fromisoformat(last.timestamp[:19]))

    def clear(self) -> None:
        """Somebody clears the attendance log."""
        self.log.drop()
        self.terminal.clear_log()

    def _discard(self) -> None:
        """Keep the ledger's log as short as the terminal's."""
        capacity = self.kind.behaviour.get("punch_capacity")
        if capacity is not None and len(self.log.shown) >= capacity:
            self.log.drop(self.kind.behaviour["drop_oldest"])


def places(hub: Hub, ledger: Ledger) -> list[Place]:
    """Make one terminal of each kind."""
    made = []
    for number, kind in enumerate(KINDS, 1):
        serial = f"CHAOS{number:08d}"
        terminal = SimulatedTerminal(
            serial=serial,
            options={"MAC": f"00:17:61:10:00:{number:02x}"},
            timezone=UTC,
            hub=hub,
            **kind.behaviour,
        )
        by_index = kind.behaviour.get("punch_size") == 8
        made.append(Place(kind, terminal, TerminalLog(kind.name, serial, by_index), ledger))
    return made


def wrong_table(random: Random) -> Fault:
    """Return what can be wrong with a table's announcement."""
    return random.choice((OversizedTable(), ShortData(random.randrange(1, 50))))


def wrong_reply(random: Random) -> Fault:
    """Return something that can happen to any reply and that a checksum or a length betrays."""
    choices: tuple[Fault, ...] = (
        Closed(reset=random.random() < 0.5),
        CorruptChecksum(),
        CorruptData(at=random.randrange(8)),
        Cut(random.randrange(1, 4000), random.choice(("close", "reset", "hang"))),
        Doubled(),
        Dribble(0.0, random.choice((None, 3, 40))),
        Garbage(),
        Hang(),
        LateAnswer(),
        Lost((random.randrange(-2, 2),)),
        OversizedLength(),
        Refused(),
        Repeated(),
        Silence(),
        Split(tuple(random.randrange(1, 2000) for _ in range(3)), 0.01),
        WrongLength(random.choice((-4, 3, 100))),
        WrongNumber(),
    )
    return random.choice(choices)
