"""What waits for the broker, in which order, and what became of it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.store.making import (
    FRESH,
    MONDAY,
    FakeClock,
    add_punch,
    alarm,
    operation,
    punch,
    store_punches,
    terminal,
)
from zkbridge.events import Punch, Source
from zkbridge.store import Delivery, Lane, Store


def _seqs(store: Store, lane: Lane = Lane.NORMAL, number: int | None = None) -> list[int]:
    return [item.seq for item in store.pending(lane, number, 0, 1000)]


def test_terminals_queue_apart_and_in_order(store: Store) -> None:
    front = store_punches(store, punch(1), punch(2))
    back = store_punches(store, punch(3), terminal_id="back_door")
    store_punches(store, punch(4))

    assert _seqs(store, number=front) == [1, 2, 4]
    assert _seqs(store, number=back) == [3]
    assert [item.seq for item in store.pending(Lane.NORMAL, front, 1, 1)] == [2]
    assert _seqs(store) == [1, 2, 3, 4]
    assert store.pending_terminals() == [(front, Lane.NORMAL), (back, Lane.NORMAL)]
    assert {item.terminal.id for item in store.pending(Lane.NORMAL, back, 0, 9)} == {"back_door"}


def test_what_is_settled_waits_no_more(store: Store) -> None:
    front = store_punches(store, *[punch(n) for n in range(5)])

    store.mark([1, 2], refused=[3], dropped=[4])
    store.mark([1, 3, 99], refused=[4])

    assert _seqs(store) == [5]
    assert store.queue_depth() == 1
    assert store.refused_count() == 1
    assert [(found.seq, found.delivery) for found in store.refused()] == [(3, Delivery.REFUSED)]
    assert [found.delivery for found in store.query()][::-1] == [
        Delivery.DELIVERED,
        Delivery.DELIVERED,
        Delivery.REFUSED,
        Delivery.DROPPED,
        Delivery.PENDING,
    ]
    store.mark([5])
    assert store.pending_terminals() == []
    assert front == 1


def test_queue_and_refusals_are_known_after_a_restart(store: Store) -> None:
    store_punches(store, *[punch(n) for n in range(5)])
    back = store_punches(store, punch(9), terminal_id="back_door")
    store.mark([1], refused=[2])
    store.close()
    store.open()

    assert (store.queue_depth(), store.refused_count()) == (4, 1)
    assert (back, Lane.NORMAL) in store.pending_terminals()
    assert store.newest_seen_at() == punch(9).seen_at


def test_the_oldest_that_waits_is_found_in_any_queue(store: Store, clock: FakeClock) -> None:
    assert store.oldest_pending_age() is None
    store_punches(store, punch(50), punch(1))
    store_punches(store, punch(20), terminal_id="back_door")
    clock.pass_(timedelta(seconds=90))

    assert store.oldest_pending() == punch(20).seen_at
    age = store.oldest_pending_age()
    assert age is not None
    assert age == pytest.approx(70 - 0.123457)
    store.mark([1, 3])
    assert store.oldest_pending() == punch(1).seen_at


def test_the_newest_seen_moment_outlives_its_event(store: Store, clock: FakeClock) -> None:
    store_punches(store, punch(30))
    store.mark([1])
    store.retention(timedelta(days=1), clock() + timedelta(days=9))
    store.close()
    store.open()
    assert store.newest_seen_at() == punch(30).seen_at


def test_what_was_published_while_nobody_listened_is_sent_once_more(
    store: Store, clock: FakeClock
) -> None:
    number = store_punches(store, *[punch(n) for n in range(4)])
    with store.transaction() as tx:
        tx.add(number, alarm(), freshness=FRESH)
    store.mark([1, 2, 5], published_offline=[1])
    clock.pass_(timedelta(hours=1))
    since = clock()
    store.remember_published_offline([2, 5])
    store.close()
    store.open()

    assert store.take_published_offline(since) == 1

    (again,) = store.pending(Lane.REPLAY, None, 0, 9)
    assert again.seq == 2
    assert again.event == replace(punch(1), source=Source.REPLAY)
    assert again.freshness.age_s is None
    assert _seqs(store) == [3, 4]
    assert store.queue_depth() == 3
    assert store.take_published_offline(MONDAY - timedelta(days=1)) == 0
    store.mark([2])
    assert store.queue_depth() == 2
    assert store.query()[-2].event == punch(1)


def test_a_time_is_queued_once_more_on_demand(store: Store) -> None:
    number = store_punches(store, *[punch(n) for n in range(6)])
    entry = operation(3)
    with store.transaction() as tx:
        tx.add(number, entry, subject=entry.raw, confirmed=True, freshness=FRESH)
    store.mark([1, 2, 3, 4, 7])

    since, until = MONDAY + timedelta(seconds=1), MONDAY + timedelta(seconds=5)
    assert store.requeue(number, since, until, limit=2) == 2
    assert store.requeue(number, since, until) == 2

    items = store.pending(Lane.REPLAY, number, 0, 99)
    assert [item.seq for item in items] == [2, 3, 4, 7]
    assert {item.event.source for item in items if isinstance(item.event, Punch)} == {Source.REPLAY}
    assert _seqs(store) == [5, 6]
    assert store.queue_depth() == 6


def test_a_replay_from_the_terminal_fills_what_was_erased(store: Store, clock: FakeClock) -> None:
    number = store_punches(store, punch(0), punch(1), punch(2))
    store.mark([1, 2])
    store.retention(timedelta(seconds=1), punch(2).seen_at + timedelta(milliseconds=500))
    assert _seqs(store) == [3]
    store.mark([3])

    with store.transaction() as tx:
        sent = [add_punch(tx, number, punch(n), lane=Lane.REPLAY) for n in (0, 1, 2, 3)]

    assert sent == [True, True, True, True]
    assert [item.event for item in store.pending(Lane.REPLAY, number, 0, 99)] == [
        replace(punch(n), source=Source.REPLAY) for n in (2, 0, 1, 3)
    ]
    with store.transaction() as tx:
        assert not add_punch(tx, number, punch(0), lane=Lane.REPLAY)
        assert not add_punch(tx, number, punch(3))
        assert terminal(tx).terminal == number


def test_retained_topics_are_remembered_until_cleared(store: Store) -> None:
    before = store.syncs
    store.remember_topic(["zkbridge/a/state", "zkbridge/b/state"])
    store.remember_topic(["zkbridge/a/state"])
    assert store.syncs - before == 1
    store.forget_topic(["zkbridge/b/state", "zkbridge/unknown"])
    store.close()
    store.open()
    assert store.sent_topics() == {"zkbridge/a/state"}
    assert store.topics_to_clear() == set()


def test_a_late_punch_undoes_no_newer_presence(store: Store) -> None:
    assert store.update_presence("17", "home", MONDAY)
    assert not store.update_presence("17", "not_home", MONDAY - timedelta(seconds=1))
    assert store.update_presence("18", "not_home", MONDAY)
    assert {(one.user_id, one.state, one.at) for one in store.presence()} == {
        ("17", "home", MONDAY),
        ("18", "not_home", MONDAY),
    }
