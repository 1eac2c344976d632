"""The program: ``zkbridge`` and ``python -m zkbridge``.

``run`` and ``addon`` start without the command line's libraries, which a service would carry
for years without using them.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

WRONG_USAGE: Final = 2


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USAGE, f"zkbridge: {message} See: {self.prog} --help\n")


def main() -> int:
    """Run one command; returns its exit code."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["run"]:
        return run_bridge(_run_arguments(arguments[1:]).config)
    if arguments[:1] == ["addon"]:
        chosen = _addon_arguments(arguments[1:])
        return run_addon(chosen.options, chosen.data)
    from zkbridge.cli import main as command_line  # noqa: PLC0415 - see the module's text

    return command_line(arguments)


def _run_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser("zkbridge run", description="Run the bridge in the foreground.")
    parser.add_argument("-c", "--config", type=Path, default=Path("config.yaml"))
    return parser.parse_args(arguments)


def _addon_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser("zkbridge addon", description="Run as a Home Assistant add-on.")
    parser.add_argument("--options", type=Path, default=Path("/data/options.json"))
    parser.add_argument("--data", type=Path, default=Path("/data"))
    return parser.parse_args(arguments)


def run_bridge(config: Path) -> int:
    """Run the bridge until it is stopped; returns an exit code."""
    from zkbridge import app, logs  # noqa: PLC0415 - nothing else needs them
    from zkbridge.config import ConfigError, load  # noqa: PLC0415 - the same

    try:
        options = load(config)
    except ConfigError as error:
        for problem in error.problems:
            sys.stderr.write(f"zkbridge: {logs.printable(problem)}\n")
        return WRONG_USAGE
    return app.run(options, reload=lambda: load(config))


def run_addon(options: Path, data: Path) -> int:
    """Run the add-on until it is stopped; returns an exit code."""
    from zkbridge import addon, app  # noqa: PLC0415 - nothing else needs them

    return addon.main(options, data, os.environ, run=app.run)


if __name__ == "__main__":
    sys.exit(main())
