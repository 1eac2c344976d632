"""Retention, one person forgotten, names taken out: gone from the disk, and still known."""

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.store.making import (
    FRESH,
    MONDAY,
    FakeClock,
    add_punch,
    alarm,
    punch,
    raw_bytes,
    store_punches,
)
from zkbridge.events import Log, Terminal, TerminalView
from zkbridge.store import Lane, Store, StoreError, forget_in_file

_DAY = timedelta(days=1)
_WAIT_S = 60.0
_NAME = "Wilhelmina Vane"
_PERSON = "40417755"


def test_retention_erases_contents_of_what_is_settled(store: Store, clock: FakeClock) -> None:
    ages = (100, 91, 89, 0)
    number = store_punches(store, *[punch(at=clock() - age * _DAY) for age in ages])
    waiting = punch(5, at=clock() - 200 * _DAY)
    store_punches(store, waiting)
    store.mark([1, 2, 3, 4])

    assert store.retention(90 * _DAY) == 2

    assert [found.seq for found in store.query()] == [4, 3, 5]
    assert [item.event for item in store.pending(Lane.NORMAL, number, 0, 9)] == [waiting]
    with store.transaction() as tx:
        assert not add_punch(tx, number, punch(at=clock() - 100 * _DAY))
    assert store.retention(90 * _DAY) == 0
    assert sum(store.day_counts(date(2020, 1, 1), date(2027, 1, 1)).values()) == 3


def test_a_terminal_with_a_wrong_clock_keeps_nothing_forever(
    store: Store, clock: FakeClock
) -> None:
    future = punch(at=clock() + 5000 * _DAY, seen_at=clock())
    store_punches(store, *[future, *[punch(n) for n in range(1, 1200)]])
    store.mark(range(1, 1201))
    clock.pass_(91 * _DAY)
    recent = punch(at=clock(), seen_at=clock())
    store_punches(store, recent)
    store.mark([1201])

    assert store.retention(90 * _DAY) == 1200

    assert [found.event for found in store.query()] == [recent]


def test_what_may_be_sent_once_more_is_kept_a_day(store: Store, clock: FakeClock) -> None:
    store_punches(store, punch(at=clock() - 100 * _DAY))
    store.mark([1], published_offline=[1])
    assert store.retention(90 * _DAY) == 0
    clock.pass_(2 * _DAY)
    assert store.retention(90 * _DAY) == 1


def test_refused_events_past_retention_are_not_counted(store: Store, clock: FakeClock) -> None:
    store_punches(store, punch(at=clock() - 100 * _DAY), punch())
    store.mark(refused=[1, 2])
    store.retention(90 * _DAY)
    assert store.refused_count() == 1


def test_raw_bytes_of_what_was_unreadable_go_too(
    store: Store, path: Path, clock: FakeClock
) -> None:
    number = store_punches(store)
    with store.transaction() as tx:
        tx.set_aside(number, Log.PUNCHES, b"a record of its own kind")
    clock.pass_(91 * _DAY)
    store.retention(90 * _DAY)
    store._database.empty_log()
    assert b"a record of its own kind" not in raw_bytes(path)
    assert store.undecodable_count(number) == 1


def test_producers_write_while_retention_runs(store: Store, clock: FakeClock) -> None:
    old = clock() - 100 * _DAY
    number = store_punches(store, *[punch(n, at=old) for n in range(3000)])
    store.mark(range(1, 3001))
    stop = threading.Event()
    stored: list[int] = []

    def produce() -> None:
        while not stop.is_set():
            with store.transaction() as tx:
                add_punch(tx, number, punch(len(stored)))
            stored.append(1)

    producer = threading.Thread(target=produce)
    producer.start()
    erased = store.retention(90 * _DAY)
    stop.set()
    producer.join(_WAIT_S)

    assert erased == 3000
    assert store.queue_depth() == len(stored)


def _with_person(store: Store) -> int:
    number = store_punches(
        store,
        punch(1, _PERSON, name=_NAME),
        punch(2),
        punch(3, _PERSON, name=_NAME),
    )
    store_punches(store, punch(4, _PERSON, name=_NAME), punch(5), terminal_id="back_door")
    with store.transaction() as tx:
        tx.add(number, alarm(9, _PERSON), freshness=FRESH)
        tx.set_aside(number, Log.PUNCHES, b"\x01\x02" + _PERSON.encode() + bytes(30))
    store.mark([1])
    store.update_presence(_PERSON, "home", MONDAY)
    store.update_presence("17", "home", MONDAY)
    store.remember_topic(["homeassistant/device/zkbridge_people/config"], user_id=_PERSON)
    store.remember_topic(
        [
            f"zkbridge/people/{_PERSON}/state",
            "zkbridge/people/17/state",
            "zkbridge/front_door/portrait",
            "zkbridge/back_door/portrait",
            f"zkbridge/{_PERSON}/state",
        ]
    )
    return number


_THEIR_TOPICS = {
    "homeassistant/device/zkbridge_people/config",
    f"zkbridge/people/{_PERSON}/state",
    "zkbridge/front_door/portrait",
}


def test_a_forgotten_person_is_nowhere_on_the_disk(store: Store, path: Path) -> None:
    number = _with_person(store)
    assert _PERSON.encode() in raw_bytes(path)

    forgotten = store.forget_user(_PERSON)

    assert forgotten.events == 4
    assert forgotten.topics == _THEIR_TOPICS
    assert store.topics_to_clear() == _THEIR_TOPICS
    assert store.query(user_id=_PERSON) == []
    assert [one.user_id for one in store.presence()] == ["17"]
    assert store.queue_depth() == 2
    # Topics have names of their own; they go when the broker has cleared them.
    store.forget_topic([*forgotten.topics, f"zkbridge/{_PERSON}/state"])
    store._database.empty_log()
    assert _PERSON.encode() not in raw_bytes(path)
    assert _NAME.encode() not in raw_bytes(path)
    with store.transaction() as tx:
        assert not add_punch(tx, number, punch(1, _PERSON, name=_NAME))
        assert not tx.set_aside(number, Log.PUNCHES, b"\x01\x02" + _PERSON.encode() + bytes(30))


def test_a_person_whose_id_is_odd_has_odd_topics(store: Store) -> None:
    store.remember_topic(["zkbridge/people/x7331202f/state", "zkbridge/people/s1 /state"])
    assert store.forget_user("s1 /").topics == {"zkbridge/people/x7331202f/state"}


def _forget(store: Store, path: Path) -> None:
    store.forget_user(_PERSON)


def _forget_elsewhere(store: Store, path: Path) -> None:
    forget_in_file(path, _PERSON)


def _retain(store: Store, path: Path) -> None:
    store.mark(range(1, 5))
    store.retention(_DAY, MONDAY + 90 * _DAY)


@pytest.mark.parametrize("erase", [_forget, _forget_elsewhere, _retain])
def test_numbers_of_erased_events_are_not_used_again(
    store: Store, path: Path, clock: FakeClock, erase: Callable[[Store, Path], None]
) -> None:
    store_punches(store, *[punch(n, _PERSON) for n in range(3)])
    erase(store, path)
    assert store.last_seq() == 0
    store_punches(store, punch(7, _PERSON))
    assert store.last_seq() == 4
    erase(store, path)
    store.close()

    with Store(path, clock=clock) as next_run:
        store_punches(next_run, punch(8))
        assert next_run.last_seq() == 5


def test_files_set_aside_earlier_are_named(store: Store, path: Path) -> None:
    aside = path.with_name(path.name + ".damaged-20260101T000000Z")
    aside.write_bytes(b"old")
    assert store.forget_user("17").remains == (aside,)


def test_another_process_may_forget_while_the_bridge_runs(store: Store, path: Path) -> None:
    _with_person(store)
    program = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from zkbridge.store import forget_in_file
        print(forget_in_file(Path(sys.argv[1]), "{_PERSON}").events)
    """)
    noticed = threading.Event()
    store.subscribe(noticed.set)
    assert store._upkeep is not None
    store._upkeep._housekeeping.notice_others()
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program, str(path)],
        check=True,
        timeout=_WAIT_S,
        capture_output=True,
        text=True,
    )
    assert ended.stdout == "4\n"

    store._upkeep.nudge()

    assert noticed.wait(_WAIT_S)
    assert store.queue_depth() == 2
    assert store.topics_to_clear() == _THEIR_TOPICS
    assert len(store.pending(Lane.NORMAL, None, 0, 9)) == 2
    assert _NAME.encode() not in raw_bytes(path)


def test_forgetting_works_while_no_bridge_runs(store: Store, path: Path) -> None:
    _with_person(store)
    store.close()

    assert forget_in_file(path, _PERSON).topics == _THEIR_TOPICS

    assert _NAME.encode() not in raw_bytes(path)
    store.open()
    assert store.topics_to_clear() == _THEIR_TOPICS
    assert store.queue_depth() == 2


def test_forgetting_in_a_file_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store at"):
        forget_in_file(tmp_path / "none.db", "17")
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - every name, hidden ones too


def test_names_can_be_taken_out_of_everything(store: Store, path: Path) -> None:
    store_punches(store, *[punch(n, name=_NAME) for n in range(1100)])
    assert store.erase_names() == 1100
    assert store.erase_names() == 0
    assert {getattr(found.event, "user_name", "") for found in store.stream()} == {None}
    assert _NAME.encode() not in raw_bytes(path)


def test_views_hold_no_person(store: Store, path: Path) -> None:
    view = TerminalView(terminal=Terminal(key="K", id="front_door", name="Front"))
    store.set_view(view)
    store.close()
    store.open()
    assert store.views() == [view]
