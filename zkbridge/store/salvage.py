"""What is still readable in a damaged file: terminals, what was to be delivered, topics sent.

All of it is a best effort: the terminals' logs are the second copy. Nothing is read from a damaged
file that could be wrong without showing, cursors above all.
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from zkbridge.store.connections import connect_reader
from zkbridge.store.rows import CONTENT

_LOGGER = logging.getLogger(__name__)

_SUFFIXES: Final = ("", "-wal", "-shm")
_TERMINAL: Final = "terminal, key, id, name, serial, mac, host, port, sdk_build, facts"


def set_aside(path: Path, now: datetime) -> Path:
    """Rename the file and what belongs to it; no connection may be open."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    for suffix in _SUFFIXES:
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside


def set_aside_before(path: Path) -> tuple[Path, ...]:
    """Return damaged files set aside earlier."""
    return tuple(sorted(path.parent.glob(f"{path.name}.damaged-*")))


def salvage(aside: Path, writer: sqlite3.Connection, highest: int) -> int:
    """Copy what is readable into the new file; returns the number of undelivered events.

    Args:
        aside: The damaged file.
        writer: Connection to the new one.
        highest: Terminals get numbers above this one: what somebody still remembers of the damaged
            file must not fit the new one.
    """
    try:
        with _damaged(aside) as damaged:
            writer.execute("BEGIN IMMEDIATE")
            _copy(
                damaged,
                writer,
                "SELECT key, value FROM meta WHERE key IN ('instance', 'salt')",
                "INSERT OR REPLACE INTO meta VALUES(?, ?)",
            )
            _copy(
                damaged,
                writer,
                f"SELECT {_TERMINAL} FROM terminals",  # noqa: S608 - constants
                f"INSERT OR IGNORE INTO terminals({_TERMINAL}, recovered)"
                " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)",
            )
            _copy(damaged, writer, "SELECT topic, user_id, clear FROM topics",
                  "INSERT OR IGNORE INTO topics VALUES(?, ?, ?)")  # fmt: skip
            _copy(damaged, writer, "SELECT user_id, state, at FROM presence",
                  "INSERT OR IGNORE INTO presence VALUES(?, ?, ?)")  # fmt: skip
            saved = _copy_pending(damaged, writer)
            _renumber(writer, highest)
            writer.execute("COMMIT")
    except sqlite3.Error as error:
        _LOGGER.debug("nothing can be read from %s: %s", aside, error)
        if writer.in_transaction:
            writer.execute("ROLLBACK")
        return 0
    return saved


@contextmanager
def _damaged(aside: Path) -> Iterator[sqlite3.Connection]:
    connection = connect_reader(aside)
    try:
        yield connection
    finally:
        connection.close()


def _copy(damaged: sqlite3.Connection, writer: sqlite3.Connection, select: str, insert: str) -> int:
    copied = 0
    try:
        for row in damaged.execute(select):
            writer.execute(insert, row)
            copied += 1
    except sqlite3.DatabaseError as error:
        _LOGGER.debug("reading the damaged store stopped: %s", error)
    return copied


def _copy_pending(damaged: sqlite3.Connection, writer: sqlite3.Connection) -> int:
    columns = f"seq, terminal, lane, state, {CONTENT}, published_offline"
    marks = ", ".join("?" * len(columns.split(",")))
    # Without an index: they are damaged as easily as the table, and would hide rows silently.
    saved = _copy(
        damaged,
        writer,
        f"SELECT {columns} FROM events NOT INDEXED WHERE state = 0 ORDER BY seq",  # noqa: S608 - constants
        f"INSERT OR IGNORE INTO events({columns}) VALUES({marks})",
    )
    # Waiting for the broker again, late: how old they are now is doubtful.
    writer.execute("UPDATE events SET age_s = NULL, seen_mono_s = NULL, process = NULL")
    # Events of a terminal whose row was lost have nowhere to go.
    writer.execute("DELETE FROM events WHERE terminal NOT IN (SELECT terminal FROM terminals)")
    writer.execute(
        "INSERT OR IGNORE INTO known SELECT terminal * 2 + kind, raw_time, subject, occurrence, 0"
        " FROM events WHERE subject IS NOT NULL"
    )
    return saved


def _renumber(writer: sqlite3.Connection, highest: int) -> None:
    (last,) = writer.execute("SELECT coalesce(max(terminal), 0) FROM terminals").fetchone()
    shift = max(last, highest)
    writer.execute("UPDATE events SET terminal = terminal + ?", (shift,))
    writer.execute("UPDATE known SET log = log + 2 * ?", (shift,))
    writer.execute("UPDATE tally SET terminal = terminal + ?", (shift,))
    writer.execute("UPDATE terminals SET terminal = terminal + ?", (shift,))
