"""Connections to the file, and what SQLite's errors mean for the caller."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from zkbridge.store.errors import StoreError, StoreFull

# Of a new file. A punch touches some ten pages in as many trees, and each goes to the log whole.
PAGE_BYTES: Final = 1024

_BUSY_S: Final = 30.0
_WRITER_CACHE_KIB: Final = 512
_READER_CACHE_KIB: Final = 512
_IDLE_READERS: Final = 3

_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
# The disk gives back less than it took, or nothing.
_DAMAGED_READS = frozenset(
    {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}
)


class Statements(Protocol):
    """What runs statements: a connection, or a body of a group's transaction."""

    def execute(self, sql: str, values: Sequence[Any] = (), /) -> sqlite3.Cursor:
        """Run one statement."""

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]], /) -> object:
        """Run a statement once for each row."""


def primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code; 0 where the error is not SQLite's."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_damage(error: BaseException) -> bool:
    """Tell whether the error says that the file is malformed."""
    if not isinstance(error, sqlite3.Error):
        return False
    whole_code = getattr(error, "sqlite_errorcode", 0)
    return primary_code(error) in _DAMAGED or whole_code in _DAMAGED_READS


def translated(error: sqlite3.Error, path: Path) -> StoreError:
    """Return what the caller gets instead of SQLite's error; damage is not for here."""
    code = primary_code(error)
    if code in _FULL:
        return StoreFull(
            f"the store {path} cannot be written ({error}): make room on its disk, or check it"
        )
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreFull(f"the store {path} is held by another program ({error})")
    if code == sqlite3.SQLITE_CANTOPEN:
        return StoreError(f"the store {path} cannot be opened: check store.path and its rights")
    return StoreError(f"the store {path} failed: {error}")


def connect_writer(path: Path) -> sqlite3.Connection:
    """Open for writing, without touching the file yet."""
    return _connect(f"file:{_quoted(path)}?mode=rw", _WRITER_CACHE_KIB)


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open for reading."""
    return _connect(f"file:{_quoted(path)}?mode=ro", _READER_CACHE_KIB)


def prepare_writer(connection: sqlite3.Connection) -> None:
    """Set what holds for every connection that writes.

    What is erased is overwritten. The log file keeps its room between checkpoints, so that marks
    can still be written on a full disk.

    Raises:
        StoreError: The file system is not fit for it.
    """
    connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
    (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise StoreError(
            "the store's file system cannot share memory: set store.path to a local disk"
        )
    connection.execute("PRAGMA synchronous=FULL").fetchone()
    connection.execute("PRAGMA wal_autocheckpoint=0").fetchone()
    connection.execute("PRAGMA journal_size_limit=4194304").fetchone()
    connection.execute("PRAGMA secure_delete=ON").fetchone()


def _quoted(path: Path) -> str:
    text = str(path.absolute())
    return text.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _connect(uri: str, cache_kib: int) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    # A flipped bit in a name must not stop the queue.
    connection.text_factory = _lenient
    try:
        connection.execute(f"PRAGMA cache_size=-{cache_kib}")
        connection.execute("PRAGMA mmap_size=0").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _lenient(text: bytes) -> str:
    return text.decode(errors="replace")


class ReaderPool:
    """Read-only connections, one for each thread that reads at the moment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection for the with-block."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = connect_reader(self._path)
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        with self._lock:
            if not self._closed and len(self._idle) < _IDLE_READERS:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close what is idle; what is lent is closed when it comes back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
