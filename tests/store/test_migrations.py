"""Files of earlier and later versions, and files that are not ours."""

import sqlite3
from datetime import date
from pathlib import Path

import pytest

from tests.store.making import FakeClock, punch, store_punches
from zkbridge.store import Lane, Store, StoreError
from zkbridge.store.schema import SCHEMA, VERSION

_VERSIONS = Path(__file__).parent / "versions"


def _schema(path: Path) -> set[tuple[str, str]]:
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        return {(name, " ".join(sql.split())) for name, sql in rows}
    finally:
        connection.close()


def _load(path: Path, version: int) -> None:
    connection = sqlite3.connect(path)
    connection.executescript((_VERSIONS / f"v{version}.sql").read_text())
    connection.close()


def test_every_earlier_version_has_a_file() -> None:
    assert sorted(file.stem for file in _VERSIONS.glob("*.sql")) == [
        f"v{version}" for version in range(1, VERSION)
    ]


@pytest.mark.parametrize("version", range(1, VERSION))
def test_a_file_of_an_earlier_version_goes_on(
    path: Path, tmp_path: Path, clock: FakeClock, version: int
) -> None:
    _load(path, version)
    new = tmp_path / "new.db"
    with Store(new, clock=clock):
        pass

    with Store(path, clock=clock) as store:
        assert store.instance == "abcd1234"
        assert [found.event for found in store.query()] == [punch(2), punch(1), punch(0)]
        assert [item.event for item in store.pending(Lane.NORMAL, None, 0, 9)] == [punch(2)]
        assert store.day_counts(date(2026, 3, 1), date(2026, 3, 3)) == {date(2026, 3, 2): 3}
        store_punches(store, punch(3))
        assert store.day_counts(date(2026, 3, 1), date(2026, 3, 3)) == {date(2026, 3, 2): 4}
        (day,) = store.user_days(date(2026, 3, 2), date(2026, 3, 2))
        assert day.punches == 4
        assert not store.recovered
    assert {name for name, _ in _schema(path)} == {name for name, _ in _schema(new)}
    assert _schema(path) == _schema(new)


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    _load(path, 1)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE by_day(empty)")
    connection.commit()
    connection.close()
    before = _schema(path)

    with pytest.raises(StoreError):
        Store(path).open()

    assert _schema(path) == before


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
