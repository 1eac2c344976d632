"""Errors in words: one line that says what failed and what to do, and the exit code.

No traceback, no secret, and nothing of a terminal's text that acts on a screen.
"""

from typing import Final

from zkbridge.config import ConfigError
from zkbridge.logs import printable
from zkbridge.store.errors import StoreError
from zkbridge.zk.errors import (
    ZKAuthFailed,
    ZKBusy,
    ZKEncrypted,
    ZKError,
    ZKNotATerminal,
    ZKNotSupported,
    ZKProtocolError,
    ZKUnreachable,
)

FINE: Final = 0
FAILED: Final = 1
WRONG_USAGE: Final = 2
INTERRUPTED: Final = 130


class UsageFault(Exception):
    """The command was given something it cannot use."""


class Failure(Exception):
    """An operation failed; the message says what, and what to do."""


# The first type that fits decides, so that a special case stands before its general one.
_CURES: Final[tuple[tuple[type[ZKError], str], ...]] = (
    (
        ZKBusy,
        "some serve one connection at a time: close what else uses it, or leave its menu",
    ),
    (
        ZKUnreachable,
        "check that it is powered, that the address is right and the port is not blocked",
    ),
    (ZKAuthFailed, "give the number in its menu under Comm. > PC Connection with --comm-key"),
    (ZKEncrypted, "its firmware talks encrypted only: switch that off in its menu"),
    (ZKNotSupported, "its firmware does not offer this; zkbridge check shows which reads work"),
    (ZKNotATerminal, "something else answers there: check the address and --port"),
    (ZKProtocolError, "restart it; if that does not help, report a recording (zkbridge capture)"),
    (ZKError, "try again"),
)


def cure(error: ZKError) -> str:
    """Say what helps against an error of a terminal."""
    return next(text for kind, text in _CURES if isinstance(error, kind))


EXPECTED: Final = (UsageFault, ConfigError, Failure, ZKError, StoreError, OSError)


def explained(error: Exception) -> tuple[int, list[str]]:
    """Turn one of :data:`EXPECTED` into an exit code and lines."""
    match error:
        case UsageFault():
            return WRONG_USAGE, [printable(str(error))]
        case ConfigError():
            return WRONG_USAGE, [printable(problem) for problem in error.problems]
        case ZKError():
            return FAILED, [f"{printable(str(error)).rstrip('.')}; {cure(error)}"]
        case OSError(strerror=str(reason)):
            place = "" if error.filename is None else f"{error.filename}: "
            return FAILED, [printable(f"{place}{reason}; check the path and its permissions")]
        case _:
            return FAILED, [printable(str(error))]
