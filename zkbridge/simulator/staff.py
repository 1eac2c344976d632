"""Made-up people and their working days, as a terminal would have recorded them. No I/O."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Final

from zkbridge.simulator.records import (
    SimulatedOperation,
    SimulatedPunch,
    SimulatedUser,
    pack_time,
)

NAMES: Final = (
    "Anna Kowalska",
    "Jürgen Weiß",
    "Zoë O'Brien",
    "Nguyễn Văn An",
    "Иван Петров",
    "Олена Коваль",
    "محمد علي",
    "فاطمة حسن",
    "张伟",
    "李秀英",
    "佐藤 花子",
    "김민준",
    "สมชาย",
    "अनिता",
    "Γιώργος Νίκα",
    "שרה כהן",
    "Siti Rahayu",
    "José Ñúñez",
    "Ömer Çelik",
    "Björk Jónsdóttir",
    "Amara Okafor",
    "John Smith",
    "Chloé Lefèvre",
    "Luiz Gonçalves",
    "Đorđe Marković",
)
_FIRST_USER_ID: Final = 1001
_FIRST_YEAR: Final = 2000  # terminals know no earlier one; protocol.md 3.1
_ADMIN: Final = 14
_WEEKEND: Final = 5
_FACE, _CARD, _FINGER = 15, 4, 1
# (key pressed, usual time, minutes around it)
_DAY: Final = (
    (0, time(8, 0), 20),
    (2, time(12, 0), 10),
    (3, time(12, 45), 10),
    (1, time(17, 0), 35),
)
_POWER_ON, _USER_ENROLLED, _MENU = 0, 30, 4


def staff(count: int, random: Random) -> list[SimulatedUser]:
    """Invent users: the first is the administrator, some have cards, PINs and fingerprints."""
    people = []
    for index in range(count):
        name = NAMES[index % len(NAMES)]
        if index >= len(NAMES):
            name = f"{name} {index // len(NAMES) + 1}"
        fingers = random.sample(range(10), random.choice((1, 1, 2)))
        people.append(
            SimulatedUser(
                uid=index + 1,
                user_id=str(_FIRST_USER_ID + index),
                name=name,
                privilege=0 if index else _ADMIN,
                password=str(random.randrange(1000, 10000)) if index % 5 == 0 else "",
                card=random.randrange(1 << 20, 1 << 32) if index % 3 == 0 else 0,
                templates={
                    finger: random.randbytes(random.randrange(900, 1500)) for finger in fingers
                },
            )
        )
    return people


def working_days(
    people: list[SimulatedUser], count: int, until: datetime, random: Random
) -> list[SimulatedPunch]:
    """Invent the last punches before a moment, oldest first.

    Args:
        people: Who works.
        count: How many punches; fewer where nobody could have made as many since 2001.
        until: Naive wall-clock time; nothing is later.
        random: Where chance comes from.
    """
    if not people:
        return []
    days: list[list[tuple[datetime, SimulatedPunch]]] = []
    found = 0
    day = until.date()
    while found < count and day.year > _FIRST_YEAR:
        if day.weekday() < _WEEKEND:
            punches = sorted(
                (one for one in _day(people, day, random) if one[0] <= until),
                key=lambda one: one[0],
            )
            days.append(punches)
            found += len(punches)
        day -= timedelta(days=1)
    ordered = [punch for punches in reversed(days) for _, punch in punches]
    return ordered[len(ordered) - min(count, len(ordered)) :]


def _day(
    people: list[SimulatedUser], day: date, random: Random
) -> Iterator[tuple[datetime, SimulatedPunch]]:
    for person in people:
        if random.random() < 0.05:  # noqa: PLR2004 - off sick, one day in twenty
            continue
        for state, usual, spread in _DAY:
            seconds = int(random.gauss(0, spread / 2) * 60)
            moment = datetime.combine(day, usual) + timedelta(seconds=seconds)
            yield moment, punch_of(person, state, moment, random)


def punch_of(person: SimulatedUser, state: int, moment: datetime, random: Random) -> SimulatedPunch:
    """Invent one punch of a person."""
    ways = (_FINGER, _FINGER, _FACE, _CARD) if person.card else (_FINGER, _FINGER, _FACE)
    return SimulatedPunch(person.user_id, pack_time(moment), random.choice(ways), state, person.uid)


def history(people: list[SimulatedUser], installed: datetime) -> Iterator[SimulatedOperation]:
    """Invent the operation log of an installation day."""
    yield SimulatedOperation(_POWER_ON, pack_time(installed))
    yield SimulatedOperation(_MENU, pack_time(installed + timedelta(minutes=1)))
    for index, person in enumerate(people):
        moment = installed + timedelta(minutes=2 + index)
        yield SimulatedOperation(_USER_ENROLLED, pack_time(moment), 1, (person.uid, 0, 0, 0))


def usual_state(moment: datetime) -> int:
    """Return the key that most people press at that time of day."""
    minutes = moment.hour * 60 + moment.minute

    def distance(entry: tuple[int, time, int]) -> int:
        return abs(entry[1].hour * 60 + entry[1].minute - minutes)

    return min(_DAY, key=distance)[0]
