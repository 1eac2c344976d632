"""What is left of connections that ended: nothing, however many there were."""

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from tests.bridge import terminal_options
from zkbridge.config import TerminalOptions
from zkbridge.metrics import Metrics
from zkbridge.polling.fleet import Fleet
from zkbridge.polling.identify import Surroundings
from zkbridge.polling.roster import Roster
from zkbridge.simulator import SimulatedTerminal
from zkbridge.store import Store
from zkbridge.zk import ZKDevice

RECONNECTS = 4


class Devices:
    """Makes clients, and knows which of them are still there."""

    def __init__(self) -> None:
        self.made: list[weakref.ref[ZKDevice]] = []

    def __call__(self, options: TerminalOptions) -> ZKDevice:
        device = ZKDevice(options.host, options.port, timeout=2.0, handshake=False)
        self.made.append(weakref.ref(device))
        return device

    def left(self) -> int:
        return sum(each() is not None for each in self.made)


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def a_fleet(folder: Path, devices: Devices) -> Iterator[Fleet]:
    store = Store(folder / "zkbridge.db")
    store.open()
    around = Surroundings(
        store=store,
        roster=Roster(),
        metrics=Metrics(),
        shown=lambda _: True,
        pictured=lambda _: False,
        portrait=lambda *_: None,
        renamed=lambda: None,
        late_after_s=60.0,
        clock=lambda: datetime.now(UTC),
        mono=time.monotonic,
        process="test",
    )
    fleet = Fleet(around, devices)
    try:
        yield fleet
    finally:
        fleet.stop(5.0)
        store.close()


def wait_until(reached: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + 20.0
    while not reached():
        if time.monotonic() > end_s:
            raise TimeoutError(what)
        threading.Event().wait(0.02)


def test_a_connection_that_ended_leaves_nothing_for_the_collector(tmp_path: Path) -> None:
    devices = Devices()
    with SimulatedTerminal() as terminal, a_fleet(tmp_path, devices) as fleet:
        options = TerminalOptions.model_validate(terminal_options(terminal))
        fleet.apply({"front_door": options}, 5.0)
        (worker,) = fleet

        def connected_again(before: int) -> bool:
            worker.poll_now()  # no waiting before it tries again
            return len(devices.made) > before

        for _ in range(RECONNECTS):
            # Registered: this is the new connection, not what is left of the one before.
            wait_until(lambda: worker.view.state.synced and terminal.registered == 1, "contact")
            before = len(devices.made)
            terminal.drop_connections()
            wait_until(partial(connected_again, before), "new connection")
        wait_until(lambda: devices.left() == 1, "end of the connections before")
