"""The file: opened, migrated, checked, replaced when damaged; lends connections to the rest."""

import logging
import secrets
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from zkbridge.store import salvage
from zkbridge.store.commits import Body, GroupCommit
from zkbridge.store.connections import (
    ReaderPool,
    connect_reader,
    connect_writer,
    is_damage,
    prepare_writer,
    translated,
)
from zkbridge.store.effects import Effects
from zkbridge.store.errors import StoreDamaged, StoreError
from zkbridge.store.migrations import check_ours, migrate
from zkbridge.store.sidecar import Life, Sidecar
from zkbridge.store.terminals import load_terminals
from zkbridge.store.values import KnownTerminal, Lane

_LOGGER = logging.getLogger(__name__)

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_SEEN_WINDOW: Final = 1000


class Database:
    """Connections, and in memory what must be quick: terminals and the queue's size.

    Attributes:
        fresh: No store was ever here.
        recovered: An earlier file was damaged, deleted or replaced by an older copy; terminals that
            were in it carry ``recovered`` until their next first contact is done.
        damaged_aside: Where the damaged file went, when that happened in this run.
        instance: 8 characters that stay with the store.
    """

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self.path = path
        self.clock = clock
        self.fresh = False
        self.recovered = False
        self.damaged_aside: str | None = None
        self.instance = ""
        self.salt = b""
        self.terminals: dict[int, KnownTerminal] = {}
        self.pending: Counter[tuple[int, Lane]] = Counter()
        self.refused = 0
        self.newest_seen_us = 0
        self.unclean = False
        self._sidecar = Sidecar(path)
        self._life = 0
        self._commits: GroupCommit | None = None
        self._readers: ReaderPool | None = None
        self._epoch = 0
        self._replacing = threading.Lock()
        self._memory = threading.Lock()
        self._checking: sqlite3.Connection | None = None
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

    def close(self) -> None:
        """Leave a clean file; safe to call twice."""
        if self._commits is None:
            return
        try:
            with self.write() as body:
                self._life += 1
                _put_meta(body.connection, clean=1, life=self._life)
            self._note_life()
            self.checkpoint(whole=True)
        except StoreError as error:
            _LOGGER.warning("the store was not closed cleanly: %s", error)
        self._disconnect()
        self._sidecar.release()

    def _open(self, noted: Life | None) -> None:
        existed = self.path.exists() and self.path.stat().st_size > 0
        try:
            writer = self._connect()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            writer = self._connect_anew()
        self._adopt(writer, noted, existed=existed and self.damaged_aside is None)

    def _connect(self) -> sqlite3.Connection:
        self._create_private()
        writer = connect_writer(self.path)
        try:
            version = check_ours(writer, self.path)
            prepare_writer(writer)
            migrate(writer, version)
        except BaseException:
            writer.close()
            raise
        return writer

    def _create_private(self) -> None:
        try:
            self.path.touch(mode=0o600)
        except OSError as error:
            raise StoreError(f"the store {self.path} cannot be used: {error.strerror}") from error

    def _connect_anew(self) -> sqlite3.Connection:
        aside = salvage.set_aside(self.path, self.clock())
        self.damaged_aside = str(aside)
        writer = self._connect()
        saved = salvage.salvage(aside, writer, max(self.terminals, default=0))
        _LOGGER.error(
            "the store %s was damaged and is now %s; a new one was begun with %d undelivered events"
            " saved from it; the last 7 days of the terminals' logs are sent once more as late",
            self.path,
            aside,
            saved,
        )
        return writer

    def _adopt(self, writer: sqlite3.Connection, noted: Life | None, *, existed: bool) -> None:
        """Take a writer into use; an earlier life shows in what was noted beside the file."""
        meta = dict(writer.execute("SELECT key, value FROM meta"))
        lost = not existed and (noted is not None or self.damaged_aside is not None)
        older_copy = existed and noted is not None and noted.count > int(meta.get("life", 0))
        self.instance = meta.get("instance") or (noted.instance if noted else "") or _instance()
        self.salt = meta.get("salt") or secrets.token_bytes(16)
        self._life = max(int(meta.get("life", 0)), noted.count if noted else 0) + 1
        self.recovered = bool(meta.get("recovered")) or lost or older_copy
        self.fresh = not existed and not lost
        self.unclean = existed and not meta.get("clean")
        writer.execute("BEGIN IMMEDIATE")
        _put_meta(
            writer,
            instance=self.instance,
            salt=self.salt,
            life=self._life,
            recovered=int(self.recovered),
            clean=0,
        )
        if older_copy:
            writer.execute(
                "UPDATE terminals SET recovered = 1, first_contact = NULL,"
                " cursor_punches = NULL, cursor_operations = NULL"
            )
        if lost:
            _reserve(writer, noted, max(self.terminals, default=0))
        writer.execute("COMMIT")
        if older_copy or (lost and self.damaged_aside is None):
            _LOGGER.warning(
                "the store %s is %s: the last 7 days of the terminals' logs are sent once more as"
                " late, what is older is taken as known",
                self.path,
                "an older copy" if older_copy else "new, but there was one here before",
            )
        self._load(writer)
        self._readers = ReaderPool(self.path)
        self._commits = GroupCommit(writer, self._committed)
        self._note_life()

    def _load(self, connection: sqlite3.Connection) -> None:
        """Read into memory what must be quick."""
        terminals = load_terminals(connection)
        counts = connection.execute(
            "SELECT terminal, lane, count(*) FROM events INDEXED BY pending"
            " WHERE state = 0 GROUP BY lane, terminal"
        ).fetchall()
        (refused,) = connection.execute("SELECT count(*) FROM events WHERE state = 2").fetchone()
        (newest,) = connection.execute(
            "SELECT max(seen_at) FROM (SELECT seen_at FROM events ORDER BY seq DESC LIMIT ?)",
            (_SEEN_WINDOW,),
        ).fetchone()
        noted = connection.execute("SELECT value FROM meta WHERE key = 'newest_seen'").fetchone()
        with self._memory:
            self.terminals = terminals
            self.pending = Counter(
                {(terminal, Lane(lane)): count for terminal, lane, count in counts}
            )
            self.refused = refused
            self.newest_seen_us = max(newest or 0, noted[0] if noted else 0)

    def _note_life(self) -> None:
        terminals = {known.key: known.id for known in self.terminals.values()}
        self._sidecar.write(Life(instance=self.instance, count=self._life, terminals=terminals))

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
        epoch = self._epoch
        commits = self._commits
        if commits is None:
            raise StoreError(f"the store {self.path} is not open")
        try:
            with commits.body(synced=synced) as body:
                yield body
        except sqlite3.Error as error:
            raise self._failure(error, epoch) from error

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Lend a read-only connection.

        Raises:
            StoreDamaged: The file was replaced by a new one.
            StoreError: Anything else.
        """
        epoch = self._epoch
        readers = self._readers
        if readers is None:
            raise StoreError(f"the store {self.path} is not open")
        try:
            with readers.reader() as connection:
                yield connection
        except sqlite3.Error as error:
            raise self._failure(error, epoch) from error

    def _failure(self, error: sqlite3.Error, epoch: int) -> StoreError:
        if is_damage(error):
            self.replace_damaged(epoch)
            return StoreDamaged(f"the store {self.path} was damaged and has been replaced")
        return translated(error, self.path)

    def replace_damaged(self, epoch: int) -> None:
        """Set the damaged file aside and go on with a new one, once for all who met it."""
        with self._replacing:
            if epoch != self._epoch or self._commits is None:
                return
            self._epoch += 1
            life = Life(
                instance=self.instance,
                count=self._life,
                terminals={known.key: known.id for known in self.terminals.values()},
            )
            self._disconnect()
            try:
                self._adopt(self._connect_anew(), life, existed=False)
            except sqlite3.Error as error:
                raise translated(error, self.path) from error
        self.wake()

    def check(self) -> None:
        """Look through the whole file, beside the work; replaces it when it is damaged."""
        epoch = self._epoch
        try:
            with self._checker() as connection:
                (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            if not is_damage(error):
                _LOGGER.debug("checking the store: %s", error)
                return
            verdict = str(error)
        if verdict != "ok":
            _LOGGER.error("the store %s: %s", self.path, verdict)
            self.replace_damaged(epoch)

    @contextmanager
    def _checker(self) -> Iterator[sqlite3.Connection]:
        connection = connect_reader(self.path)
        with self._memory:
            self._checking = connection
        try:
            yield connection
        finally:
            with self._memory:
                self._checking = None
            connection.close()

    def stop_check(self) -> None:
        """End a check that is running; the next start begins it again."""
        with self._memory:
            if self._checking is not None:
                self._checking.interrupt()

    # memory

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Have something cheap called after each commit that others should know of."""
        self._subscribers.append(wake)

    def wake(self) -> None:
        """Tell everyone who subscribed."""
        for wake in self._subscribers:
            wake()

    def _committed(self, effects: list[Effects]) -> None:
        terminals_before = len(self.terminals)
        with self._memory:
            for one in effects:
                self.terminals.update(one.terminals)
                for place, change in one.pending.items():
                    self.pending[place] += change
                    if self.pending[place] <= 0:
                        del self.pending[place]
                self.refused += one.refused
                self.newest_seen_us = max(self.newest_seen_us, one.newest_seen_us)
        if len(self.terminals) != terminals_before:
            self._note_life()
        if any(one.pending for one in effects):
            self.wake()

    def queued(self) -> dict[tuple[int, Lane], int]:
        """Return how many events wait, by terminal and lane; empty queues are left out."""
        with self._memory:
            return dict(self.pending)

    # the log file

    def checkpoint(self, *, whole: bool = False) -> None:
        """Move the log's pages into the file.

        Args:
            whole: Also make the log file empty.
        """
        commits = self._commits
        if commits is None:
            return
        mode = "TRUNCATE" if whole else "PASSIVE"

        def run(connection: sqlite3.Connection) -> None:
            connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()

        try:
            commits.exclusively(run)
        except sqlite3.Error as error:
            raise translated(error, self.path) from error

    def log_bytes(self) -> int:
        """Return the size of the write-ahead log."""
        try:
            return self.path.with_name(self.path.name + "-wal").stat().st_size
        except OSError:
            return 0


def _instance() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(8))


def _put_meta(connection: sqlite3.Connection, **values: object) -> None:
    connection.executemany(
        "INSERT INTO meta VALUES(?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        list(values.items()),
    )


def _reserve(writer: sqlite3.Connection, noted: Life | None, highest: int) -> None:
    """Keep places for terminals of the lost file, and number those to come above its highest."""
    writer.execute("DELETE FROM sqlite_sequence WHERE name = 'terminals'")
    writer.execute(
        "INSERT INTO sqlite_sequence"
        " SELECT 'terminals', max(?, coalesce(max(terminal), 0)) FROM terminals",
        (highest,),
    )
    if noted is None or noted.unreadable:
        _put_meta(writer, lost_all=1)
        return
    writer.executemany(
        "INSERT OR IGNORE INTO terminals(key, id, name, host, port, recovered)"
        " VALUES(?, ?, ?, '', 0, 1)",
        [(key, terminal_id, terminal_id) for key, terminal_id in noted.terminals.items()],
    )
