"""Ten minutes, fifty terminals, faults on: memory and open files must stay where they are."""

import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC
from pathlib import Path
from random import Random

from bench.process import open_files, rss_mb
from bench.results import write_section
from tests.bridge import BridgeProcess, terminal_options
from tests.chaos.terminals import wrong_reply
from tests.mosquitto import Mosquitto, Record, Subscriber
from zkbridge.simulator import Hub, SimulatedTerminal

_TERMINALS = 50
_RATE = 10.0
_SETTLED_S = 60.0
_LOOK_EVERY_S = 5.0


def run(folder: Path, seconds: float) -> list[tuple[float, float, int]]:
    """Return time, resident memory in MB and open files, every few seconds."""
    random, hub = Random(4), Hub()  # noqa: S311 - faults
    with ExitStack() as stack:
        hub.start()
        stack.callback(hub.stop)
        terminals = []
        for number in range(_TERMINALS):
            each = SimulatedTerminal(
                serial=f"soak{number:05d}",
                options={"MAC": f"00:17:61:30:00:{number:02x}"},
                timezone=UTC,
                hub=hub,
            )
            for user in range(100):
                each.add_user(str(user + 1), f"Person {user}")
            terminals.append(stack.enter_context(each))
        broker = stack.enter_context(Mosquitto(folder / "mosquitto"))
        subscriber = stack.enter_context(Subscriber(broker.port, "zkbridge/+/state"))
        options = [
            terminal_options(each, name=f"soak{number}", poll_interval=5, timeout=1)
            for number, each in enumerate(terminals)
        ]
        bridge = BridgeProcess(folder / "bridge", broker.port, *options, log={"level": "info"})
        stack.enter_context(bridge)
        synced: set[str] = set()
        subscriber.wait_for(lambda rs: len(_synced(rs, synced)) >= _TERMINALS, timeout=120)
        return _soak(random, terminals, subscriber, bridge.pid, seconds)


def _synced(records: Sequence[Record], known: set[str]) -> set[str]:
    known |= {r.topic for r in records if b'"synced":true' in r.payload}
    return known


def _soak(
    random: Random,
    terminals: Sequence[SimulatedTerminal],
    subscriber: Subscriber,
    pid: int,
    seconds: float,
) -> list[tuple[float, float, int]]:
    seen: list[tuple[float, float, int]] = []
    begin_s, number = time.monotonic(), 0
    while (now_s := time.monotonic() - begin_s) < seconds:
        while number < now_s * _RATE:
            number += 1
            random.choice(terminals).punch(str(random.randrange(100) + 1))
            if number % 10 == 0:
                random.choice(terminals).inject(wrong_reply(random))
            if number % 50 == 0:
                random.choice(terminals).drop_connections(reset=number % 100 == 0)
        if not seen or now_s - seen[-1][0] >= _LOOK_EVERY_S:
            seen.append((now_s, rss_mb(pid), open_files(pid)))
            subscriber.clear()
        threading.Event().wait(0.02)
    return seen


def main() -> None:
    """Measure and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    with tempfile.TemporaryDirectory() as folder:
        seen = run(Path(folder), seconds)
    settled = [one for one in seen if one[0] >= min(_SETTLED_S, seconds / 3)]
    last = settled[-6:]
    first = settled[:6]
    section = {
        "seconds": seconds,
        "rss_mb_after_a_minute": round(sum(m for _, m, _ in first) / len(first), 1),
        "rss_mb_at_the_end": round(sum(m for _, m, _ in last) / len(last), 1),
        "growth_percent": round(
            100 * (sum(m for _, m, _ in last) / len(last))
            / (sum(m for _, m, _ in first) / len(first)) - 100, 2,
        ),
        "rss_mb_by_minute": [
            round(max(m for at, m, _ in seen if minute * 60 <= at < minute * 60 + 60), 1)
            for minute in range(int(seen[-1][0] // 60) + 1)
        ],
        "open_files_least": min(files for _, _, files in settled),
        "open_files_most": max(files for _, _, files in settled),
    }  # fmt: skip
    print(section)
    write_section("soak", section)


if __name__ == "__main__":
    main()
