"""From each earlier version of the file to the next, inside one transaction."""

import sqlite3
from pathlib import Path
from typing import Final

from zkbridge.store.errors import StoreError
from zkbridge.store.schema import APPLICATION_ID, DAYS, SCHEMA, VERSION

# What leads from the version to the next one.
_STEPS: Final[dict[int, tuple[str, ...]]] = {
    1: (
        *DAYS,
        """INSERT INTO tally SELECT day, hour, terminal, count(*) FROM events
           WHERE kind = 0 AND day IS NOT NULL GROUP BY day, hour, terminal""",
    ),
}


def check_ours(connection: sqlite3.Connection, path: Path) -> int:
    """Return the file's version, 0 for an empty file; touches nothing.

    Raises:
        StoreError: Another program's file, or one of a newer zkbridge.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    if application == 0 and version == 0:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise StoreError(f"{path} is another program's database: set store.path to a new file")
        return 0
    if application != APPLICATION_ID:
        raise StoreError(f"{path} is another program's database: set store.path to a new file")
    if version > VERSION:
        raise StoreError(
            f"{path} was written by a newer zkbridge (version {version} of the file, this one"
            f" knows {VERSION}): upgrade zkbridge, or set store.path to a new file"
        )
    return version


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring a file of that version up to date, 0 being empty; all or nothing."""
    if version == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if version == 0:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            statements: tuple[str, ...] = SCHEMA
        else:
            statements = tuple(sql for step in range(version, VERSION) for sql in _STEPS[step])
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
