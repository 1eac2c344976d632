"""Terminals, bridge, broker and subscriber, and somebody who breaks them while people punch."""

import contextlib
import heapq
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

from tests.bridge import BridgeProcess
from tests.chaos.disk import Disk
from tests.chaos.faults import any_fault
from tests.chaos.ledger import Ledger, Verdict
from tests.chaos.proxy import Proxy
from tests.chaos.terminals import Place, places
from tests.mosquitto import Mosquitto, Subscriber
from zkbridge.simulator import Hub

_TICK_S: Final = 0.02
_SETTLE_S: Final = 120.0
# Of so many kills one comes at any moment; the others wait until punches have gone out.
_BLIND: Final = 0.2
_PATIENCE_S: Final = 8.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is.

    Attributes:
        rate: Punches per second over all terminals, bursts not counted.
        kill_within_s: A kill comes within this time after the bridge got to work.
        fault_every_s: Mean time between the other faults.
        kills: At least so many, however long that takes.
        punches: Likewise.
    """

    seed: int
    duration_s: float = 60.0
    rate: float = 60.0
    kill_within_s: float = 2.0
    fault_every_s: float = 0.5
    kills: int = 0
    punches: int = 0


class Laboratory:
    """One run; everything happens in the thread that calls :meth:`run`."""

    def __init__(self, folder: Path, plan: Plan, say: Callable[[str], None]) -> None:
        """Prepare.

        Args:
            folder: For everything that is written.
            plan: What happens.
            say: Takes a line of progress now and then.
        """
        self._folder = folder
        self._plan = plan
        self._say = say
        self._random = Random(plan.seed)  # noqa: S311 - faults, no secrets
        self.ledger = Ledger()
        self._hub = Hub()
        self.places: list[Place] = places(self._hub, self.ledger)
        self._disk = Disk(folder / "disk")
        self._broker = Mosquitto(
            folder / "mosquitto",
            extra=("persistence true", f"persistence_location {folder / 'mosquitto'}/",
                   "max_queued_messages 0"),
        )  # fmt: skip
        self._subscriber = Subscriber(
            self._broker.port,
            "zkbridge/+/punch/#",
            on_record=self.ledger.received,
            lasting=True,
        )
        self.proxy = Proxy(self._broker.port, self.ledger)
        self._bridge: BridgeProcess | None = None
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._done: Counter[str] = Counter()
        self._complaints: list[str] = []
        self._broker_is_away = False
        self._kill_at_s = 0.0
        self._sent_at_start = 0

    @property
    def done(self) -> Counter[str]:
        """How often each fault happened, kills among them."""
        return Counter(self._done)

    def run(self) -> Verdict:
        """Do it, heal everything, wait for what is still to come, and count."""
        with ExitStack() as stack:
            self._disk.mount()
            stack.callback(self._disk.unmount)
            self._hub.start()
            stack.callback(self._hub.stop)
            for place in self.places:
                place.terminal.start()
                stack.callback(place.terminal.stop)
                place.prepare(self._random)
            self._broker.start()
            stack.callback(self._broker.stop)
            self.proxy.start()
            stack.callback(self.proxy.stop)
            self._subscriber.start()
            stack.callback(self._subscriber.stop)
            self._bridge = BridgeProcess(
                self._folder / "bridge",
                self.proxy.port,
                *[place.options for place in self.places],
                store={"path": str(self._disk.folder / "zkbridge.db")},
                log={"level": "info"},
            )
            stack.callback(self.bridge.kill)
            self._first_contact()
            self._break_things()
            self._heal()
            self._settle()
            self._stop_in_order()
        self._read_log()
        return self.ledger.verdict(self._complaints)

    @property
    def bridge(self) -> BridgeProcess:
        """The bridge."""
        if self._bridge is None:
            raise RuntimeError("there is no bridge yet")
        return self._bridge

    # What faults use

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something after a while."""
        due = time.monotonic() + seconds
        heapq.heappush(self._timers, (due, next(self._order), action))

    def freeze(self, seconds: float) -> None:
        """Stop the bridge's process for a while."""
        pid = self.bridge.pid
        os.kill(pid, signal.SIGSTOP)
        self.later(seconds, lambda: self._thaw(pid))

    @staticmethod
    def _thaw(pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # killed meanwhile
            os.kill(pid, signal.SIGCONT)

    def broker_away(self, seconds: float, *, kill: bool) -> None:
        """End the broker; it comes back, and the bridge gets to it after the subscriber."""
        if self._broker_is_away:
            return
        self._broker_is_away = True
        self.proxy.open = False
        self._subscriber.expect_restart()
        if kill:
            self._broker.kill()
        else:
            self._broker.stop()
        self.later(seconds, self._broker_back)

    def _broker_back(self) -> None:
        self._broker.start()
        self._let_in()

    def _let_in(self) -> None:
        """Open the way to the broker as soon as the subscriber has found it again."""
        try:
            self._subscriber.wait_ready(0.0)
        except TimeoutError:
            self.later(_TICK_S, self._let_in)
            return
        self._broker_is_away = False
        self.proxy.open = True

    def broker_hangs(self, seconds: float) -> None:
        """Stop the broker's process for a while."""
        if not self._broker_is_away:
            self._broker.pause()
            self.later(seconds, self._broker_resumes)

    def _broker_resumes(self) -> None:
        with contextlib.suppress(RuntimeError):  # it was ended meanwhile
            self._broker.resume()

    def disk_full(self, seconds: float) -> None:
        """Fill the store's disk for a while."""
        self._disk.fill(self.bridge.pid)
        self.later(seconds, self._disk.free)

    # The run

    def _first_contact(self) -> None:
        """What a terminal shows before its first contact is not promised; wait for that."""
        self.bridge.start()
        expected = {place.kind.name for place in self.places}
        watcher = Subscriber(self._broker.port, "zkbridge/+/state")
        with watcher:
            watcher.wait_for(
                lambda records: (
                    expected
                    <= {r.topic.split("/")[1] for r in records if b'"synced":true' in r.payload}
                ),
                timeout=60,
            )
        self._schedule_kill()

    def _schedule_kill(self) -> None:
        _, self._sent_at_start, _ = self.ledger.counts
        self._patience_s = time.monotonic() + _PATIENCE_S
        self._kill_at_s = 0.0
        if self._random.random() < _BLIND:
            self._kill_at_s = time.monotonic() + self._random.uniform(0.0, 1.5)

    def _break_things(self) -> None:
        plan, begun_s = self._plan, time.monotonic()
        next_fault_s, owed, before_s, told_s = begun_s, 0.0, begun_s, begun_s
        pause = threading.Event()
        while True:
            now_s = time.monotonic()
            made, sent, _ = self.ledger.counts
            enough = self._done["kill"] >= plan.kills and made >= plan.punches
            if now_s - begun_s >= plan.duration_s and enough:
                return
            self._do_due(now_s)
            owed += (now_s - before_s) * plan.rate
            before_s = now_s
            owed = self._punch(owed)
            if now_s >= next_fault_s:
                next_fault_s = now_s + self._random.expovariate(1 / plan.fault_every_s)
                fault = any_fault(self._random)
                self._done[fault.__name__] += 1
                fault(self, self._random)
            self._kill_when_due(now_s, sent)
            if now_s - told_s >= 10:
                told_s = now_s
                self._say(f"{now_s - begun_s:4.0f} s: {made} punches, {self._done['kill']} kills,"
                          f" {self.ledger.missing} underway")  # fmt: skip
            pause.wait(_TICK_S)

    def _do_due(self, now_s: float) -> None:
        while self._timers and self._timers[0][0] <= now_s:
            heapq.heappop(self._timers)[2]()

    def _punch(self, owed: float) -> float:
        while owed >= 1:
            amount = min(int(owed), self._random.choice((1, 1, 1, 2, 5)))
            self._random.choice(self.places).punch(amount, self._random)
            owed -= amount
        return owed

    def _kill_when_due(self, now_s: float, sent: int) -> None:
        if not self._kill_at_s:
            working = sent > self._sent_at_start or now_s > self._patience_s
            if working:
                self._kill_at_s = now_s + self._random.uniform(0.0, self._plan.kill_within_s)
        elif now_s >= self._kill_at_s:
            self._done["kill"] += 1
            self.bridge.kill()
            self.bridge.start()
            self._schedule_kill()

    def _heal(self) -> None:
        """Repair everything; people have gone home."""
        while self._timers:
            self._do_due(time.monotonic())
            threading.Event().wait(_TICK_S)
        for place in self.places:
            place.terminal.resume()
        self.proxy.swallow(0)
        self.bridge.kill()
        self.bridge.start()

    def _settle(self) -> None:
        """Wait until everything has arrived, or nothing has moved for a long while."""
        before, moved_s = -1, time.monotonic()
        while (left := self.ledger.missing) or self.ledger.underway:
            now = left + self.ledger.underway
            if now != before:
                before, moved_s = now, time.monotonic()
            if time.monotonic() - moved_s > (_SETTLE_S if left else _PATIENCE_S):
                return
            self.ledger.arrived.clear()
            self.ledger.arrived.wait(0.5)

    def _stop_in_order(self) -> None:
        code = self.bridge.stop()
        if code != 0:
            self._complaints.append(f"the bridge ended with {code}")

    def _read_log(self) -> None:
        lines = self.bridge.log.splitlines()
        self._complaints += [
            f"the bridge's log, line {number}: {line} …"
            for number, line in enumerate(lines, 1)
            if line.startswith("Traceback")
        ]
