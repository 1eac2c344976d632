"""What the page and export ask."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from tests.store.making import MONDAY, operation, punch, store_punches
from zkbridge.events import Freshness, Punch
from zkbridge.store import Kind, Lane, ReadOnlyStore, Store, StoreError

_USERS = ("17", "18", "007")


@pytest.fixture
def events(store: Store) -> list[Punch]:
    """1,200 punches of three people at two doors, stored out of order, many in one second."""
    random = Random(4)  # noqa: S311 - repeatable test data
    front = [punch(second, random.choice(_USERS)) for second in range(700)]
    back = [punch(second // 2, "99", key="BACK_DOOR") for second in range(0, 1000, 2)]
    random.shuffle(front)
    store_punches(store, *front)
    store_punches(store, *back, terminal_id="back_door")
    return [*front, *back]


def _moments(events: list[Punch]) -> list[datetime | None]:
    return [event.occurred_at for event in events]


def _all_pages(store: Store, **wanted: object) -> list[Punch]:
    result: list[Punch] = []
    before: int | None = None
    while True:
        page = store.query(limit=97, before_seq=before, **wanted)  # type: ignore[arg-type]  # passed on
        if not page:
            return result
        result += [found.event for found in page if isinstance(found.event, Punch)]
        before = page[-1].seq


def test_pages_newest_first_have_everything_once(store: Store, events: list[Punch]) -> None:
    pages = _all_pages(store)
    assert _moments(pages) == sorted(_moments(events), reverse=True)  # type: ignore[type-var]  # all have a moment
    assert {event.id for event in pages} == {event.id for event in events}
    assert len(pages) == len(events)


@pytest.mark.parametrize(
    ("terminal", "user_id"),
    [(None, "17"), ("front_door", None), ("back_door", None), ("front_door", "18"), ("x", None)],
)
def test_filters_and_range_restrict(
    store: Store, events: list[Punch], terminal: str | None, user_id: str | None
) -> None:
    since, until = MONDAY + timedelta(seconds=100), MONDAY + timedelta(seconds=600)
    door = {"front_door": events[:700], "back_door": events[700:], "x": []}
    wanted = [
        event
        for event in (events if terminal is None else door[terminal])
        if event.occurred_at is not None
        and since <= event.occurred_at < until
        and user_id in {None, event.user_id}
    ]

    pages = _all_pages(store, terminal=terminal, user_id=user_id, since=since, until=until)
    streamed = [
        found.event
        for found in store.stream(terminal=terminal, user_id=user_id, since=since, until=until)
    ]

    assert {event.id for event in pages} == {event.id for event in wanted}
    assert len(pages) == len(wanted)
    assert [event.id for event in pages[::-1]] == [event.id for event in streamed]


def test_a_stream_is_whole_and_ordered_beyond_one_chunk(store: Store, events: list[Punch]) -> None:
    streamed = [found.event for found in store.stream()]
    assert len(streamed) == len(events) == 1200
    assert [event.seen_at for event in streamed] == sorted(event.seen_at for event in events)


def test_a_page_after_an_erased_event_goes_on(store: Store, events: list[Punch]) -> None:
    page = store.query(limit=10)
    last = page[-1]
    assert isinstance(last.event, Punch)
    store.forget_user(last.event.user_id)
    assert store.query(limit=10, before_seq=last.seq) != []


def test_an_exchanged_terminal_is_one_to_the_reader(store: Store) -> None:
    store_punches(store, punch(1), punch(5))
    with store.transaction() as tx:
        second = tx.terminal(
            key="NEW", id="front_door", name="D", serial="NEW", mac=None, host="h", port=1
        )
        for n in (3, 7):
            tx.add(
                second.terminal,
                punch(n, "18"),
                subject="18",
                raw_time=punch(n).raw_time,
                freshness=Freshness(age_s=None, seen_mono_s=0, process=""),
            )
    found = store.query(terminal="front_door", limit=3)
    assert [one.event for one in found] == [punch(7, "18"), punch(5), punch(3, "18")]
    assert store.last_punches()["front_door"].event == punch(7, "18")


def test_op_log_entries_are_asked_for_apart(store: Store) -> None:
    number = store_punches(store, punch())
    with store.transaction() as tx:
        tx.add(
            number,
            operation(5),
            subject=operation(5).raw,
            freshness=Freshness(age_s=None, seen_mono_s=0, process=""),
        )
    assert [found.event for found in store.query(kind=Kind.OPERATION)] == [operation(5)]
    assert [found.event for found in store.query()] == [punch()]
    assert [found.event for found in store.after(0, 9, None)] == [punch(), operation(5)]
    assert store.last_seq() == 2


def test_a_listener_goes_on_where_it_stopped(store: Store) -> None:
    store_punches(store, *[punch(n) for n in range(5)])
    assert [found.seq for found in store.after(2, 2)] == [3, 4]
    assert store.after(5, 9) == []


def test_counts_follow_the_terminals_own_day(store: Store) -> None:
    bangkok = punch(0, at=datetime(2026, 3, 2, 23, 30, tzinfo=UTC))
    local = replace(bangkok, timestamp="2026-03-03T06:30:00+07:00")
    undated = replace(punch(9), timestamp=None, occurred_at=None)
    store_punches(store, local, punch(1), punch(2, "18"), undated)
    store_punches(store, punch(4), terminal_id="back_door")

    first, last = date(2026, 3, 1), date(2026, 3, 9)
    assert store.day_counts(first, last) == {date(2026, 3, 2): 3, date(2026, 3, 3): 1}
    assert store.day_counts(first, last, "back_door") == {date(2026, 3, 2): 1}
    assert [(c.terminal, c.day.day, c.hour, c.punches) for c in store.hour_counts(first, last)] == [
        ("front_door", 2, 8, 2),
        ("back_door", 2, 8, 1),
        ("front_door", 3, 6, 1),
    ]


def test_everyones_day_has_first_and_last(store: Store) -> None:
    hour = 3600
    store_punches(
        store,
        punch(0),
        punch(9 * hour),
        punch(4 * hour, name=None),
        punch(hour, "18", name=None),
        punch(26 * hour),
    )
    days = store.user_days(date(2026, 3, 2), date(2026, 3, 2))
    assert [(day.user_id, day.user_name, day.punches) for day in days] == [
        ("17", "Ann", 3),
        ("18", None, 1),
    ]
    assert (days[0].first, days[0].last) == (MONDAY, MONDAY + timedelta(hours=9))
    (tuesday,) = store.user_days(date(2026, 3, 3), date(2026, 3, 8), user_id="17")
    assert tuesday.first == tuesday.last == MONDAY + timedelta(hours=26)


def test_several_days_come_in_order_and_stop_at_the_limit(store: Store) -> None:
    hours = (0, 24, 72)
    store_punches(store, *[punch(3600 * hour, user) for hour in hours for user in ("18", "17")])

    first, last = date(2026, 3, 1), date(2026, 3, 9)
    days = [(one.day.day, one.user_id) for one in store.user_days(first, last)]

    assert days == [(2, "17"), (2, "18"), (3, "17"), (3, "18"), (5, "17"), (5, "18")]
    for limit in (1, 2, 3):
        found = store.user_days(first, last, limit=limit)
        assert [(one.day.day, one.user_id) for one in found] == days[:limit]


def test_another_process_may_read_while_the_bridge_writes(store: Store, path: Path) -> None:
    store_punches(store, punch(1))
    with ReadOnlyStore(path) as reader:
        assert [found.event for found in reader.stream()] == [punch(1)]
        store_punches(store, punch(2))
        assert [found.event for found in reader.stream()] == [punch(1), punch(2)]
        assert reader.terminals() == store.terminals()
    assert store.pending(Lane.NORMAL, None, 0, 9) != []


def test_a_closed_store_can_be_read(store: Store, path: Path) -> None:
    store_punches(store, punch(1))
    store.close()
    with ReadOnlyStore(path) as reader:
        assert [found.event for found in reader.query()] == [punch(1)]


def test_reading_what_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store at"):
        ReadOnlyStore(tmp_path / "none.db").open()
    (tmp_path / "text.db").write_text("no database, and long enough to look like one" * 50)
    with pytest.raises(StoreError):
        ReadOnlyStore(tmp_path / "text.db").open()
    assert not (tmp_path / "none.db").exists()
