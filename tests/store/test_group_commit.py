"""Many threads, few syncs; and one thread's error is its own."""

import threading
from collections.abc import Callable

import pytest

from tests.store.making import add_punch, punch, store_punches
from zkbridge.store import Lane, Store

_WAIT_S = 30.0


def _in_threads(actions: list[Callable[[], None]]) -> list[BaseException]:
    errors: list[BaseException] = []

    def guarded(action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # noqa: BLE001 - handed to the test
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_WAIT_S)
        assert not thread.is_alive()
    return errors


class _Gate:
    """Holds a transaction open until the others stand in line."""

    def __init__(self, store: Store, number: int) -> None:
        self._store = store
        self._number = number
        self.inside = threading.Event()
        self.leave = threading.Event()

    def run(self) -> None:
        with self._store.transaction() as tx:
            add_punch(tx, self._number, punch(0))
            self.inside.set()
            assert self.leave.wait(_WAIT_S)


def _line_up(store: Store, gate: _Gate, actions: list[Callable[[], None]]) -> list[BaseException]:
    """Run the actions so that all of them wait while the gate's transaction is open."""
    commits = store._database._commits
    assert commits is not None

    def release() -> None:
        assert gate.inside.wait(_WAIT_S)
        ready = threading.Event()
        while commits._entering < len(actions) and not ready.wait(0.001):
            pass
        gate.leave.set()

    def after_gate(action: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            assert gate.inside.wait(_WAIT_S)
            action()

        return run

    return _in_threads([gate.run, release, *map(after_gate, actions)])


def test_threads_that_wait_share_one_sync(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zkbridge.store.commits._LONGEST_S", _WAIT_S)
    number = store_punches(store)

    def add(second: int) -> Callable[[], None]:
        def run() -> None:
            with store.transaction() as tx:
                add_punch(tx, number, punch(second))

        return run

    before = store.syncs
    errors = _line_up(store, _Gate(store, number), [add(second) for second in range(1, 21)])

    assert errors == []
    assert store.syncs - before == 1
    assert store.queue_depth() == 21


def test_an_error_among_them_undoes_its_own_only(store: Store) -> None:
    number = store_punches(store)

    def add(second: int) -> Callable[[], None]:
        def run() -> None:
            with store.transaction() as tx:
                add_punch(tx, number, punch(second))
                if second % 2:
                    raise ValueError(second)

        return run

    errors = _line_up(store, _Gate(store, number), [add(second) for second in range(1, 9)])

    assert sorted(error.args[0] for error in errors) == [1, 3, 5, 7]
    seconds = {item.event.seen_at.second for item in store.pending(Lane.NORMAL, None, 0, 99)}
    assert seconds == {0, 2, 4, 6, 8}
    assert store.queue_depth() == 5


def test_order_per_thread_is_the_order_of_storing(store: Store) -> None:
    numbers = [store_punches(store, terminal_id=f"door_{n}") for n in range(8)]

    def add(number: int) -> Callable[[], None]:
        def run() -> None:
            for second in range(25):
                with store.transaction() as tx:
                    add_punch(tx, number, punch(second, str(number)))

        return run

    assert _in_threads([add(number) for number in numbers]) == []

    for number in numbers:
        items = store.pending(Lane.NORMAL, number, 0, 100)
        assert [item.event for item in items] == [punch(n, str(number)) for n in range(25)]
    assert store.queue_depth() == 200


def test_who_waits_is_woken_once_events_are_committed(store: Store) -> None:
    depths: list[int] = []
    number = store_punches(store)
    store.subscribe(lambda: depths.append(store.queue_depth()))

    with store.transaction() as tx:
        add_punch(tx, number, punch(1))
        add_punch(tx, number, punch(2))
        assert depths == []
    with store.transaction() as tx:
        add_punch(tx, number, punch(2))
    store.mark([1])

    assert depths == [2]
