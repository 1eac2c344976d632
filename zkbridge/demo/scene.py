"""Two simulated terminals, the people who use them, and what those did this week."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from zkbridge.simulator import SimulatedPunch, SimulatedTerminal
from zkbridge.simulator.records import pack_time

PEOPLE: Final = (
    ("101", "Ana Souza"),
    ("102", "Nguyễn Thị Mai"),
    ("103", "Jürgen Groß"),
    ("104", "Олена Коваль"),
    ("105", "李伟"),
    ("106", "Fatima Haddad"),
    ("107", "Somchai Prasert"),
    ("108", "María García"),
    ("109", "Kwame Mensah"),
    ("110", "Sara Lindqvist"),
    ("111", "Arjun Patel"),
    ("112", "Chloé Martin"),
)
_CHECK_IN: Final = 0
_CHECK_OUT: Final = 1
_BREAK_OUT: Final = 2
_BREAK_IN: Final = 3
_METHODS: Final = (1, 1, 1, 15, 4)
_DAYS: Final = 6
_EXIT_BUTTON: Final = 53
_MENU_ENTERED: Final = 4


@dataclass(frozen=True, slots=True)
class Place:
    """One terminal of the scene."""

    id: str
    name: str
    terminal: SimulatedTerminal


@dataclass(frozen=True, slots=True)
class Made:
    """A punch that somebody made just now.

    Attributes:
        mono_s: Monotonic clock just before the finger left the sensor.
    """

    place: str
    user_id: str
    when: datetime
    mono_s: float


class Scene:
    """The terminals, and a thread that lets people punch.

    Args:
        made: Told of every punch before it is made.
        pause_s: How long between two punches, on average.
    """

    def __init__(self, made: Callable[[Made], None], *, pause_s: float = 1.2) -> None:
        self._made = made
        self._pause_s = pause_s
        self._chance = random.Random(4370)  # noqa: S311 - plays, protects nothing
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, name="demo-people", daemon=True)
        self._inside: dict[str, bool] = {}
        self.places = (
            Place("front_door", "Front door", _terminal(1, "SpeedFace", 20_000)),
            Place("workshop", "Workshop", _terminal(2, "K40", 3_000)),
        )

    def open(self) -> None:
        """Switch the terminals on, with a week of punches in their logs."""
        for place in self.places:
            for user_id, name in PEOPLE:
                place.terminal.add_user(user_id, name, templates={1: b"\x01" * 512})
            place.terminal.load_punches(self._past(place.terminal.wall_clock()))
            place.terminal.operate(0)
            place.terminal.start()

    def start(self) -> None:
        """Let people come and go."""
        self._thread.start()

    def close(self) -> None:
        """Everybody goes home, the terminals are switched off."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)
        for place in self.places:
            place.terminal.stop()

    def _past(self, now: datetime) -> list[SimulatedPunch]:
        punches = []
        for days in range(_DAYS, -1, -1):
            midnight = (now - timedelta(days=days)).replace(hour=0, minute=0, second=0)
            for user_id, _ in PEOPLE:
                if self._chance.random() < 0.6:  # noqa: PLR2004 - of the people, at each door
                    punches += self._day(midnight, user_id)
        recent = [now - timedelta(minutes=minutes) for minutes in (50, 35, 22, 14, 9, 5)]
        punches += [
            self._punch(user_id, moment, _CHECK_IN)
            for (user_id, _), moment in zip(PEOPLE, recent, strict=False)
        ]
        latest = pack_time(now)
        return sorted(
            (punch for punch in punches if punch.raw_time < latest), key=lambda p: p.raw_time
        )

    def _day(self, midnight: datetime, user_id: str) -> list[SimulatedPunch]:
        spread = self._chance.randrange(-1500, 1500)
        hours = ((7.9, _CHECK_IN), (12.1, _BREAK_OUT), (12.8, _BREAK_IN), (16.9, _CHECK_OUT))
        return [
            self._punch(user_id, midnight + timedelta(hours=hour, seconds=spread), state)
            for hour, state in hours
        ]

    def _punch(self, user_id: str, when: datetime, state: int) -> SimulatedPunch:
        return SimulatedPunch(user_id, pack_time(when), self._chance.choice(_METHODS), state)

    def _live(self) -> None:
        number = 0
        while not self._stop.wait(self._chance.uniform(0.4, 1.6) * self._pause_s):
            # In turn, so that nobody punches twice within a second.
            user_id, _ = PEOPLE[number % len(PEOPLE)]
            place = self._chance.choice(self.places)
            coming = not self._inside.get(user_id, False)
            self._inside[user_id] = coming
            when = place.terminal.wall_clock()
            self._made(Made(place.id, user_id, when, time.monotonic()))
            place.terminal.punch(
                user_id,
                self._chance.choice(_METHODS),
                _CHECK_IN if coming else _CHECK_OUT,
                when,
            )
            number += 1
            if number % len(PEOPLE) == 0:
                place.terminal.alarm(_EXIT_BUTTON)
                place.terminal.operate(_MENU_ENTERED, admin=1)


def _terminal(number: int, model: str, capacity: int) -> SimulatedTerminal:
    return SimulatedTerminal(
        serial=f"DEMO51201{number:05}",
        options={"~DeviceName": model, "MAC": f"00:17:61:12:00:{number:02x}"},
        punch_capacity=capacity,
    )
