"""The write-ahead log stays small, and what others wrote is noticed."""

import threading
from pathlib import Path

from tests.store.making import add_punch, punch, store_punches
from zkbridge.events import Log
from zkbridge.store import Lane, Store
from zkbridge.store.housekeeping import Housekeeping

_WAIT_S = 30.0


def _log_bytes(path: Path) -> int:
    return path.with_name(path.name + "-wal").stat().st_size


def test_the_log_begins_anew_after_a_checkpoint(store: Store, path: Path) -> None:
    keeper = Housekeeping(store._database)
    sizes = []
    for first in range(0, 4000, 500):
        store_punches(store, *[punch(n) for n in range(first, first + 500)])
        keeper.run()
        sizes.append(_log_bytes(path))
    # Each of the 500 left a few hundred kilobytes.
    assert max(sizes) < 2 * sizes[0]
    assert len(store.pending(Lane.NORMAL, None, 0, 9999)) == 4000


def test_the_log_stays_bounded_while_producers_never_pause(store: Store, path: Path) -> None:
    number = store_punches(store)
    keeper = Housekeeping(store._database)
    stop = threading.Event()

    def produce(worker: int) -> None:
        second = 0
        while not stop.is_set():
            with store.transaction() as tx:
                add_punch(tx, number, punch(second, str(worker)))
            second += 1

    workers = [threading.Thread(target=produce, args=(worker,)) for worker in range(3)]
    for worker in workers:
        worker.start()
    largest = 0
    while store.queue_depth() < 3000:
        keeper.run()
        largest = max(largest, _log_bytes(path))
    stop.set()
    for worker in workers:
        worker.join(_WAIT_S)

    # Without checkpoints it would be beyond 100 MB.
    assert largest < 40 << 20


def test_a_punch_writes_little(store: Store, path: Path) -> None:
    number = store_punches(store)
    store._database.empty_log()
    count = 100
    for n in range(count):
        with store.transaction() as tx:
            add_punch(tx, number, punch(n, str(n % 7)), confirmed=False)
        store.mark([item.seq for item in store.pending(Lane.NORMAL, number, 0, 9)])
        with store.transaction() as tx:
            add_punch(tx, number, punch(n, str(n % 7)))
            tx.move_cursor(number, Log.PUNCHES, f"{n} " + "x" * 300)

    # Eight trees for the punch, two for its delivery, two when its log confirms it; now and then a
    # page is full. Cards wear out by this.
    assert _log_bytes(path) / count < 16 * 1024


def test_an_idle_store_is_left_alone(store: Store) -> None:
    keeper = Housekeeping(store._database)
    statements: list[str] = []
    store_punches(store, punch())
    keeper.run()
    store._database.exclusively(lambda connection: _watch(connection, statements))
    for _ in range(3):
        keeper.run()
    assert statements == ["PRAGMA data_version"] * 3


def _watch(connection: object, statements: list[str]) -> None:
    connection.set_trace_callback(statements.append)  # type: ignore[attr-defined]  # a sqlite3 connection


def test_the_upkeeps_thread_ends_with_the_store(store: Store) -> None:
    store_punches(store, punch())
    store.close()
    assert [thread.name for thread in threading.enumerate() if "store" in thread.name] == []
