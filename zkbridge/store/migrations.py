"""A new file, and from each earlier version to the next, each in a transaction of its own."""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from zkbridge.store.errors import StoreError
from zkbridge.store.schema import APPLICATION_ID, SCHEMA, VERSION

# By the version they lead to: from the one before it.
STEPS: Final[Mapping[int, Sequence[str]]] = {}


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


def migrate(
    connection: sqlite3.Connection, version: int, steps: Mapping[int, Sequence[str]] = STEPS
) -> None:
    """Bring a file of that version up to date, 0 being empty.

    What fails leaves the file as the last step before it left it.
    """
    if version == 0:
        _apply(connection, SCHEMA, VERSION)
        version = VERSION
    for number in sorted(steps):
        if number > version:
            _apply(connection, steps[number], number)


def _apply(connection: sqlite3.Connection, statements: Sequence[str], version: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
