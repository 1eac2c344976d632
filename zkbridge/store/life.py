"""A store's life across files: what a new file inherits, and which terminals were in a lost one."""

import logging
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from zkbridge.store.connections import Statements
from zkbridge.store.rows import to_us
from zkbridge.store.sidecar import Life

_LOGGER = logging.getLogger(__name__)

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
# For so long a terminal nobody can vouch for is taken for one that was in the lost file.
_DOUBT: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What is known of the store once its file is in use.

    Attributes:
        count: Of the life noted beside the file.
        fresh: No store was ever here.
        recovered: Some terminal's records were known to a file that is lost.
        unclean: The last run did not end by closing.
    """

    instance: str
    salt: bytes
    count: int
    fresh: bool
    recovered: bool
    unclean: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was there before the file was opened.

    Attributes:
        noted: Beside the file.
        existed: There was a file, and it is the one in use now.
        damaged: There was one, and it was set aside.
        highest: Highest number a terminal had in it.
    """

    noted: Life | None
    existed: bool
    damaged: bool = False
    highest: int = 0


def begin(writer: sqlite3.Connection, found: Found, path: Path, now: datetime) -> Begun:
    """Take a file into use; says so where an earlier one is lost (contract 5.4)."""
    meta = dict(writer.execute("SELECT key, value FROM meta"))
    noted = found.noted
    noted_count = 0 if noted is None else noted.count
    count = int(meta.get("life", 0))
    lost = not found.existed and (noted is not None or found.damaged)
    older_copy = found.existed and noted_count > count
    begun = Begun(
        instance=meta.get("instance") or (noted.instance if noted else "") or _instance(),
        salt=meta.get("salt") or secrets.token_bytes(16),
        count=max(count, noted_count) + 1,
        fresh=not found.existed and not lost,
        recovered=lost or older_copy or _owing(writer),
        unclean=found.existed and not meta.get("clean"),
    )
    writer.execute("BEGIN IMMEDIATE")
    put_meta(writer, instance=begun.instance, salt=begun.salt, life=begun.count, clean=0)
    if older_copy:
        writer.execute("UPDATE terminals SET recovered = 1, first_contact = NULL")
        writer.execute("DELETE FROM cursors")
    if lost:
        _reserve(writer, found, now)
    writer.execute("COMMIT")
    if older_copy or (lost and not found.damaged):
        _LOGGER.warning(
            "the store %s is %s: the last 7 days of the terminals' logs are sent once more as"
            " late, what is older is taken as known",
            path,
            "an older copy" if older_copy else "new, but there was one here before",
        )
    return begun


def put_meta(connection: Statements, **values: object) -> None:
    """Write values of ``meta``."""
    connection.executemany(
        "INSERT INTO meta VALUES(?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
        list(values.items()),
    )


def was_lost(connection: Statements, now: datetime) -> bool:
    """Tell whether a terminal never seen in this file may have been in a lost one."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'lost_all'").fetchone()
    return row is not None and to_us(now - _DOUBT) < row[0]


def _instance() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(8))


def _owing(writer: sqlite3.Connection) -> bool:
    return writer.execute("SELECT 1 FROM terminals WHERE recovered LIMIT 1").fetchone() is not None


def _reserve(writer: sqlite3.Connection, found: Found, now: datetime) -> None:
    """Keep places for terminals of the lost file; number what is to come above what it had.

    Somebody may still hold a terminal's number for a cursor.
    """
    writer.execute("DELETE FROM sqlite_sequence")
    writer.execute(
        "INSERT INTO sqlite_sequence"
        " SELECT 'terminals', max(?, coalesce(max(terminal), 0)) FROM terminals",
        (found.highest,),
    )
    if found.noted is None or found.noted.unreadable:
        put_meta(writer, lost_all=to_us(now))
        return
    writer.executemany(
        "INSERT OR IGNORE INTO terminals(key, id, name, host, port, recovered)"
        " VALUES(?, ?, ?, '', 0, 1)",
        [(key, terminal_id, terminal_id) for key, terminal_id in found.noted.terminals.items()],
    )
