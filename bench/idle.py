"""What a bridge costs while nothing happens: one terminal, 100,000 records, 10 s polls."""

import sys
import tempfile
import threading
import time
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from bench.process import cpu_s, rss_mb
from bench.results import write_section
from tests.bridge import BridgeProcess, terminal_options
from tests.mosquitto import Mosquitto, Subscriber, free_port
from zkbridge.simulator import SimulatedPunch, SimulatedTerminal, pack_time

_RECORDS = 100_000
_POLL_S = 10
_CMD_GET_FREE_SIZES = 50


def measure(folder: Path, *, page: bool, seconds: float) -> dict[str, Any]:
    """Watch a bridge that has nothing to do."""
    with (
        Mosquitto(folder / "mosquitto") as broker,
        Subscriber(broker.port) as subscriber,
        SimulatedTerminal(serial="BENCH0001", timezone=UTC) as terminal,
    ):
        start = terminal.wall_clock() - timedelta(days=300)
        terminal.operate(0)
        for user in range(200):
            terminal.add_user(str(user + 1), f"Person {user}")
        terminal.load_punches(
            SimulatedPunch(str(n % 200 + 1), pack_time(start + timedelta(minutes=4 * n)))
            for n in range(_RECORDS)
        )
        web = {"enabled": page, "listen": f"127.0.0.1:{free_port()}"}
        options = terminal_options(terminal, poll_interval=_POLL_S)
        with BridgeProcess(
            folder / "bridge", broker.port, options, web=web, log={"level": "info"}
        ) as bridge:
            subscriber.wait_for(
                lambda rs: any(b'"synced":true' in r.payload for r in rs), timeout=60
            )
            threading.Event().wait(3)
            polls = terminal.requests[_CMD_GET_FREE_SIZES]
            moved = terminal.bytes_in + terminal.bytes_out
            used_s, begin_s = cpu_s(bridge.pid), time.monotonic()
            messages = len(subscriber.records)
            threading.Event().wait(seconds)
            polls = terminal.requests[_CMD_GET_FREE_SIZES] - polls
            took_s = time.monotonic() - begin_s
            return {
                "bytes_per_poll": (terminal.bytes_in + terminal.bytes_out - moved) / max(polls, 1),
                "polls": polls,
                "cpu_percent": round(100 * (cpu_s(bridge.pid) - used_s) / took_s, 3),
                "rss_mb": round(rss_mb(bridge.pid), 1),
                "messages": len(subscriber.records) - messages,
            }


def main() -> None:
    """Measure and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    section = {}
    for page in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            name = "page_on" if page else "page_off"
            section[name] = measure(Path(folder), page=page, seconds=seconds)
        print(name, section[name])
    write_section("idle", section)


if __name__ == "__main__":
    main()
