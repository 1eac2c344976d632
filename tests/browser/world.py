"""A house full of life for the page: people, a month of punches, terminals in all conditions."""

import random
from datetime import UTC, datetime, timedelta

from tests.web.house import House, punch
from zkbridge.events import Mode, Punch, Trouble

PEOPLE = (
    "Ana Petrović", "Boris Novák", "Chidi Okafor", "Dilnoza Karimova", "Elena Rossi",
    "Farid Haddad", "Greta Lindqvist", "Hiroshi Tanaka", "Ines Carvalho", "Jonas Weber",
    "Kavita Rao", "Liam Byrne", "محمد العلي", "Nora Eriksen", "Omar Benali", "Priya Nair",
    "Quentin Dubois", "Rosa Delgado", "Somchai Suksan", "Tomasz Zieliński", "Uma Shankar",
    "Vera Sokolova", "Wei Zhang", "Ximena Flores",
)  # fmt: skip
KEYS = ("AAA001", "BBB002", "CCC003")
DAYS = 28


def fill(house: House, now: datetime, seed: int = 4370) -> None:
    """Let everybody have come to work for four weeks, today until now."""
    chance = random.Random(seed)  # noqa: S311 - the same house every time
    house.add_terminal("office", "Büro Süd", "CCC003")
    past: dict[str, list[Punch]] = {key: [] for key in KEYS}
    for back in range(DAYS, -1, -1):
        day = (now - timedelta(days=back)).replace(hour=0, minute=0, second=0, microsecond=0)
        if day.weekday() == 6 and back:
            continue
        for number, name in enumerate(PEOPLE, 1):
            if chance.random() < (0.75 if day.weekday() == 5 and back else 0.08):
                continue
            key = KEYS[number % 3]
            past[key] += [
                one for one in _workday(chance, day, number, name, key) if _until(one, now)
            ]
    for key, punches in past.items():
        house.add(sorted(punches, key=lambda one: one.raw_time), key=key)
    house.deliver()
    _states(house, past)


def _until(one: Punch, now: datetime) -> bool:
    return one.occurred_at is not None and one.occurred_at <= now


def _workday(chance: random.Random, day: datetime, number: int, name: str, key: str) -> list[Punch]:
    arrive = day + timedelta(hours=7, minutes=20 + chance.gauss(30, 22), seconds=number)
    lunch = day + timedelta(hours=12, minutes=chance.gauss(10, 15), seconds=number)
    leave = day + timedelta(hours=16, minutes=30 + chance.gauss(25, 35), seconds=number)
    moments = [(arrive, 0)]
    if chance.random() < 0.6:
        moments += [(lunch, 2), (lunch + timedelta(minutes=35 + chance.random() * 20), 3)]
    moments.append((leave, 1))
    return [
        punch(
            str(1000 + number),
            moment.replace(microsecond=0),
            key=key,
            name=name,
            code=code,
            verify=chance.choice((1, 1, 1, 2, 15)),
        )
        for moment, code in moments
    ]


def _states(house: House, past: dict[str, list[Punch]]) -> None:
    house.set_view(
        "AAA001",
        users=412, users_capacity=3000, fingerprints=655, fingerprints_capacity=3000,
        faces=388, faces_capacity=3000, punches=61_240, punches_capacity=100_000, log_used=61.2,
        op_log=1804, firmware="Ver 6.60 Aug 19 2021", platform="ZLM60_TFT", clock_drift=0.4,
        last_punch=past["AAA001"][-1].timestamp,
    )  # fmt: skip
    house.set_view(
        "BBB002",
        users=96, users_capacity=3000, fingerprints=140, fingerprints_capacity=3000,
        punches=96_900, punches_capacity=100_000, log_used=96.9, op_log=420,
        firmware="Ver 6.21 Nov 2 2016", platform="JZ4725_TFT", clock_drift=-3.0, mode=Mode.POLL,
        last_punch=past["BBB002"][-1].timestamp,
    )  # fmt: skip
    house.set_view(
        "CCC003",
        users=57, users_capacity=500, fingerprints=80, fingerprints_capacity=1500,
        punches=18_330, punches_capacity=50_000, log_used=36.7, op_log=77,
        firmware="Ver 6.60 Apr 13 2022", platform="ZLM60_TFT", clock_drift=1.0,
        last_punch=past["CCC003"][-1].timestamp,
    )  # fmt: skip


def trouble(house: House) -> None:
    """Let one terminal be away and another's clock be wrong."""
    house.set_view(
        "CCC003",
        online=False, mode=Mode.OFFLINE, error=Trouble.UNREACHABLE, users=57, users_capacity=500,
        punches=18_330, punches_capacity=50_000, log_used=36.7,
    )  # fmt: skip
    house.set_view(
        "BBB002",
        error=Trouble.CLOCK_WRONG, clock_drift=-7260.0, users=96, users_capacity=3000,
        punches=96_900, punches_capacity=100_000, log_used=96.9, mode=Mode.POLL,
    )  # fmt: skip


def configuration() -> dict[str, object]:
    """A configuration as the bridge shows it, with secrets that must stay hidden."""
    return {
        "mqtt": {"host": "localhost", "port": 1883, "username": "bridge", "password": "hunter2"},
        "home_assistant": {"discovery": True, "discovery_prefix": "homeassistant"},
        "terminals": [
            {"name": "Front door", "id": "front_door", "host": "10.0.0.9", "port": 4370,
             "comm_key": "70713", "timezone": "Europe/Rome", "poll_interval": "30s"},
        ],
        "web": {"listen": "127.0.0.1:8099", "token": "tell-nobody"},
        "people": {"names": True, "presence": False, "include": []},
    }  # fmt: skip


def late_afternoon() -> datetime:
    """A moment today at which the day has had its punches."""
    return datetime.now(UTC).replace(hour=17, minute=42, second=0, microsecond=0)
