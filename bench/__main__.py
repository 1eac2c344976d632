"""Every benchmark in turn, as ``make bench`` does: ``python -m bench [NAME ...] [--quick]``.

Each runs in a process of its own and puts its section into ``bench/results.json``; what it
printed is followed by a table of that section. ``--quick`` takes smaller amounts and leaves the
file alone.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.results import RESULTS, RESULTS_VARIABLE

# What each is told by --quick.
_QUICK: Mapping[str, Sequence[str]] = {
    "client": ("--quick",),
    "publish": ("10000",),
    "store": ("50000",),
    "page": ("50000", "100"),
    "latency": (),
    "idle": ("10",),
    "fleet": ("15",),
    "soak": ("60",),
}
_ON_REQUEST = frozenset({"soak"})  # ten minutes


def flat(section: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, object]]:
    """Yield the figures of a section, named by all that is above them."""
    for name, value in section.items():
        path = f"{above}.{name}" if above else name
        if isinstance(value, Mapping):
            yield from flat(value, path)
        else:
            yield path, value


def show(name: str, section: Mapping[str, Any]) -> None:
    """Print a table of one section."""
    rows = list(flat(section))
    width = max((len(row) for row, _ in rows), default=0)
    print(f"\n{name}")
    for row, value in rows:
        text = f"{value:14,.3f}" if isinstance(value, float) else f"{value!s:>14}"
        print(f"  {row:{width}} {text}")
    print(flush=True)


def run(name: str, arguments: Sequence[str], results: Path) -> bool:
    """Run one benchmark and show its section; False when it failed."""
    print(f"=== {name}", flush=True)
    done = subprocess.run(  # noqa: S603  ourselves
        [sys.executable, "-m", f"bench.{name}", *arguments],
        env=os.environ | {RESULTS_VARIABLE: str(results)},
        check=False,
    )
    if done.returncode:
        print(f"{name} failed", file=sys.stderr)
        return False
    show(name, json.loads(results.read_text(encoding="utf-8")).get(name, {}))
    return True


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(_QUICK)}; default: all")
    parser.add_argument("--quick", action="store_true", help="smaller amounts, nothing written")
    parser.add_argument("--soak", action="store_true", help="the soak, too: ten minutes more")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(_QUICK):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    wanted = arguments.names or [
        name for name in _QUICK if arguments.soak or name not in _ON_REQUEST
    ]
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results.json" if arguments.quick else RESULTS
        failed = [
            name
            for name in wanted
            if not run(name, _QUICK[name] if arguments.quick else (), results)
        ]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
