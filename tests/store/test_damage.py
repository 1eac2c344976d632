"""A damaged file: set aside, said, and contract 5.4 holds."""

import json
import logging
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.making import KEY, FakeClock, add_punch, punch, store_punches, terminal
from zkbridge.events import Log
from zkbridge.store import Lane, Store, StoreDamaged, StoreError
from zkbridge.store.connections import PAGE_BYTES

_WAIT_S = 30.0
_PAGE = PAGE_BYTES


def _prepared(path: Path, clock: FakeClock, *, punches: int = 300) -> str:
    """Make a store with some delivered and 10 waiting punches; returns its instance."""
    with Store(path, clock=clock) as store:
        number = store_punches(store, *[punch(n) for n in range(punches)])
        store.mark(range(1, punches - 9))
        with store.transaction() as tx:
            tx.move_cursor(number, Log.PUNCHES, "here")
            tx.remember(number, first_contact=clock())
        store.remember_topic(["zkbridge/front_door/state"])
        return store.instance


def _overwrite(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def _root_page(path: Path, name: str) -> int:
    connection = sqlite3.connect(path)
    try:
        row = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,))
        return int(row.fetchone()[0])
    finally:
        connection.close()


def _zero_table(path: Path, name: str) -> None:
    _overwrite(path, (_root_page(path, name) - 1) * _PAGE, b"\xaa" * _PAGE)


def _aside(path: Path) -> list[Path]:
    found = sorted(path.parent.glob("zkbridge.db.damaged-*"))
    return [file for file in found if not file.name.endswith(("-wal", "-shm"))]


def _no_header(path: Path) -> None:
    _overwrite(path, 0, b"\0" * 100)


def _garbage(path: Path) -> None:
    path.write_bytes(b"this is no database, and long enough to be read as one" * 100)


def _cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(_PAGE + 100)


def _broken(table: str) -> Callable[[Path], None]:
    def run(path: Path) -> None:
        _zero_table(path, table)

    return run


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(_no_header, id="header"),
        pytest.param(_garbage, id="garbage"),
        pytest.param(_cut, id="cut"),
        pytest.param(_broken("meta"), id="meta"),
        pytest.param(_broken("terminals"), id="terminals"),
        pytest.param(_broken("pending"), id="index"),
        pytest.param(_broken("events"), id="events"),
        pytest.param(_broken("topics"), id="topics"),
        pytest.param(_broken("views"), id="views"),
    ],
)
def test_a_damaged_file_is_set_aside_at_the_start(
    path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    instance = _prepared(path, clock)
    damage(path)
    damaged = path.read_bytes()

    with Store(path, clock=clock) as store:
        known = store.terminal_by_key(KEY)

        assert store.recovered
        assert not store.fresh
        assert store.instance == instance
        assert known is not None
        assert known.recovered
        assert known.id == "front_door"
        assert (known.first_contact, known.cursor(Log.PUNCHES)) == (None, None)
        assert store.damaged_aside == str(_aside(path)[0])
        assert store_punches(store, punch(1, "new")) == known.terminal
        waiting = [item.event for item in store.pending(Lane.NORMAL, None, 0, 99)]
        assert waiting[-1] == punch(1, "new")
    assert _aside(path)[0].name == "zkbridge.db.damaged-20260302T080000Z"
    assert _aside(path)[0].read_bytes()[:_PAGE] == damaged[:_PAGE]
    (line,) = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert "was damaged and is now" in line.getMessage()


def test_what_waited_is_saved_from_a_damaged_file(path: Path, clock: FakeClock) -> None:
    _prepared(path, clock)
    _zero_table(path, "pending")

    with Store(path, clock=clock) as store:
        items = store.pending(Lane.NORMAL, None, 0, 99)
        assert [item.event for item in items] == [punch(n) for n in range(290, 300)]
        # Late, whatever it was: how long it has waited is doubtful.
        assert {item.freshness.age_s for item in items} == {None}
        assert store.queue_depth() == 10
        assert store.sent_topics() == {"zkbridge/front_door/state"}
        with store.transaction() as tx:
            number = terminal(tx).terminal
            assert not add_punch(tx, number, punch(299))
            assert add_punch(tx, number, punch(100))


def test_after_an_unclean_stop_the_file_is_checked_beside_the_work(
    path: Path, clock: FakeClock
) -> None:
    _prepared(path, clock)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE meta SET value = 0 WHERE key = 'clean'")
    connection.commit()
    connection.close()
    # Nothing that opening reads.
    _zero_table(path, "by_user")
    replaced = threading.Event()

    store = Store(path, clock=clock)
    store.subscribe(replaced.set)
    store.open()

    try:
        assert replaced.wait(_WAIT_S)
        assert len(_aside(path)) == 1
        assert store.recovered
        assert store.queue_depth() == 10
    finally:
        store.close()


def test_after_a_clean_stop_the_file_is_not_read_through(path: Path, clock: FakeClock) -> None:
    _prepared(path, clock)
    _zero_table(path, "by_user")
    with Store(path, clock=clock) as store:
        assert store._upkeep is not None
        assert store._upkeep._checker is None
        assert not store.recovered


def test_damage_met_while_reading_replaces_the_file(path: Path, clock: FakeClock) -> None:
    _prepared(path, clock)
    _zero_table(path, "by_user")
    with Store(path, clock=clock) as store:
        number = store.terminals()[0].terminal
        with pytest.raises(StoreDamaged):
            store.query(user_id="17")

        assert store.query(user_id="17") != []
        known = store.terminals()[0]
        assert known.recovered
        # A cursor that somebody still holds fits nothing in the new file.
        assert known.terminal != number
        with pytest.raises(StoreDamaged), store.transaction() as tx:
            tx.move_cursor(number, Log.PUNCHES, "old")


def test_an_acknowledgement_from_before_marks_no_new_event(path: Path, clock: FakeClock) -> None:
    with Store(path, clock=clock) as store:
        number = store_punches(store, *[punch(n) for n in range(20)])
        before = store.pending(Lane.NORMAL, number, 0, 99)
        store._database.empty_log()
        path.write_bytes(b"no database" * 1000)
        store._database.replace_damaged(store._database.epoch)

        store_punches(store, *[punch(n) for n in range(20)])
        store.mark([item.seq for item in before])

        assert store.queue_depth() == 20


def test_damage_met_while_writing_is_told_to_everyone_once(
    path: Path, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    _prepared(path, clock)
    _zero_table(path, "known")
    with Store(path, clock=clock) as store:
        number = store.terminals()[0].terminal
        told: list[StoreError] = []

        def write(worker: int) -> None:
            try:
                with store.transaction() as tx:
                    add_punch(tx, number, punch(worker, "new"))
            except StoreDamaged as error:
                told.append(error)

        threads = [threading.Thread(target=write, args=(worker,)) for worker in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_WAIT_S)

        assert len(told) == 6
        assert len(_aside(path)) == 1
        with store.transaction() as tx:
            assert add_punch(tx, terminal(tx).terminal, punch(0, "new"))
    assert sum(record.levelno >= logging.ERROR for record in caplog.records) == 1


def test_damage_met_by_a_question_inside_a_transaction_replaces_the_file(
    path: Path, clock: FakeClock
) -> None:
    _prepared(path, clock)
    _zero_table(path, "by_user")

    def ask(store: Store) -> None:
        with store.transaction() as tx:
            terminal(tx)
            store.query(user_id="17")

    with Store(path, clock=clock) as store:
        with pytest.raises(StoreDamaged):
            ask(store)
        assert len(_aside(path)) == 1
        ask(store)


def test_two_damaged_files_in_one_second_are_both_kept(path: Path, clock: FakeClock) -> None:
    for _ in range(2):
        _prepared(path, clock, punches=20)
        _garbage(path)
    with Store(path, clock=clock):
        pass
    assert len(_aside(path)) == 2


def test_a_terminal_new_after_the_damage_is_new(path: Path, clock: FakeClock) -> None:
    _prepared(path, clock)
    _garbage(path)
    with Store(path, clock=clock) as store, store.transaction() as tx:
        assert terminal(tx).recovered
        other = terminal(tx, "OTHER9", "back_door")
        assert not other.recovered
        assert not tx.remember(terminal(tx).terminal, first_contact=clock()).recovered
    with Store(path, clock=clock) as store:
        assert not store.recovered


@pytest.mark.parametrize("step", ["noted", "log renamed", "renamed", "begun"])
def test_a_crash_while_replacing_is_made_up_for(path: Path, clock: FakeClock, step: str) -> None:
    _prepared(path, clock)
    _zero_table(path, "pending")
    lock = path.with_name(path.name + ".lock")
    note = json.loads(lock.read_text())
    aside = path.with_name("zkbridge.db.damaged-20260302T080000Z")
    lock.write_text(json.dumps(note | {"aside": aside.name}))
    log = path.with_name(path.name + "-wal")
    log.touch()
    if step != "noted":
        log.rename(aside.with_name(aside.name + "-wal"))
    if step in {"renamed", "begun"}:
        path.rename(aside)
    if step == "begun":
        path.write_bytes(b"half a file")
        log.write_bytes(b"half a log")

    for _ in range(2):
        with Store(path, clock=clock) as store:
            assert store.recovered
            assert store.queue_depth() == 10
            assert [item.event for item in store.pending(Lane.NORMAL, None, 0, 99)] == [
                punch(n) for n in range(290, 300)
            ]
    assert _aside(path) == [aside]


def test_a_replacement_that_found_no_room_is_made_up_for(path: Path, clock: FakeClock) -> None:
    _prepared(path, clock)
    program = textwrap.dedent("""
        import resource, sys
        from pathlib import Path
        from tests.store.making import *
        from zkbridge.store import *
        path = Path(sys.argv[1])
        store = Store(path, clock=FakeClock())
        store.open()
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
        for _ in range(3):
            try:
                store._database.replace_damaged(0)
            except StoreFull:
                pass
            try:
                store_punches(store, punch(1000))
            except StoreFull:
                pass
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        store_punches(store, punch(1000))
        assert store.queue_depth() == 11, store.queue_depth()
        store.close()
    """)
    subprocess.run([sys.executable, "-c", program, str(path)], check=True, timeout=60)  # noqa: S603 - our own program
    assert len(_aside(path)) == 1
