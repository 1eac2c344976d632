"""What a command says besides its result, on standard error, so that results can be piped."""

import sys


def complain(line: str) -> None:
    """Say what went wrong and what to do about it."""
    print(f"zkbridge: {line}", file=sys.stderr)


def note(line: str) -> None:
    """Say something that is no result and no failure."""
    print(line, file=sys.stderr)
