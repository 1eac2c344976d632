"""One bridge to a store; and stores that were deleted or replaced by an older copy."""

import json
import logging
import shutil
import stat
from pathlib import Path

import pytest

from tests.store.making import KEY, FakeClock, add_punch, punch, store_punches, terminal
from zkbridge.events import Log
from zkbridge.store import Store, StoreError


def _lock(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def test_a_first_start_is_fresh_and_private(path: Path, store: Store) -> None:
    store_punches(store, punch())
    assert (store.fresh, store.recovered, store.damaged_aside) == (True, False, None)
    assert len(store.instance) == 8
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    instance = store.instance
    store.close()
    store.open()
    assert (store.fresh, store.recovered, store.instance) == (False, False, instance)


def test_a_clean_stop_leaves_one_file_and_the_lock(path: Path, store: Store) -> None:
    store_punches(store, punch())
    store.close()
    store.close()
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, _lock(path).name]


def test_a_second_bridge_is_refused(path: Path, store: Store) -> None:
    with pytest.raises(StoreError, match="another zkbridge is using this store") as raised:
        Store(path).open()
    assert "\n" not in str(raised.value)
    store_punches(store, punch())
    store.close()
    with Store(path) as second:
        assert second.queue_depth() == 1


def test_a_deleted_store_is_told_from_a_first_start(
    path: Path, store: Store, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    store_punches(store, punch())
    instance = store.instance
    store.close()
    path.unlink()
    store.open()

    (known,) = store.terminals()
    assert (store.fresh, store.recovered, store.instance) == (False, True, instance)
    assert (known.key, known.id, known.recovered) == (KEY, "front_door", True)
    with store.transaction() as tx:
        assert terminal(tx).recovered
        assert not terminal(tx, "NEW1", "new").recovered
        tx.remember(known.terminal, first_contact=clock())
    (line,) = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert "there was one here before" in line.getMessage()
    store.close()
    store.open()
    assert not store.recovered


def test_a_deleted_store_with_a_torn_note_vouches_for_nobody(path: Path, store: Store) -> None:
    store_punches(store, punch())
    store.close()
    path.unlink()
    _lock(path).write_text('{"instance": "ab')
    store.open()
    assert store.recovered
    with store.transaction() as tx:
        assert terminal(tx).recovered


def test_an_older_copy_is_recognised(path: Path, store: Store, clock: FakeClock) -> None:
    number = store_punches(store, punch(1))
    with store.transaction() as tx:
        tx.move_cursor(number, Log.PUNCHES, "one")
        tx.remember(number, first_contact=clock())
    store.close()
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    store.open()
    store_punches(store, punch(2))
    store.close()
    shutil.copy(copy, path)
    store.open()

    (known,) = store.terminals()
    assert store.recovered
    assert known.recovered
    assert (known.first_contact, known.cursor(Log.PUNCHES)) == (None, None)
    with store.transaction() as tx:
        # What the copy knows is still known.
        assert not add_punch(tx, number, punch(1))
        assert add_punch(tx, number, punch(2))


def test_the_note_beside_the_store_names_no_person(path: Path, store: Store) -> None:
    store_punches(store, punch(1, "4711", name="Ann"))
    store.close()
    content = json.loads(_lock(path).read_text())
    assert content.keys() == {"instance", "count", "terminals", "aside"}
    assert content["terminals"] == {KEY: "front_door"}


@pytest.mark.parametrize("place", ["folder", "file as folder"])
def test_a_place_that_cannot_be_used_is_one_line(tmp_path: Path, place: str) -> None:
    if place == "folder":
        path = tmp_path / "store"
        path.mkdir()
    else:
        (tmp_path / "file").write_text("x")
        path = tmp_path / "file" / "zkbridge.db"
    with pytest.raises(StoreError) as raised:
        Store(path).open()
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)
