"""Tell systemd how the service is doing (``Type=notify`` and its watchdog). Nothing else.

Without systemd's environment everything here is a no-op. Source: sd_notify(3).
"""

import os
import socket
from collections.abc import Mapping
from typing import Final

READY: Final = "READY=1"
STOPPING: Final = "STOPPING=1"
RELOADING: Final = "RELOADING=1"
ALIVE: Final = "WATCHDOG=1"


def notify(state: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Send one state to the service manager.

    Args:
        state: Lines like ``READY=1`` or ``STATUS=2 of 2 terminals online``.
        environ: Where ``NOTIFY_SOCKET`` is looked up.

    Returns:
        Whether there was a manager to tell; a manager that does not listen changes nothing.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in {"/", "@"}:
        return False
    name = "\0" + address[1:] if address[0] == "@" else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(name)
            sender.sendall(state.encode())
    except OSError:
        return False
    return True


def watchdog_interval_s(environ: Mapping[str, str] = os.environ) -> float | None:
    """Return how often :data:`ALIVE` is due, half of what systemd tolerates; None: never."""
    limit = environ.get("WATCHDOG_USEC", "")
    for_whom = environ.get("WATCHDOG_PID")
    if not limit.isdigit() or int(limit) == 0 or for_whom not in {None, str(os.getpid())}:
        return None
    return int(limit) / 2e6
