"""What keeps the file well beside the work: checkpoints, the check, other processes' writes."""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from zkbridge.store.connections import connect_reader, connect_writer, is_damage
from zkbridge.store.database import Database

_LOGGER = logging.getLogger(__name__)

# Rows written since the last checkpoint; some pages of the log each. The more at once, the fewer
# pages go into the file more than once.
_MANY_CHANGES: Final = 1000
_LONG_LOG_PAGES: Final = 8000


class Housekeeping:
    """Called by the upkeep's threads, and nobody else."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._changes = 0
        self._data_version: int | None = None
        self._epoch = database.epoch
        self._lock = threading.Lock()
        self._checking: sqlite3.Connection | None = None
        self._stopped = False

    def run(self) -> None:
        """Do what is due."""
        changes = self.notice_others()
        if self._database.log_to_empty:
            self._database.empty_log()
        if changes - self._changes >= _MANY_CHANGES:
            self.checkpoint()
            self._changes = changes

    def notice_others(self) -> int:
        """Read again what is kept in memory, if another process has written.

        Returns:
            How many rows this one has written.
        """
        counts: list[int] = []
        noticed: list[bool] = []

        def look(connection: sqlite3.Connection) -> None:
            (version,) = connection.execute("PRAGMA data_version").fetchone()
            known, self._data_version = self._data_version, version
            epoch, self._epoch = self._epoch, self._database.epoch
            if epoch != self._epoch:
                self._changes = 0
            elif known not in {None, version}:
                self._database.memory.load(connection)
                noticed.append(True)
            counts.append(connection.total_changes)

        self._database.exclusively(look)
        if noticed:
            self._database.wake()
        return counts[0] if counts else self._changes

    def checkpoint(self) -> None:
        """Move the log's pages into the file, so that the log can begin anew.

        It runs beside the producers. Only where they write all the time they wait, once for
        several megabytes, while it moves what they wrote meanwhile.
        """
        with self._writer() as connection:
            (_, pages, _) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if pages > _LONG_LOG_PAGES:
                # The log begins anew only when nobody wrote to it since its last checkpoint.
                self._database.exclusively(
                    lambda _: connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                )

    def check(self) -> None:
        """Look through the whole file; it is replaced when it is damaged."""
        epoch = self._database.epoch
        try:
            with self._checker() as connection:
                if self._stopped:
                    return
                (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            if not is_damage(error):
                _LOGGER.debug("checking the store: %s", error)
                return
            verdict = str(error)
        if verdict != "ok":
            _LOGGER.error("the store %s: %s", self._database.path, verdict)
            self._database.replace_damaged(epoch)

    def stop_check(self) -> None:
        """End a check that is running."""
        with self._lock:
            self._stopped = True
            if self._checking is not None:
                self._checking.interrupt()

    @contextmanager
    def _checker(self) -> Iterator[sqlite3.Connection]:
        connection = connect_reader(self._database.path)
        with self._lock:
            self._checking = connection
        try:
            yield connection
        finally:
            with self._lock:
                self._checking = None
            connection.close()

    @contextmanager
    def _writer(self) -> Iterator[sqlite3.Connection]:
        epoch = self._database.epoch
        try:
            connection = connect_writer(self._database.path)
            try:
                yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise self._database.failure(error, epoch) from error
