"""Records, knowledge and cursors: what a transaction keeps, and what it undoes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.store.making import (
    FRESH,
    KEY,
    MONDAY,
    add_punch,
    alarm,
    operation,
    punch,
    store_punches,
    terminal,
)
from zkbridge.events import Log, Source
from zkbridge.store import Lane, Occurrences, Store, StoreDamaged, StoreError


def test_events_come_out_as_they_went_in(store: Store) -> None:
    undated = replace(punch(5), timestamp=None, occurred_at=None, user_name=None)
    entry, bell = operation(7), alarm(9, user_id="17")
    with store.transaction() as tx:
        known = terminal(tx)
        add_punch(tx, known.terminal, punch(1))
        add_punch(tx, known.terminal, undated)
        tx.add(known.terminal, entry, subject=entry.raw, confirmed=True, freshness=FRESH)
        tx.add(known.terminal, bell, freshness=FRESH)

    items = store.pending(Lane.NORMAL, known.terminal, 0, 10)

    assert [item.event for item in items] == [punch(1), undated, entry, bell]
    assert {item.freshness for item in items} == {FRESH}
    assert {item.terminal for item in items} == {known.identity}


def test_a_live_punch_read_from_the_log_is_one_punch(store: Store) -> None:
    number = store_punches(store)
    event = punch()
    with store.transaction() as tx:
        assert add_punch(tx, number, event, confirmed=False)
        waiting = tx.known_occurrences(number, Log.PUNCHES, event.raw_time, "17")
    with store.transaction() as tx:
        second = replace(event, source=Source.POLL, punch_code=1)
        assert not add_punch(tx, number, second, confirmed=True)
        confirmed = tx.known_occurrences(number, Log.PUNCHES, event.raw_time, "17")

    assert waiting == Occurrences(None, live_unconfirmed=True)
    assert confirmed == Occurrences(0, live_unconfirmed=False)
    assert [item.event for item in store.pending(Lane.NORMAL, None, 0, 10)] == [event]


def test_another_person_or_time_or_log_is_not_known(store: Store) -> None:
    number = store_punches(store, punch())
    raw_time = punch().raw_time
    with store.transaction() as tx:
        for log, moment, person in (
            (Log.PUNCHES, raw_time, "18"),
            (Log.PUNCHES, raw_time + 1, "17"),
            (Log.OPERATIONS, raw_time, "17"),
        ):
            assert tx.known_occurrences(number, log, moment, person) == (None, False)


def test_an_exception_undoes_records_knowledge_and_cursor(store: Store) -> None:
    number = store_punches(store, punch(1))

    def fail() -> None:
        with store.transaction() as tx:
            add_punch(tx, number, punch(2))
            tx.move_cursor(number, Log.PUNCHES, "far")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert store.queue_depth() == 1
    assert store.terminals()[0].cursor(Log.PUNCHES) is None
    with store.transaction() as tx:
        assert add_punch(tx, number, punch(2))


def test_known_without_contents_is_not_published(store: Store) -> None:
    number = store_punches(store)
    event = punch(1)
    with store.transaction() as tx:
        entries = [(event.raw_time, "17", 0), (event.raw_time, "18", 0), (event.raw_time, "17", 0)]
        assert tx.add_known(number, Log.PUNCHES, entries) == 2
        assert not add_punch(tx, number, event)
        assert tx.is_known(number, Log.PUNCHES, event.raw_time, "18", 0)
        assert not tx.is_known(number, Log.PUNCHES, event.raw_time, "18", 1)
    assert store.queue_depth() == 0


def test_what_was_confirmed_stays_so(store: Store) -> None:
    event = punch()
    number = store_punches(store, event)
    with store.transaction() as tx:
        assert not add_punch(tx, number, event, confirmed=False)
        assert tx.known_occurrences(number, Log.PUNCHES, event.raw_time, "17") == (0, False)


def test_a_baseline_confirms_what_was_seen_live(store: Store) -> None:
    event = punch()
    number = store_punches(store)
    with store.transaction() as tx:
        add_punch(tx, number, event, confirmed=False)
        tx.add_known(number, Log.PUNCHES, [(event.raw_time, "17", 0)])
        assert tx.known_occurrences(number, Log.PUNCHES, event.raw_time, "17") == (0, False)


def test_each_log_has_its_own_cursor_across_restarts(store: Store) -> None:
    number = store_punches(store)
    with store.transaction() as tx:
        tx.move_cursor(number, Log.PUNCHES, '{"records": 3}')
        tx.move_cursor(number, Log.OPERATIONS, '{"records": 1}')
    store.close()
    store.open()

    known = store.terminals()[0]

    assert known.cursor(Log.PUNCHES) == '{"records": 3}'
    assert known.cursor(Log.OPERATIONS) == '{"records": 1}'


def test_a_terminal_keeps_what_is_remembered_when_it_moves(store: Store) -> None:
    rest = MONDAY + timedelta(hours=24)
    number = store_punches(store)
    with store.transaction() as tx:
        tx.remember(
            number,
            sdk_build="0",
            partial_rest_until=rest,
            first_contact=MONDAY,
            facts={"uses": ["tail"]},
        )
        moved = tx.terminal(
            key=KEY, id="door", name="Door", serial=KEY, mac=None, host="192.0.2.9", port=4371
        )

    assert moved.terminal == number
    assert (moved.sdk_build, moved.partial_rest_until) == ("0", rest)
    assert (moved.first_contact, moved.facts) == (MONDAY, {"uses": ["tail"]})
    assert store.terminal_by_place("192.0.2.9", 4371) == moved
    assert store.terminal_by_place("192.0.2.1", 4370) is None
    assert store.terminal_by_serial(KEY) == [moved]
    assert store.terminal_by_key(KEY) == moved


def test_only_fields_of_a_terminal_can_be_remembered(store: Store) -> None:
    number = store_punches(store)
    with pytest.raises(ValueError, match="no field"), store.transaction() as tx:
        tx.remember(number, **{"id = '' --": 1})


def test_a_record_that_cannot_be_decoded_is_counted_once(store: Store) -> None:
    number = store_punches(store)
    with store.transaction() as tx:
        assert tx.set_aside(number, Log.PUNCHES, b"\xff" * 40)
        assert not tx.set_aside(number, Log.PUNCHES, b"\xff" * 40)
        assert tx.set_aside(number, Log.OPERATIONS, b"\xff" * 40)
        assert tx.set_aside(number, Log.PUNCHES, bytes(100_000))
    assert store.undecodable_count(number) == 3
    assert store.undecodable_count(number + 1) == 0


def test_a_terminal_of_another_file_is_refused(store: Store) -> None:
    with pytest.raises(StoreDamaged), store.transaction() as tx:
        add_punch(tx, 7, punch())


def test_a_transaction_inside_a_transaction_is_refused(store: Store) -> None:
    with store.transaction(), pytest.raises(StoreError), store.transaction():
        pass
    assert store_punches(store, punch()) == 1


@pytest.mark.parametrize("text", ["'; DROP TABLE events; --", "\udcff\ud800", "a\0b", "سلام", ""])
def test_whatever_a_terminal_calls_people_is_stored(store: Store, text: str) -> None:
    store_punches(store, punch(1, user_id=text, name=text), punch(2))

    events = [item.event for item in store.pending(Lane.NORMAL, None, 0, 10)]

    assert len(events) == 2
    assert events[1] == punch(2)


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    with pytest.raises(StoreError, match="not open"), store.transaction():
        pass
    with pytest.raises(StoreError, match="not open"):
        store.query()


def test_knowing_a_record_costs_some_twenty_bytes(store: Store) -> None:
    number = store_punches(store)
    store._database.empty_log()
    before, count = store.path.stat().st_size, 50_000
    for first in range(0, count, 5000):
        with store.transaction() as tx:
            entries = [(800_000_000 + n * 17, str(n % 300), 0) for n in range(first, first + 5000)]
            assert tx.add_known(number, Log.PUNCHES, entries) == 5000
    store._database.empty_log()

    assert (store.path.stat().st_size - before) / count < 25


def test_notes_are_kept(store: Store) -> None:
    assert store.noted("home_assistant") is None
    store.note("home_assistant", "online")
    store.note("home_assistant", "offline")
    store.close()
    store.open()
    assert store.noted("home_assistant") == "offline"
    assert store.instance != "offline"


def test_a_terminal_that_sends_garbage_does_not_fill_the_disk(store: Store) -> None:
    number = store_punches(store)
    with store.transaction() as tx:
        for n in range(1500):
            assert tx.set_aside(number, Log.PUNCHES, n.to_bytes(4, "little") * 1000)
    store._database.empty_log()
    assert store.undecodable_count(number) == 1500
    assert store.path.stat().st_size < 1100 * 2 * 4096
