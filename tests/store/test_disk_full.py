"""A disk without room: said, nothing lost, and it goes on by itself."""

import resource
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from tests.store.making import add_punch, punch, store_punches
from zkbridge.store import Lane, Store, StoreFull

_FILLED = """
    import resource, sys
    from pathlib import Path
    from tests.store.making import *
    from zkbridge.store import *

    path = Path(sys.argv[1])
    store = Store(path)
    store.open()
    number = store_punches(store, punch(0))

    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    log = path.with_name(path.name + "-wal")
    limit(log.stat().st_size + 1_000_000)
    stored = 1
    try:
        while True:
            with store.transaction() as tx:
                add_punch(tx, number, punch(stored))
                add_punch(tx, number, punch(stored, "18"))
            stored += 1
    except StoreFull as error:
        said = str(error)
    refusals = 0
    for _ in range(3):
        try:
            with store.transaction() as tx:
                add_punch(tx, number, punch(stored))
                add_punch(tx, number, punch(stored, "18"))
        except StoreFull:
            refusals += 1
    full = [item.event for item in store.pending(Lane.NORMAL, number, 0, 10_000)]
    limit(resource.RLIM_INFINITY)
    with store.transaction() as tx:
        add_punch(tx, number, punch(stored))
    after = [item.event for item in store.pending(Lane.NORMAL, number, 0, 10_000)]
    assert stored > 3
    assert refusals == 3
    assert str(path) in said and "make room" in said and "\\n" not in said
    assert len(full) == store.queue_depth() - 1 == 2 * stored - 1
    assert after == [*full, punch(stored)]
    store.close()
    with Store(path) as store:
        assert [item.event for item in store.pending(Lane.NORMAL, number, 0, 10_000)] == after
        assert not store.recovered
"""


def test_a_full_disk_refuses_and_goes_on_when_there_is_room(path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-W", "error", "-c", textwrap.dedent(_FILLED), str(path)],
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def _limit_pages(store: Store, more: int | None) -> None:
    """Let the file grow by so many pages only; None: as it likes."""
    database = store._database

    def limit(connection: object) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()  # type: ignore[attr-defined]  # sqlite3 is not for tests to name
        allowed = 1 << 30 if more is None else pages + more
        connection.execute(f"PRAGMA max_page_count={allowed}").fetchone()  # type: ignore[attr-defined]  # as above

    database.exclusively(limit)


def test_everyone_in_a_group_that_found_no_room_is_told(store: Store) -> None:
    number = store_punches(store, punch(0))
    _limit_pages(store, 2)
    told: list[StoreFull] = []

    def fill(worker: int) -> None:
        try:
            for second in range(1, 1000):
                with store.transaction() as tx:
                    add_punch(tx, number, punch(second, str(worker)))
        except StoreFull as error:
            told.append(error)

    threads = [threading.Thread(target=fill, args=(worker,)) for worker in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(told) == 5
    stored = store.pending(Lane.NORMAL, number, 0, 10_000)
    assert len(stored) == store.queue_depth()
    _limit_pages(store, None)
    with store.transaction() as tx:
        # What was refused is not known either.
        known = [add_punch(tx, number, punch(n, str(w))) for w in range(5) for n in range(1, 1000)]
    assert known.count(False) == len(stored) - 1


def test_a_body_that_swallows_the_error_cannot_write_half(store: Store) -> None:
    number = store_punches(store)
    _limit_pages(store, 0)
    events = [punch(n, name="A" * 1000) for n in range(50)]

    def fill() -> None:
        with store.transaction() as tx:
            for event in events:
                try:
                    add_punch(tx, number, event)
                except Exception:  # noqa: BLE001, S112 - what the test is about
                    continue

    with pytest.raises(StoreFull):
        fill()
    assert store.queue_depth() == 0
    assert store.pending(Lane.NORMAL, None, 0, 10) == []
    _limit_pages(store, None)
    assert store_punches(store, *events) == number
    assert store.queue_depth() == 50


def test_marks_are_refused_too_and_stand_afterwards(store: Store) -> None:
    number = store_punches(store, *[punch(n) for n in range(5)])
    _limit_pages(store, 0)
    store.mark([1])
    _limit_pages(store, None)
    store.mark([2])
    assert [item.seq for item in store.pending(Lane.NORMAL, number, 0, 9)] == [3, 4, 5]
