"""Files of earlier and later versions, and files that are not ours."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.store.making import FakeClock, punch, store_punches
from zkbridge.store import Store, StoreError
from zkbridge.store.connections import connect_writer
from zkbridge.store.migrations import STEPS, check_ours, migrate
from zkbridge.store.schema import SCHEMA, VERSION

_NEXT = VERSION + 1
_ADD_COLUMN = "ALTER TABLE events ADD COLUMN mask INTEGER NOT NULL DEFAULT 0"
_FILL_COLUMN = "UPDATE events SET mask = seq"


@contextmanager
def _file(path: Path) -> Iterator[sqlite3.Connection]:
    """Lend a store's file with three punches; nobody else has it open."""
    with Store(path) as store:
        store_punches(store, *[punch(n) for n in range(3)])
    with closing(connect_writer(path)) as connection:
        yield connection


def _columns(connection: sqlite3.Connection) -> set[str]:
    return {row[1] for row in connection.execute("PRAGMA table_info(events)")}


def test_a_step_leads_to_the_next_version_and_keeps_what_is_there(path: Path) -> None:
    with _file(path) as connection:
        migrate(connection, VERSION, {_NEXT: (_ADD_COLUMN, _FILL_COLUMN)})

        (version,) = connection.execute("PRAGMA user_version").fetchone()
        assert version == _NEXT
        assert connection.execute("SELECT seq, mask FROM events").fetchall() == [
            (1, 1), (2, 2), (3, 3)
        ]  # fmt: skip


def test_only_the_steps_after_the_files_version_are_taken(path: Path) -> None:
    with _file(path) as connection:
        earlier = {_NEXT: ("not even SQL",)}
        migrate(connection, _NEXT, {**earlier, _NEXT + 1: (_ADD_COLUMN,)})

        (version,) = connection.execute("PRAGMA user_version").fetchone()
        assert version == _NEXT + 1
        assert "mask" in _columns(connection)


def test_a_step_that_fails_is_undone_and_the_one_before_it_kept(path: Path) -> None:
    broken = ("ALTER TABLE events ADD COLUMN half", "CREATE TABLE meta(there_is_one)")
    with _file(path) as connection:
        with pytest.raises(sqlite3.OperationalError, match="meta"):
            migrate(connection, VERSION, {_NEXT: (_ADD_COLUMN,), _NEXT + 1: broken})

        (version,) = connection.execute("PRAGMA user_version").fetchone()
        assert version == _NEXT
        assert "mask" in _columns(connection)
        assert "half" not in _columns(connection)
        assert not connection.in_transaction


def test_a_new_file_is_of_the_newest_version(path: Path, clock: FakeClock) -> None:
    with Store(path, clock=clock):
        pass
    with closing(connect_writer(path)) as connection:
        assert check_ours(connection, path) == VERSION


def test_every_version_after_the_first_has_a_step() -> None:
    assert sorted(STEPS) == list(range(2, VERSION + 1))


def test_a_file_of_a_newer_version_is_refused_and_untouched(path: Path) -> None:
    with Store(path):
        pass
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    before = path.read_bytes()

    with pytest.raises(StoreError, match="newer zkbridge") as raised:
        Store(path).open()

    assert "\n" not in str(raised.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("application", [0, 0x1234])
def test_another_programs_database_is_refused_and_untouched(path: Path, application: int) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE states(state)")
    connection.execute(f"PRAGMA application_id = {application}")
    connection.commit()
    connection.close()
    before = path.read_bytes()

    with pytest.raises(StoreError, match="another program's database"):
        Store(path).open()

    assert path.read_bytes() == before


def test_the_tables_have_no_place_for_secrets() -> None:
    text = " ".join(SCHEMA).lower()
    for word in ("password", "pin ", "card", "template", "comm_key", "photo"):
        assert word not in text
