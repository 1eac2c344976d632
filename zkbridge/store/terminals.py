"""Rows of the ``terminals`` table."""

import json
from datetime import datetime
from typing import Any, Final

from zkbridge.store.connections import Statements
from zkbridge.store.rows import from_us, to_us
from zkbridge.store.values import KnownTerminal

_COLUMNS: Final = (
    "terminal, key, id, name, serial, mac, host, port, first_contact, recovered,"
    " (SELECT cursor FROM cursors WHERE log = terminal * 2),"
    " (SELECT cursor FROM cursors WHERE log = terminal * 2 + 1),"
    " sdk_build, partial_rest_until, facts"
)
_SELECT: Final = f"SELECT {_COLUMNS} FROM terminals"  # noqa: S608 - constants
# Fields that may be remembered one by one.
REMEMBERED: Final = frozenset(
    {"id", "name", "first_contact", "recovered", "sdk_build", "partial_rest_until", "facts"}
)


def load_terminals(connection: Statements) -> dict[int, KnownTerminal]:
    """Read all terminals, by the store's number."""
    return {row[0]: _terminal(row) for row in connection.execute(_SELECT)}


def load_terminal(connection: Statements, number: int) -> KnownTerminal | None:
    """Read one terminal."""
    row = connection.execute(f"{_SELECT} WHERE terminal = ?", (number,)).fetchone()
    return None if row is None else _terminal(row)


def terminal_number(connection: Statements, key: str) -> int | None:
    """Return the store's number of the terminal with that key."""
    row = connection.execute("SELECT terminal FROM terminals WHERE key = ?", (key,)).fetchone()
    return None if row is None else int(row[0])


def stored_value(field: str, value: object) -> object:
    """Return what a column of ``terminals`` holds for a value.

    Raises:
        ValueError: No such field may be remembered.
    """
    if field not in REMEMBERED:
        raise ValueError(f"terminals have no field {field!r} to remember")
    if isinstance(value, datetime):
        return to_us(value)
    return json.dumps(value) if field == "facts" else value


def _terminal(row: tuple[Any, ...]) -> KnownTerminal:
    (number, key, terminal_id, name, serial, mac, host, port, first_contact, recovered, punches,
     operations, sdk_build, rest, facts) = row  # fmt: skip
    return KnownTerminal(
        terminal=number,
        key=key,
        id=terminal_id,
        name=name,
        serial=serial,
        mac=mac,
        host=host,
        port=port,
        first_contact=None if first_contact is None else from_us(first_contact),
        recovered=bool(recovered),
        cursor_punches=punches,
        cursor_operations=operations,
        sdk_build=sdk_build,
        partial_rest_until=None if rest is None else from_us(rest),
        facts=json.loads(facts),
    )
