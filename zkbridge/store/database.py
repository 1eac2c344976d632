"""The file: opened, migrated, replaced when damaged; lends connections to the rest."""

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from zkbridge.store import salvage
from zkbridge.store.commits import Body, GroupCommit
from zkbridge.store.connections import (
    ReaderPool,
    connect_writer,
    is_damage,
    prepare_writer,
    translated,
)
from zkbridge.store.effects import Effects
from zkbridge.store.errors import StoreDamaged, StoreError
from zkbridge.store.life import Begun, Found, begin, put_meta
from zkbridge.store.memory import Memory
from zkbridge.store.migrations import check_ours, migrate
from zkbridge.store.sidecar import Life, Sidecar

_LOGGER = logging.getLogger(__name__)

_EMPTY_WAIT_MS: Final = 2000
_BUSY_MS: Final = 30_000


class Database:
    """Connections, and in ``memory`` what must be quick.

    Attributes:
        begun: What is known of the store since it is open.
        damaged_aside: Where a damaged file went, when that happened in this run.
        epoch: Grows when a damaged file is replaced.
        log_to_empty: Something erased may still be in the write-ahead log.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self.path = path
        self.clock = clock
        self.begun = Begun(
            instance="", salt=b"", count=0, fresh=False, recovered=False, unclean=False
        )
        self.damaged_aside: str | None = None
        self.epoch = 0
        self.log_to_empty = False
        self.memory = Memory()
        self._sidecar = Sidecar(path)
        self._commits: GroupCommit | None = None
        self._readers: ReaderPool | None = None
        self._replacing = threading.Lock()
        self._is_open = False
        # Of a damaged file that is renamed and not yet replaced.
        self._aside: Path | None = None
        self._nudge: Callable[[], None] = _nothing
        self._subscribers: list[Callable[[], None]] = []

    # opening and closing

    def open(self) -> None:
        """Open or create the file; blocks for as long as a migration takes.

        Raises:
            StoreError: In one line, what to do.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the folder of the store {self.path}: {error.strerror}") from error
        noted = self._sidecar.acquire()
        try:
            self._open(noted)
        except sqlite3.Error as error:
            self._sidecar.release()
            raise translated(error, self.path) from error
        except BaseException:
            self._sidecar.release()
            raise
        self._is_open = True

    def close(self) -> None:
        """Leave a clean file; safe to call twice."""
        if not self._is_open:
            return
        count = self.begun.count + 1
        try:
            with self.write() as body:
                put_meta(body, clean=1, life=count, newest_seen=self.memory.newest_seen_us)
            self._note_life(count)
            self.empty_log()
        except StoreError as error:
            _LOGGER.warning("the store was not closed cleanly: %s", error)
        self._is_open = False
        self._disconnect()
        self._sidecar.release()

    def _open(self, noted: Life | None) -> None:
        if noted is not None and noted.aside:
            # The last run ended while it replaced a damaged file.
            self._aside = self.path.with_name(noted.aside)
            self._begin_anew(noted)
            return
        existed = self.path.exists() and self.path.stat().st_size > 0
        try:
            self._adopt(self._connect(), Found(noted=noted, existed=existed))
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._begin_anew(noted)

    def _connect(self) -> sqlite3.Connection:
        try:
            # People's data: nobody else's to read. The log file gets the same rights.
            self.path.touch(mode=0o600)
        except OSError as error:
            raise StoreError(f"the store {self.path} cannot be used: {error.strerror}") from error
        writer = connect_writer(self.path)
        try:
            version = check_ours(writer, self.path)
            prepare_writer(writer)
            migrate(writer, version)
        except BaseException:
            writer.close()
            raise
        return writer

    def _begin_anew(self, noted: Life | None) -> None:
        aside = self._aside or salvage.aside_for(self.path, self.clock())
        self._aside = aside
        if noted is not None:
            self._sidecar.write(replace(noted, aside=aside.name))
        try:
            salvage.set_aside(self.path, aside)
        except OSError as error:
            raise StoreError(
                f"the damaged store {self.path} cannot be renamed: {error.strerror}"
            ) from error
        self.damaged_aside = str(aside)
        highest = max(self.memory.terminals, default=0)
        writer = self._connect()
        try:
            saved = salvage.salvage(aside, writer, highest)
        except BaseException:
            writer.close()
            raise
        self._adopt(
            writer,
            Found(
                noted=noted,
                existed=False,
                damaged=True,
                highest=highest,
            ),
        )
        self._aside = None
        _LOGGER.error(
            "the store %s was damaged and is now %s; a new one was begun with %d undelivered events"
            " saved from it; the last 7 days of the terminals' logs are sent once more as late",
            self.path,
            aside,
            saved,
        )

    def _adopt(self, writer: sqlite3.Connection, found: Found) -> None:
        try:
            self.begun = begin(writer, found, self.path, self.clock())
            self.memory.load(writer)
        except BaseException:
            writer.close()
            raise
        self._readers = ReaderPool(self.path)
        self._commits = GroupCommit(writer, self._committed)
        self._note_life(self.begun.count)

    def _life(self, count: int) -> Life:
        terminals = {known.key: known.id for known in self.memory.terminals.values()}
        return Life(instance=self.begun.instance, count=count, terminals=terminals)

    def _note_life(self, count: int) -> None:
        self._sidecar.write(self._life(count))

    def _disconnect(self) -> None:
        if self._readers is not None:
            self._readers.close()
        if self._commits is not None:
            self._commits.retire()
        self._readers = self._commits = None

    # reading and writing

    @contextmanager
    def write(self, *, synced: bool = True) -> Iterator[Body]:
        """Run the with-block in the group's transaction.

        Raises:
            StoreFull: Nothing was written; try again later.
            StoreDamaged: The file was replaced by a new one.
            StoreError: Anything else.
        """
        epoch = self.epoch
        commits = self._commits or self._connected()._commits  # noqa: SLF001 - itself
        if commits is None:
            raise StoreError(f"the store {self.path} is not open")
        try:
            with commits.body(synced=synced) as body:
                yield body
        except sqlite3.Error as error:
            raise self.failure(error, epoch) from error

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Lend a read-only connection.

        Raises:
            StoreDamaged: The file was replaced by a new one.
            StoreError: Anything else.
        """
        epoch = self.epoch
        readers = self._readers or self._connected()._readers  # noqa: SLF001 - itself
        if readers is None:
            raise StoreError(f"the store {self.path} is not open")
        try:
            with readers.reader() as connection:
                yield connection
        except sqlite3.Error as error:
            if self._commits is not None and self._commits.is_mine():
                # The file cannot be replaced under an open transaction: when that is left.
                raise
            raise self.failure(error, epoch) from error

    def exclusively(self, action: Callable[[sqlite3.Connection], object]) -> None:
        """Run something between transactions, with the connection that writes."""
        epoch = self.epoch
        commits = self._commits
        if commits is None:
            return
        try:
            commits.exclusively(action)
        except sqlite3.Error as error:
            raise self.failure(error, epoch) from error

    def empty_log(self) -> None:
        """Move all the log's pages into the file and leave the log empty, or note that it is due.

        A thread that is reading may be in the way.
        """
        done: list[bool] = []

        def truncate(connection: sqlite3.Connection) -> None:
            connection.execute(f"PRAGMA busy_timeout={_EMPTY_WAIT_MS}")
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
            done.append(not busy)

        self.log_to_empty = True
        self.exclusively(truncate)
        self.log_to_empty = done != [True]

    @property
    def commits(self) -> int:
        """How many synced commits the file has had since it is in use."""
        return 0 if self._commits is None else self._commits.commits

    # damage

    def failure(self, error: sqlite3.Error, epoch: int) -> StoreError:
        """Return what to raise for SQLite's error; replaces the file when that says damage."""
        if is_damage(error):
            self.replace_damaged(epoch)
            return StoreDamaged(f"the store {self.path} was damaged and has been replaced")
        return translated(error, self.path)

    def replace_damaged(self, epoch: int) -> None:
        """Set the damaged file aside and go on with a new one, once for all who met it."""
        with self._replacing:
            if epoch != self.epoch or not self._is_open:
                return
            self._disconnect()
            self._replace()

    def _replace(self) -> None:
        try:
            self._begin_anew(self._life(self.begun.count))
        except sqlite3.Error as error:
            # Whoever reads or writes next tries again.
            raise translated(error, self.path) from error
        self.epoch += 1
        self.wake()

    def _connected(self) -> "Database":
        """Try once more what a full disk kept from being replaced."""
        if self._is_open:
            with self._replacing:
                if self._commits is None:
                    self._replace()
        return self

    # those who want to know

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Have something cheap called after each commit that others should know of."""
        self._subscribers.append(wake)

    def unsubscribe(self, wake: Callable[[], None]) -> None:
        """Call it no more; nothing happens where it is not called."""
        with contextlib.suppress(ValueError):
            self._subscribers.remove(wake)

    def nudge_with(self, nudge: Callable[[], None]) -> None:
        """Have the upkeep told of every commit."""
        self._nudge = nudge

    def wake(self) -> None:
        """Tell everyone who subscribed."""
        for wake in tuple(self._subscribers):
            wake()

    def _committed(self, effects: list[Effects]) -> None:
        before = len(self.memory.terminals)
        self.memory.apply(effects)
        if len(self.memory.terminals) != before:
            self._note_life(self.begun.count)
        self._nudge()
        if any(change > 0 for one in effects for change in one.pending.values()):
            self.wake()


def _nothing() -> None:
    """Stand in until there is somebody to nudge."""
