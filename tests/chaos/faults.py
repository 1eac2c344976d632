"""What the laboratory does to the bridge and everything around it; each at a random moment."""

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Final

from tests.chaos.terminals import Place, wrong_reply, wrong_table
from zkbridge.zk.opcodes import CMD_PREPARE_BUFFER, CMD_READ_BUFFER

if TYPE_CHECKING:
    from tests.chaos.laboratory import Laboratory

Fault = Callable[["Laboratory", Random], None]
_CLOCKS: Final = (
    timedelta(hours=-1),
    timedelta(hours=1),
    timedelta(seconds=-7),
    timedelta(seconds=90),
    timedelta(days=-9000),
    timedelta(),
    timedelta(),
)


def freeze(lab: "Laboratory", random: Random) -> None:
    """SIGSTOP, and SIGCONT a while later."""
    lab.freeze(random.uniform(0.05, 1.5))


def restart_broker(lab: "Laboratory", random: Random) -> None:
    """The broker ends in order and comes back."""
    lab.broker_away(random.uniform(0.0, 1.0), kill=False)


def kill_broker(lab: "Laboratory", random: Random) -> None:
    """The broker is killed and comes back."""
    lab.broker_away(random.uniform(0.0, 1.0), kill=True)


def hang_broker(lab: "Laboratory", random: Random) -> None:
    """The broker takes nothing and says nothing for a while."""
    lab.broker_hangs(random.uniform(0.1, 1.0))


def cut_broker(lab: "Laboratory", _random: Random) -> None:
    """The connection to the broker breaks."""
    lab.proxy.cut()


def swallow_acknowledgements(lab: "Laboratory", random: Random) -> None:
    """The broker has messages, but the connection breaks before the bridge knows."""
    lab.proxy.swallow(random.randrange(1, 20))


def wrong_replies(lab: "Laboratory", random: Random) -> None:
    """A terminal's replies arrive wrong, or not at all."""
    terminal = random.choice(lab.places).terminal
    terminal.inject(wrong_reply(random), times=random.randrange(1, 3), skip=random.randrange(0, 6))


def wrong_tables(lab: "Laboratory", random: Random) -> None:
    """A terminal announces a table wrongly."""
    terminal = random.choice(lab.places).terminal
    terminal.inject(wrong_table(random), random.choice((CMD_PREPARE_BUFFER, CMD_READ_BUFFER)))


def drop_terminal(lab: "Laboratory", random: Random) -> None:
    """A terminal's connections break."""
    random.choice(lab.places).terminal.drop_connections(reset=random.random() < 0.5)


def terminal_off(lab: "Laboratory", random: Random) -> None:
    """Nobody reaches a terminal for a while; people go on punching there."""
    place = random.choice(lab.places)
    place.terminal.pause()
    place.punch(random.randrange(1, 20), random, live=False)
    lab.later(random.uniform(0.2, 3.0), place.terminal.resume)


def forget_sessions(lab: "Laboratory", random: Random) -> None:
    """A terminal forgets who talks to it."""
    random.choice(lab.places).terminal.forget_sessions()


def set_clock(lab: "Laboratory", random: Random) -> None:
    """Somebody sets a terminal's clock."""
    able: list[Place] = [place for place in lab.places if not place.kind.steady]
    random.choice(able).terminal.set_clock(random.choice(_CLOCKS))


def clear_log(lab: "Laboratory", random: Random) -> None:
    """Somebody clears a log, sometimes followed by many new punches."""
    place = random.choice([place for place in lab.places if not place.kind.steady])
    before = place.terminal.punch_count
    place.clear()
    if random.random() < 0.5:
        place.punch(min(before, 150), random, live=False)


def burst(lab: "Laboratory", random: Random) -> None:
    """Many people at once, of whom no event tells."""
    random.choice(lab.places).punch(random.randrange(50, 200), random, live=False)


def same_again(lab: "Laboratory", random: Random) -> None:
    """A record is written twice."""
    random.choice(lab.places).repeat()


def disk_full(lab: "Laboratory", random: Random) -> None:
    """No room for the store for a while."""
    lab.disk_full(random.uniform(0.2, 2.0))


FAULTS: Final[tuple[tuple[int, Fault], ...]] = (
    (10, freeze),
    (3, restart_broker),
    (3, kill_broker),
    (4, hang_broker),
    (10, cut_broker),
    (10, swallow_acknowledgements),
    (25, wrong_replies),
    (4, wrong_tables),
    (10, drop_terminal),
    (8, terminal_off),
    (4, forget_sessions),
    (6, set_clock),
    (2, clear_log),
    (20, burst),
    (4, same_again),
    (3, disk_full),
)


def any_fault(random: Random) -> Fault:
    """Choose one by weight."""
    return random.choices([fault for _, fault in FAULTS], [weight for weight, _ in FAULTS])[0]
