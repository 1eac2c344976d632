"""From a punch at a terminal to a message at a subscriber, live, on loopback, syncs included.

Beside the bridge, in the same run and punch about: pyzk's live capture with paho's publish behind
it, which stores nothing. Then the bridge alone with every sync delayed by 20 ms.
"""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC
from pathlib import Path
from random import Random
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from bench.process import percentile
from bench.results import write_section
from tests.bridge import BridgeProcess, terminal_options
from tests.mosquitto import Mosquitto, Record, Subscriber
from zkbridge.simulator import SimulatedTerminal

_PUNCHES = 400
_DELAYED_PUNCHES = 150
_SYNC_DELAY_US = 20_000
_USERS = 1000
_PATIENCE_S = 30.0


class Ears:
    """Notes when a message arrives at the subscriber."""

    def __init__(self) -> None:
        self._arrived = threading.Event()
        self._at_s = 0.0

    def hear(self, record: Record) -> None:
        """Take a message; in the subscriber's thread."""
        if "/punch" in record.topic or record.topic == "bare":
            self._at_s = record.arrived_s
            self._arrived.set()

    def time(self, punch: Callable[[], object]) -> float:
        """Return how long a punch takes to get here, in milliseconds."""
        self._arrived.clear()
        begin_s = time.monotonic()
        punch()
        if not self._arrived.wait(_PATIENCE_S):
            raise TimeoutError("a punch did not arrive")
        return (self._at_s - begin_s) * 1000


def terminal(serial: str) -> SimulatedTerminal:
    """Make a terminal full of people."""
    made = SimulatedTerminal(serial=serial, timezone=UTC)
    for number in range(_USERS):
        made.add_user(str(number + 1), f"Person {number}")
    return made


def bare(host: str, port: int, broker: int) -> None:
    """Publish what pyzk captures; a process of its own."""
    from zk import ZK  # noqa: PLC0415 - only this process needs it

    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", broker)
    client.loop_start()
    connection = ZK(host, port=port, timeout=10, ommit_ping=True).connect()
    print("ready", flush=True)
    for attendance in connection.live_capture(60):
        if attendance is not None:
            text = f'{{"user_id":"{attendance.user_id}","timestamp":"{attendance.timestamp}"}}'
            client.publish("bare", text, 1)


def side_by_side(folder: Path) -> tuple[list[float], list[float]]:
    """Time the bridge and the bare loop in turns."""
    pauses, ears = Random(1), Ears()  # noqa: S311 - pauses
    with (
        Mosquitto(folder / "mosquitto") as broker,
        Subscriber(broker.port, on_record=ears.hear) as subscriber,
        terminal("BENCH0001") as ours,
        terminal("BENCH0002") as theirs,
        BridgeProcess(folder / "bridge", broker.port,
                      terminal_options(ours, poll_interval=30), log={"level": "info"}),
    ):  # fmt: skip
        subscriber.wait_for(lambda rs: any(b'"synced":true' in r.payload for r in rs))
        command = [sys.executable, "-m", "bench.latency", theirs.host, str(theirs.port)]
        with subprocess.Popen([*command, str(broker.port)], stdout=subprocess.PIPE) as loop:  # noqa: S603 - our own program
            try:
                theirs.wait_for(lambda: theirs.registered == 1)
                return _turns(ears, pauses, [ours, theirs])
            finally:
                loop.kill()


def _turns(
    ears: Ears, pauses: Random, terminals: Sequence[SimulatedTerminal]
) -> tuple[list[float], list[float]]:
    timed: list[list[float]] = [[] for _ in terminals]
    for number in range(_PUNCHES + 20):
        for each, into in zip(terminals, timed, strict=True):
            user = str(number % _USERS + 1)
            into.append(ears.time(lambda each=each, user=user: each.punch(user)))  # type: ignore[misc]  # bound at once
            threading.Event().wait(pauses.uniform(0.01, 0.03))
    return timed[0][20:], timed[1][20:]


def with_slow_syncs(folder: Path) -> list[float]:
    """Time the bridge while every sync takes 20 ms longer."""
    ears, pauses = Ears(), Random(2)  # noqa: S311 - pauses
    strace = ("strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null",
              "-e", "trace=fsync,fdatasync", "-e", "signal=none",
              "-e", f"inject=fsync,fdatasync:delay_exit={_SYNC_DELAY_US}")  # fmt: skip
    with (
        Mosquitto(folder / "mosquitto") as broker,
        Subscriber(broker.port, on_record=ears.hear) as subscriber,
        terminal("BENCH0001") as ours,
    ):
        options = terminal_options(ours, poll_interval=30)
        bridge = BridgeProcess(folder / "bridge", broker.port, options, log={"level": "info"})
        bridge.start(prefix=strace)
        children = Path(f"/proc/{bridge.pid}/task/{bridge.pid}/children")
        try:
            subscriber.wait_for(lambda rs: any(b'"synced":true' in r.payload for r in rs))
            timed = []
            for number in range(_DELAYED_PUNCHES + 10):
                user = str(number % _USERS + 1)
                timed.append(ears.time(lambda user=user: ours.punch(user)))  # type: ignore[misc]  # bound at once
                threading.Event().wait(pauses.uniform(0.03, 0.06))
            return timed[10:]
        finally:
            for child in children.read_text().split():
                subprocess.run(["/bin/kill", "-9", child], check=False)  # noqa: S603 - our own process
            bridge.wait()


def figures(timed: list[float]) -> dict[str, Any]:
    """Sum a series up."""
    return {
        "p50_ms": round(percentile(timed, 0.50), 2),
        "p90_ms": round(percentile(timed, 0.90), 2),
        "p99_ms": round(percentile(timed, 0.99), 2),
        "punches": len(timed),
    }


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = side_by_side(Path(folder) / "beside")
        delayed = with_slow_syncs(Path(folder) / "delayed")
    section = {
        "bridge": figures(ours),
        "pyzk_and_paho_without_store": figures(theirs),
        "bridge_to_bare_p50": round(percentile(ours, 0.5) / percentile(theirs, 0.5), 2),
        "bridge_with_syncs_20ms_slower": figures(delayed),
    }
    for name, found in section.items():
        print(name, found)
    write_section("latency", section)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        bare(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
