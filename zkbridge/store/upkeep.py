"""The store's own thread: keeps the write-ahead log small, saves views, checks the file."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from zkbridge.store.database import Database
from zkbridge.store.errors import StoreError
from zkbridge.store.views import Views

_LOGGER = logging.getLogger(__name__)

_PAUSE_S: Final = 1.0
_QUIET_S: Final = 15.0
_LARGE_LOG_BYTES: Final = 1 << 20


class Upkeep:
    """Thread ``store-upkeep``; idle as long as nothing is written."""

    def __init__(self, database: Database, views: Views) -> None:
        self._database = database
        self._views = views
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-upkeep", daemon=True)
        self._checker: threading.Thread | None = None

    def start(self, *, check: bool) -> None:
        """Begin; after an unclean stop also look through the file, beside everything else."""
        self._thread.start()
        if check:
            self._checker = threading.Thread(
                target=self._guarded, args=(self._database.check,), name="store-check", daemon=True
            )
            self._checker.start()

    def stop(self) -> None:
        """Ask it to end."""
        self._stop.set()
        self._database.stop_check()

    def join(self, timeout_s: float) -> None:
        """Wait for its end."""
        self._thread.join(timeout_s)
        if self._checker is not None:
            self._checker.join(timeout_s)

    def _run(self) -> None:
        pause_s = _PAUSE_S
        while not self._stop.wait(pause_s):
            self._guarded(self._once)
            pause_s = _PAUSE_S

    def _once(self) -> None:
        self._views.save()
        if self._database.log_bytes() > _LARGE_LOG_BYTES:
            self._database.checkpoint()

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except StoreError as error:
            _LOGGER.debug("upkeep of the store: %s", error)
        except Exception:
            _LOGGER.exception("upkeep of the store failed")
