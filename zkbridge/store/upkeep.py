"""The store's own thread: keeps the write-ahead log small, saves views, checks the file."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from zkbridge.store.database import Database
from zkbridge.store.errors import StoreError
from zkbridge.store.housekeeping import Housekeeping
from zkbridge.store.views import Views

_LOGGER = logging.getLogger(__name__)

# After the first of several commits; what they leave behind is dealt with once.
_PAUSE_S: Final = 1.0
# Another process (forget) may have written: looked at that often when nothing else happens.
_QUIET_S: Final = 15.0


class Upkeep:
    """Thread ``store-upkeep``; asleep as long as nothing is written."""

    def __init__(self, database: Database, views: Views) -> None:
        self._housekeeping = Housekeeping(database)
        self._views = views
        self._stop = threading.Event()
        self._nudged = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-upkeep", daemon=True)
        self._checker: threading.Thread | None = None

    def start(self, *, check: bool) -> None:
        """Begin; after an unclean stop also look through the file, beside everything else."""
        self._thread.start()
        if check:
            self._checker = threading.Thread(
                target=self._guarded,
                args=(self._housekeeping.check,),
                name="store-check",
                daemon=True,
            )
            self._checker.start()

    def nudge(self) -> None:
        """Say that something was written; any thread."""
        self._nudged.set()

    def stop(self) -> None:
        """Ask it to end."""
        self._stop.set()
        self._nudged.set()
        self._housekeeping.stop_check()

    def join(self, timeout_s: float) -> None:
        """Wait for its end."""
        self._thread.join(timeout_s)
        if self._checker is not None:
            self._checker.join(timeout_s)

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._nudged.wait(_QUIET_S):
                self._stop.wait(_PAUSE_S)
                self._nudged.clear()
            if not self._stop.is_set():
                self._guarded(self._once)

    def _once(self) -> None:
        self._views.save()
        self._housekeeping.run()

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except StoreError as error:
            _LOGGER.debug("upkeep of the store: %s", error)
        except Exception:
            _LOGGER.exception("upkeep of the store failed")
