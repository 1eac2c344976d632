"""Group commit: threads write one after the other and wait for the disk together.

A body runs alone, inside a savepoint of the open transaction. Whoever leaves while nobody waits to
enter commits for all. So one sync serves as many threads as arrived during the one before.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from zkbridge.store.effects import Effects
from zkbridge.store.errors import StoreDamaged, StoreError

_LOGGER = logging.getLogger(__name__)

_MOST_BODIES: Final = 256
_LONGEST_S: Final = 0.02
# Nobody waits that long unless the one who should have committed is gone.
_SELF_HELP_S: Final = 5.0


class _Group:
    """Bodies that share one transaction."""

    __slots__ = ("done", "effects", "error", "opened_mono_s")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.effects: list[Effects] = []
        self.error: Exception | None = None
        self.opened_mono_s = time.monotonic()


class Body:
    """What one body may do in the transaction; after an error, nothing more."""

    __slots__ = ("_connection", "_error", "_group", "effects")

    def __init__(self, connection: sqlite3.Connection, group: _Group) -> None:
        self._connection = connection
        self._group = group
        self._error: Exception | None = None
        self.effects = Effects()

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> sqlite3.Cursor:
        """Run one statement."""
        self.check()
        try:
            return self._connection.execute(sql, values)
        except Exception as error:
            self._error = error
            raise

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> int:
        """Run a statement once for each row; returns how many rows it changed."""
        self.check()
        before = self._connection.total_changes
        try:
            self._connection.executemany(sql, rows)
        except Exception as error:
            self._error = error
            raise
        return self._connection.total_changes - before

    def check(self) -> None:
        """Refuse to go on after an error that the body swallowed: half of it must not be kept.

        Raises:
            Exception: That error.
        """
        error = self._error or self._group.error
        if error is not None:
            raise error
        if not self._connection.in_transaction:
            raise StoreError("the transaction was given up after an earlier error")


class GroupCommit:
    """Owns the one connection that writes.

    Attributes:
        commits: Synced commits so far.
        bodies: Bodies that ended well so far.
    """

    def __init__(
        self, connection: sqlite3.Connection, committed: Callable[[list[Effects]], None]
    ) -> None:
        self._connection = connection
        self._committed = committed
        self._lock = threading.Lock()
        self._owner: int | None = None
        self._entering = 0
        self._counter = threading.Lock()
        self._group: _Group | None = None
        self._level = ""
        self._retired = False
        self.commits = 0
        self.bodies = 0

    @contextmanager
    def body(self, *, synced: bool = True) -> Iterator[Body]:
        """Run the with-block's statements; they are committed when it has been left.

        Args:
            synced: Wait for the disk. Otherwise a power failure (not a crash) may undo it.
        """
        self._enter()
        group: _Group | None = None
        alone = False
        try:
            if self._group is None:
                self._begin("FULL" if synced else "NORMAL")
                self._group = _Group()
                alone = not synced
            group = self._group
            body = Body(self._connection, group)
            try:
                body.execute("SAVEPOINT body")
                yield body
                body.execute("RELEASE body")
            except BaseException as error:
                self._undo(group, error)
                raise
            group.effects.append(body.effects)
            self.bodies += 1
        finally:
            self._leave(alone=alone)
        self._await(group)
        if group.error is not None:
            raise group.error

    def exclusively(self, action: Callable[[sqlite3.Connection], object]) -> None:
        """Run something that needs the writer outside any transaction."""
        self._enter()
        try:
            if self._group is not None:
                self._finish()
            action(self._connection)
        finally:
            self._leave(alone=True)

    def is_mine(self) -> bool:
        """Tell whether the calling thread is inside a body."""
        return self._owner == threading.get_ident()

    def retire(self) -> None:
        """Close the connection; whoever still comes is told that the file was replaced."""
        self._enter()
        try:
            if self._group is not None:
                self._finish()
            self._retired = True
            self._connection.close()
        except sqlite3.Error as error:
            _LOGGER.debug("closing the store: %s", error)
        finally:
            self._release()

    def _enter(self) -> None:
        if self.is_mine():
            raise StoreError("a transaction inside a transaction would wait for itself")
        with self._counter:
            self._entering += 1
        try:
            self._lock.acquire()
        finally:
            with self._counter:
                self._entering -= 1
        self._owner = threading.get_ident()
        if self._retired:
            self._release()
            raise StoreDamaged("the store was replaced by a new file")

    def _release(self) -> None:
        self._owner = None
        self._lock.release()

    def _begin(self, level: str) -> None:
        if level != self._level:
            # SQLite may apply a pragma while compiling it; executescript compiles it each time.
            self._connection.executescript(f"PRAGMA synchronous={level}")
            self._level = level
        self._connection.execute("BEGIN IMMEDIATE")

    def _undo(self, group: _Group, error: BaseException) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK TO body")
                self._connection.execute("RELEASE body")
                return
        except sqlite3.Error as second:
            _LOGGER.debug("rolling back: %s", second)
        # SQLite gave the whole transaction up: what the others wrote is gone as well.
        group.error = (
            error if isinstance(error, Exception) else StoreError("the transaction was given up")
        )

    def _leave(self, *, alone: bool) -> None:
        try:
            if self._group is not None and (alone or self._last(self._group)):
                self._finish()
        finally:
            self._release()

    def _last(self, group: _Group) -> bool:
        return (
            self._entering == 0
            or group.error is not None
            or len(group.effects) >= _MOST_BODIES
            or time.monotonic() - group.opened_mono_s > _LONGEST_S
        )

    def _finish(self) -> None:
        """End the transaction for all its bodies."""
        group, self._group = self._group, None
        if group is None:
            return
        try:
            if group.error is None and group.effects:
                self._connection.execute("COMMIT")
                self.commits += self._level == "FULL"
                self._committed(group.effects)
        except sqlite3.Error as error:
            group.error = error
        finally:
            if self._connection.in_transaction:
                self._rollback()
            group.done.set()

    def _rollback(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            _LOGGER.debug("rolling back: %s", error)

    def _await(self, group: _Group) -> None:
        while not group.done.wait(_SELF_HELP_S):
            self._enter()
            try:
                if self._group is group:
                    self._finish()
            finally:
                self._release()
