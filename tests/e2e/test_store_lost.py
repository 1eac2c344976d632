"""A store that is damaged, gone or an old copy: the last week once more, late, nothing older."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from tests.e2e.conftest import SERIAL
from tests.e2e.house import House, content, ids, polled
from tests.mosquitto import Mosquitto, Subscriber
from zkbridge.simulator import SimulatedTerminal

LATE = "zkbridge/front_door/punch/late"


@pytest.mark.parametrize("how", ["damaged", "deleted", "restored"])
def test_a_lost_store_tells_the_last_week_once_more_as_late(
    terminal: SimulatedTerminal, broker: Mosquitto, subscriber: Subscriber, tmp_path: Path, how: str
) -> None:
    now = terminal.wall_clock()
    old = [("7", now - timedelta(days=days)) for days in (400, 8)]
    week = [("7", now - timedelta(days=days)) for days in (6, 1)]
    for user, when in (*old, *week):
        terminal.punch(user, when=when)
    store = tmp_path / "bridge" / "zkbridge.db"
    copy = tmp_path / "copy.db"
    missed = [("007", now + timedelta(seconds=1))]

    def lose() -> None:
        if how == "damaged":
            store.write_bytes(b"\xff" * store.stat().st_size)
        else:
            store.unlink()
            for rest in ("-wal", "-shm"):
                store.with_name(store.name + rest).unlink(missing_ok=True)
        if how == "restored":
            shutil.copy(copy, store)
        terminal.punch("007", when=missed[0][1])

    with House(tmp_path / "bridge", broker, subscriber, [polled(terminal)]) as running:
        running.restart(lambda: shutil.copy(store, copy))
        told = [("007", now)]
        terminal.punch("007", when=now)
        running.wait_ids(ids(SERIAL, told))
        running.restart(lose)
        # An old copy knows what it knew; only what came after it is in doubt.
        again = ids(SERIAL, [*(() if how == "restored" else week), *told, *missed])
        subscriber.wait_count(LATE, len(again))
        after = [("7", now + timedelta(seconds=2))]
        terminal.punch("7", when=after[0][1])
        running.wait_ids(ids(SERIAL, after))
        assert [content(record)["id"] for record in subscriber.on(LATE)] == again
        assert running.ids() == ids(SERIAL, told) + again + ids(SERIAL, after)
        assert "last 7 days" in running.bridge.log
