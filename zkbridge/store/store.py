"""The bridge's memory: outbox, knowledge, cursors, last states. One file, any thread."""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from zkbridge.events import TerminalView
from zkbridge.store.connections import (
    ReaderPool,
    connect_writer,
    prepare_writer,
    translated,
)
from zkbridge.store.database import Database
from zkbridge.store.erasure import Erasure, erase_person
from zkbridge.store.errors import StoreDamaged, StoreError
from zkbridge.store.migrations import check_ours
from zkbridge.store.notes import Notes
from zkbridge.store.outbox import Outbox
from zkbridge.store.queries import Queries
from zkbridge.store.schema import VERSION
from zkbridge.store.terminals import load_terminals
from zkbridge.store.transaction import Transaction
from zkbridge.store.upkeep import Upkeep
from zkbridge.store.values import Forgotten, KnownTerminal
from zkbridge.store.views import Views

_LOGGER = logging.getLogger(__name__)

_JOIN_S: Final = 5.0


def utc_now() -> datetime:
    """Return the host's clock, aware UTC."""
    return datetime.now(UTC)


class Store(Outbox, Notes, Queries, Erasure):
    """Everything the bridge must not forget.

    Attributes:
        path: The SQLite file.
    """

    def __init__(self, path: Path, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.path = path
        self._database = Database(path, clock)
        self._views = Views(self._database, self._view_changed)
        self._upkeep: Upkeep | None = None

    def open(self) -> None:
        """Open or create the file, bring it up to date, begin its upkeep.

        Raises:
            StoreError: In one line, what to do.
        """
        self._database.open()
        try:
            self._views.load()
        except StoreDamaged:
            self._views.load()
        self._upkeep = Upkeep(self._database, self._views)
        self._database.nudge_with(self._upkeep.nudge)
        self._upkeep.start(check=self._database.begun.unclean)

    def close(self) -> None:
        """Leave a clean file; safe to call twice."""
        if self._upkeep is not None:
            self._upkeep.stop()
            self._upkeep.join(_JOIN_S)
            self._upkeep = None
            try:
                self._views.save()
            except StoreError as error:
                _LOGGER.warning("the terminals' last states were not kept: %s", error)
        self._database.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @property
    def instance(self) -> str:
        """8 characters that stay with the store."""
        return self._database.begun.instance

    @property
    def fresh(self) -> bool:
        """Whether no store was ever here."""
        return self._database.begun.fresh

    @property
    def recovered(self) -> bool:
        """Whether some terminal's records were known to a file that is lost; see KnownTerminal."""
        return self._database.begun.recovered

    @property
    def damaged_aside(self) -> str | None:
        """Where a damaged file went, when that happened in this run."""
        return self._database.damaged_aside

    @property
    def syncs(self) -> int:
        """How many transactions waited for the disk since the store was opened."""
        return self._database.commits

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Write; on the disk when the with-block has been left without error.

        Threads' transactions run one after the other and share syncs: nothing slow inside, and no
        other transaction. An exception undoes this one only.

        Raises:
            StoreFull: Nothing was written; try again later.
            StoreDamaged: The file was replaced: ask for terminals and cursors again.
        """
        with self._database.write() as body:
            yield Transaction(self._database, body)

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called, from any thread, when events wait or a view changed; be quick."""
        self._database.subscribe(wake)

    def unsubscribe(self, wake: Callable[[], None]) -> None:
        """End a subscription; one more call may be on its way."""
        self._database.unsubscribe(wake)

    @property
    def erasures(self) -> int:
        """Grows when events that wait may have been erased: what was read ahead is void."""
        return self._database.memory.erasures

    @property
    def punch_versions(self) -> Mapping[int, int]:
        """By terminal's number: grows when its stored punches change; see :meth:`terminals`."""
        return self._database.memory.punch_versions

    def set_view(self, view: TerminalView) -> None:
        """Take a terminal's newest view; wakes subscribers when it differs from the last one."""
        self._views.put(view)

    def keep_views(self, ids: Iterable[str]) -> None:
        """Drop the views of terminals that are configured no more."""
        self._views.keep(ids)

    def views(self) -> list[TerminalView]:
        """Return all views, those from before the last restart too."""
        return self._views.all()

    @property
    def view_version(self) -> int:
        """Grows with every change of a view."""
        return self._views.version

    def _view_changed(self) -> None:
        if self._upkeep is not None:
            self._upkeep.nudge()
        self._database.wake()

    def _read(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._database.read()

    def _known(self) -> Mapping[int, KnownTerminal]:
        return self._database.memory.terminals


class ReadOnlyStore(Queries):
    """The queries alone, also while a bridge holds the store."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._readers = ReaderPool(path)

    def open(self) -> None:
        """Look whether the file can be read.

        Raises:
            StoreError: There is none, or it is not one of ours, or of another version.
        """
        if not self._path.is_file():
            raise StoreError(f"there is no store at {self._path}: check store.path")
        with self._read() as connection:
            version = check_ours(connection, self._path)
        if version != VERSION:
            raise StoreError(
                f"{self._path} is from another version of zkbridge: start the bridge once"
            )

    def close(self) -> None:
        """Close what is open."""
        self._readers.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._readers.reader() as connection:
                yield connection
        except sqlite3.Error as error:
            raise translated(error, self._path) from error

    def _known(self) -> Mapping[int, KnownTerminal]:
        with self._read() as connection:
            return load_terminals(connection)


def forget_in_file(path: Path, user_id: str) -> Forgotten:
    """Erase one person from a store, whether a bridge is running on it or not.

    The bridge notices, or finds at its next start, which retained topics it has to clear.

    Raises:
        StoreError: The file cannot be used.
    """
    if not path.is_file():
        raise StoreError(f"there is no store at {path}: check store.path")
    try:
        connection = connect_writer(path)
        try:
            if check_ours(connection, path) != VERSION:
                raise StoreError(
                    f"{path} is from another version of zkbridge: start the bridge once"
                )
            prepare_writer(connection)
            connection.execute("BEGIN IMMEDIATE")
            forgotten = erase_person(connection, path, user_id)
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise translated(error, path) from error
    return forgotten
