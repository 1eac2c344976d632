"""Two simulated terminals with a history, and a thread that lets people punch."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from zkbridge.simulator import Fleet, SimulatedTerminal, simulate

_USERS: Final = 14
_PUNCHES: Final = 600
_CHECK_IN: Final = 0
_CHECK_OUT: Final = 1
_FINGER_FACE_CARD: Final = (1, 1, 1, 15, 4)
_EXIT_BUTTON: Final = 53
_MENU_ENTERED: Final = 4
_NAMES: Final = (("front_door", "Front door"), ("workshop", "Workshop"))


@dataclass(frozen=True, slots=True)
class Place:
    """One terminal of the scene."""

    id: str
    name: str
    terminal: SimulatedTerminal


@dataclass(frozen=True, slots=True)
class Made:
    """A punch that somebody makes now.

    Attributes:
        place: Id of the terminal.
        when: The terminal's wall clock.
        mono_s: Monotonic clock just before.
    """

    place: str
    user_id: str
    when: datetime
    mono_s: float


class Scene:
    """The terminals and their people.

    Args:
        made: Told of every punch just before it is made.
        pause_s: How long between two punches, on average.
    """

    def __init__(self, made: Callable[[Made], None], *, pause_s: float = 1.2) -> None:
        self._made = made
        self._pause_s = pause_s
        self._chance = random.Random(4370)  # noqa: S311 - plays, protects nothing
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, name="demo-people", daemon=True)
        self._fleet: Fleet | None = None
        self.places: tuple[Place, ...] = ()

    def open(self) -> None:
        """Switch the terminals on, on free ports."""
        self._fleet = simulate(len(_NAMES), port=0, users=_USERS, punches=_PUNCHES)
        self.places = tuple(
            Place(place_id, name, terminal)
            for (place_id, name), terminal in zip(_NAMES, self._fleet.terminals, strict=True)
            if isinstance(terminal, SimulatedTerminal)
        )

    def start(self) -> None:
        """Let people come and go."""
        self._thread.start()

    def rest(self) -> None:
        """Everybody goes home; the terminals stay on."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def close(self) -> None:
        """Switch the terminals off."""
        self.rest()
        if self._fleet is not None:
            self._fleet.stop()

    def _live(self) -> None:
        people = list(self.places[0].terminal.users)
        turn = 0
        while not self._stop.wait(self._chance.uniform(0.4, 1.6) * self._pause_s):
            # In turn, so that nobody punches twice within a second.
            self._punch(people[turn % len(people)], coming=turn // len(people) % 2 == 0)
            turn += 1
            if turn % len(people) == 0:
                self.places[0].terminal.alarm(_EXIT_BUTTON)
                self.places[1].terminal.operate(_MENU_ENTERED, admin=1)

    def _punch(self, user_id: str, *, coming: bool) -> None:
        place = self._chance.choice(self.places)
        when = place.terminal.wall_clock()
        method = self._chance.choice(_FINGER_FACE_CARD)
        state = _CHECK_IN if coming else _CHECK_OUT
        self._made(Made(place.id, user_id, when, time.monotonic()))
        place.terminal.punch(user_id, method, state, when)
