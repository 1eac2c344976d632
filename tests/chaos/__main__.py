"""``python -m tests.chaos``: break everything for a while, then count the punches."""

import argparse
import secrets
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from tests.chaos.laboratory import Laboratory, Plan


def _leave(number: int, _frame: FrameType | None) -> None:
    """End in order, so that no process and no file system is left behind."""
    sys.exit(128 + number)


def main() -> int:
    """Run once; returns 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--duration", type=float, default=60.0, help="seconds")
    parser.add_argument("--seed", type=int, default=None, help="repeats the faults of a run")
    parser.add_argument("--rate", type=float, default=60.0, help="punches per second")
    parser.add_argument("--kills", type=int, default=0, help="go on until so many")
    parser.add_argument("--punches", type=int, default=0, help="go on until so many")
    parser.add_argument("--kill-within", type=float, default=2.0, help="seconds of work")
    parser.add_argument("--fault-every", type=float, default=0.5, help="seconds, on average")
    parser.add_argument("--keep", type=Path, default=None, help="folder for logs and store")
    given = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    seed = secrets.randbelow(1_000_000) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)  # noqa: T201 - a program
    plan = Plan(
        seed=seed,
        duration_s=given.duration,
        rate=given.rate,
        kill_within_s=given.kill_within,
        fault_every_s=given.fault_every,
        kills=given.kills,
        punches=given.punches,
    )
    with tempfile.TemporaryDirectory(prefix="zkbridge-chaos-") as temporary:
        folder = given.keep or Path(temporary)
        lab = Laboratory(folder, plan, lambda line: print(line, flush=True))  # noqa: T201 - a program
        verdict = lab.run()
    done = ", ".join(f"{name} {times}" for name, times in sorted(lab.done.items()))
    print(f"happened: {done}")  # noqa: T201 - a program
    print("\n".join(verdict.lines()))  # noqa: T201 - a program
    return 0 if verdict.fine else 1


if __name__ == "__main__":
    sys.exit(main())
