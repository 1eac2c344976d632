"""Two hundred terminals, 30 s polls, live, ten punches a second; then with twenty of them hung."""

import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC
from pathlib import Path
from random import Random
from typing import Any

from bench.process import cpu_s, percentile, rss_mb
from bench.results import write_section
from tests.bridge import BridgeProcess, terminal_options
from tests.mosquitto import Mosquitto, Record, Subscriber
from zkbridge.identity import punch_id
from zkbridge.simulator import Hub, SimulatedTerminal, pack_time
from zkbridge.simulator.faults import Hang

_TERMINALS = 200
_HUNG = 20
_RATE = 10.0
_USERS = 50


class Clock:
    """Times punches by their ids."""

    def __init__(self) -> None:
        self._made: dict[bytes, float] = {}
        self.took_ms: list[float] = []

    def punched(self, serial: str, terminal: SimulatedTerminal, user: str) -> None:
        """Let somebody punch, unless that person just did."""
        wall = terminal.wall_clock()
        event = punch_id(serial, user, pack_time(wall), 0).encode()
        if event not in self._made:
            self._made[event] = time.monotonic()
            terminal.punch(user, when=wall)

    def arrived(self, record: Record) -> None:
        """Take a message; in the subscriber's thread."""
        if "/punch" in record.topic:
            event = record.payload.partition(b'"id":"')[2].partition(b'"')[0]
            self.took_ms.append((record.arrived_s - self._made[event]) * 1000)

    @property
    def missing(self) -> int:
        """Punches that have not arrived yet."""
        return len(self._made) - len(self.took_ms)


def measure(folder: Path, *, hung: int, seconds: float) -> dict[str, Any]:
    """Let people punch at those terminals that do not hang."""
    random, clock, hub = Random(3), Clock(), Hub()  # noqa: S311 - who punches where
    with ExitStack() as stack:
        hub.start()
        stack.callback(hub.stop)
        terminals = _terminals(stack, hub)
        broker = stack.enter_context(Mosquitto(folder / "mosquitto"))
        subscriber = stack.enter_context(Subscriber(broker.port, on_record=clock.arrived))
        options = [
            terminal_options(each, name=serial, poll_interval=30, timeout=10)
            for serial, each in terminals
        ]
        bridge = BridgeProcess(folder / "bridge", broker.port, *options, log={"level": "info"})
        stack.enter_context(bridge)
        synced: set[str] = set()
        subscriber.wait_for(lambda rs: len(_synced(rs, synced)) >= _TERMINALS, timeout=120)
        for _, each in terminals[:hung]:
            each.inject(Hang(), times=1_000_000)
        working = terminals[hung:]
        used_s, begin_s = cpu_s(bridge.pid), time.monotonic()
        number = 0
        while (now_s := time.monotonic() - begin_s) < seconds:
            while number < now_s * _RATE:
                number += 1
                serial, each = random.choice(working)
                clock.punched(serial, each, str(random.randrange(_USERS) + 1))
            threading.Event().wait(0.01)
        took_s = time.monotonic() - begin_s
        used = cpu_s(bridge.pid) - used_s
        threading.Event().wait(1)
        return {
            "p50_ms": round(percentile(clock.took_ms, 0.5), 2),
            "p99_ms": round(percentile(clock.took_ms, 0.99), 2),
            "punches": len(clock.took_ms),
            "missing": clock.missing,
            "cpu_percent": round(100 * used / took_s, 2),
            "rss_mb": round(rss_mb(bridge.pid), 1),
        }


def _terminals(stack: ExitStack, hub: Hub) -> list[tuple[str, SimulatedTerminal]]:
    made = []
    for number in range(_TERMINALS):
        serial = f"fleet{number:05d}"
        mac = f"00:17:61:20:{number // 256:02x}:{number % 256:02x}"
        each = SimulatedTerminal(
            serial=serial, options={"MAC": mac}, timezone=UTC, hub=hub, transport="tcp"
        )
        for user in range(_USERS):
            each.add_user(str(user + 1), f"Person {user}")
        each.operate(0)
        stack.enter_context(each)
        made.append((serial, each))
    return made


def _synced(records: Sequence[Record], known: set[str]) -> set[str]:
    known |= {r.topic for r in records if b'"synced":true' in r.payload}
    return known


def main() -> None:
    """Measure and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    section: dict[str, Any] = {}
    for name, hung in (("all_well", 0), ("twenty_hung", _HUNG)):
        with tempfile.TemporaryDirectory() as folder:
            section[name] = measure(Path(folder), hung=hung, seconds=seconds)
        print(name, section[name])
    section["p99_hung_to_well"] = round(
        section["twenty_hung"]["p99_ms"] / section["all_well"]["p99_ms"], 2
    )
    print("p99_hung_to_well", section["p99_hung_to_well"])
    write_section("fleet", section)


if __name__ == "__main__":
    main()
