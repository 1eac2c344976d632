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
from typing import Any, Final

from zkbridge.store.connections import connect_reader
from zkbridge.store.rows import CONTENT, EVENT, EVENT_WIDTH, event_from

_LOGGER = logging.getLogger(__name__)

_SUFFIXES: Final = ("-wal", "-shm", "")
_TERMINAL: Final = "terminal, key, id, name, serial, mac, host, port, sdk_build, facts"


def aside_for(path: Path, now: datetime) -> Path:
    """Return where the damaged file is to go."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.damaged-{stamp}")
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
    return aside


def set_aside(path: Path, aside: Path) -> None:
    """Rename the file and what belongs to it; no connection may be open.

    Done again after a crash it goes on: the file itself comes last, and once it has its new name
    everything under the old one is a beginning of its successor.
    """
    if aside.exists():
        remove_begun(path)
        return
    for suffix in _SUFFIXES:
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))


def remove_begun(path: Path) -> None:
    """Remove a new file that could not be finished."""
    for suffix in _SUFFIXES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


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
    writer.execute("BEGIN IMMEDIATE")
    try:
        with _damaged(aside) as damaged:
            saved = 0 if damaged is None else _copy_all(damaged, writer)
        _renumber(writer, highest)
        writer.execute("COMMIT")
    except BaseException:
        if writer.in_transaction:
            writer.execute("ROLLBACK")
        raise
    return saved


def _copy_all(damaged: sqlite3.Connection, writer: sqlite3.Connection) -> int:
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
    _copy(
        damaged,
        writer,
        "SELECT topic, user_id, clear FROM topics",
        "INSERT OR IGNORE INTO topics VALUES(?, ?, ?)",
    )
    _copy(
        damaged,
        writer,
        "SELECT user_id, state, at FROM presence",
        "INSERT OR IGNORE INTO presence VALUES(?, ?, ?)",
    )
    return _copy_pending(damaged, writer)


@contextmanager
def _damaged(aside: Path) -> Iterator[sqlite3.Connection | None]:
    try:
        connection = connect_reader(aside)
    except sqlite3.Error as error:
        _LOGGER.debug("nothing can be read from %s: %s", aside, error)
        yield None
        return
    try:
        yield connection
    finally:
        connection.close()


def _readable(damaged: sqlite3.Connection, select: str) -> Iterator[tuple[Any, ...]]:
    try:
        yield from damaged.execute(select)
    except sqlite3.Error as error:
        _LOGGER.debug("reading the damaged store stopped: %s", error)


def _copy(
    damaged: sqlite3.Connection, writer: sqlite3.Connection, select: str, insert: str
) -> None:
    # Errors of the new file are not for here: a full disk must not make us give up what is there.
    for row in _readable(damaged, select):
        writer.execute(insert, row)


def _copy_pending(damaged: sqlite3.Connection, writer: sqlite3.Connection) -> int:
    columns = f"terminal, lane, seq, state, {CONTENT}, published_offline"
    marks = ", ".join("?" * len(columns.split(",")))
    # Without an index: they are damaged as easily as the table, and would hide rows silently.
    select = f"SELECT {EVENT}, {columns} FROM events NOT INDEXED WHERE state = 0 ORDER BY seq"  # noqa: S608 - constants
    insert = f"INSERT OR IGNORE INTO events({columns}) VALUES({marks})"
    saved = 0
    for row in _readable(damaged, select):
        try:
            event_from(row[:EVENT_WIDTH])
        except (ValueError, TypeError):
            continue
        saved += writer.execute(insert, row[EVENT_WIDTH:]).rowcount
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
