"""A simulated terminal in a process of its own, so that it shares no interpreter with a client.

Talks on its standard streams: prints its port, then answers each line it is given.
"""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from time import monotonic_ns
from types import TracebackType
from typing import Any, Self

from zkbridge.simulator import SimulatedPunch, SimulatedTerminal, pack_time

USERS = 100
FIRST = datetime.fromisoformat("2025-01-01T08:00:00")


def punches(count: int) -> list[SimulatedPunch]:
    """Punches a minute apart, on days that all calendars have."""
    made = []
    for index in range(count):
        day, minute = divmod(index, 600)
        moment = FIRST + timedelta(days=day, minutes=minute, seconds=index % 60)
        user = index % USERS + 1
        made.append(SimulatedPunch(str(user), pack_time(moment), 1, index % 2, user))
    return made


def serve(count: int, behaviour: dict[str, Any]) -> None:
    """Run the terminal until standard input ends."""
    with SimulatedTerminal(punch_capacity=2_000_000, **behaviour) as terminal:
        for user in range(1, USERS + 1):
            terminal.add_user(str(user), f"Person {user}")
        terminal.load_punches(punches(count))
        print(terminal.port, flush=True)
        for line in sys.stdin:
            match line.split():
                case ["punch"]:
                    before = monotonic_ns()
                    terminal.punch("5")
                    print(before, flush=True)
                case ["registered"]:
                    print(int(terminal.wait_for(lambda: terminal.registered > 0)), flush=True)
                case ["reset"]:
                    terminal.reset_counters()
                    print(0, flush=True)
                case ["requests"]:
                    print(sum(terminal.requests.values()), flush=True)
                case ["bytes"]:
                    print(terminal.bytes_in + terminal.bytes_out, flush=True)
                case _:
                    print(-1, flush=True)


class TerminalProcess:
    """The other end: starts the process and asks it.

    Attributes:
        port: Where the terminal listens.
    """

    def __init__(self, count: int, **behaviour: Any) -> None:  # noqa: ANN401  as the simulator's
        self._arguments = [str(count), json.dumps(behaviour)]
        self.port = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603  ourselves
            [sys.executable, "-m", "bench.terminal", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = self._answer()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(30)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def ask(self, what: str) -> int:
        """Send one line and return the number answered."""
        if self._process.stdin is None:
            raise RuntimeError("the terminal has no standard input")
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> int:
        if self._process.stdout is None:
            raise RuntimeError("the terminal has no standard output")
        return int(self._process.stdout.readline())


if __name__ == "__main__":
    serve(int(sys.argv[1]), json.loads(sys.argv[2]))
