"""Terminals' views: in memory, and in the file for the time after a restart."""

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from typing import Any

from zkbridge.events import DeviceFacts, Mode, Terminal, TerminalState, TerminalView, Trouble
from zkbridge.store.database import Database


class Views:
    """The newest view of every terminal, by its id."""

    def __init__(self, database: Database, changed: Callable[[], None]) -> None:
        self._database = database
        self._changed = changed
        self._lock = threading.Lock()
        self._views: dict[str, TerminalView] = {}
        self._unsaved: set[str] = set()
        self.version = 0

    def load(self) -> None:
        """Begin with what the file has."""
        with self._database.read() as connection:
            rows = connection.execute("SELECT id, body FROM views").fetchall()
        views = {terminal_id: _view(body) for terminal_id, body in rows}
        with self._lock:
            self._views = {name: view for name, view in views.items() if view is not None}
            self._unsaved = set()

    def put(self, view: TerminalView) -> None:
        """Take a new view; what equals the last one is no change."""
        with self._lock:
            if self._views.get(view.terminal.id) == view:
                return
            self._views[view.terminal.id] = view
            self._unsaved.add(view.terminal.id)
            self.version += 1
        self._changed()

    def keep(self, ids: Iterable[str]) -> None:
        """Drop the views of all other terminals."""
        wanted = set(ids)
        with self._lock:
            gone = self._views.keys() - wanted
            for terminal_id in gone:
                del self._views[terminal_id]
            self._unsaved |= gone
            self.version += bool(gone)
        if gone:
            self._changed()

    def all(self) -> list[TerminalView]:
        """Return the views, by terminal id."""
        with self._lock:
            return [self._views[terminal_id] for terminal_id in sorted(self._views)]

    @property
    def unsaved(self) -> bool:
        """Whether the file lacks something."""
        return bool(self._unsaved)

    def save(self) -> None:
        """Write what changed, without waiting for the disk."""
        with self._lock:
            changed = {terminal_id: self._views.get(terminal_id) for terminal_id in self._unsaved}
            self._unsaved = set()
        if not changed:
            return
        try:
            with self._database.write(synced=False) as body:
                for terminal_id, view in changed.items():
                    if view is None:
                        body.execute("DELETE FROM views WHERE id = ?", (terminal_id,))
                        continue
                    body.execute(
                        "INSERT INTO views VALUES(?, ?)"
                        " ON CONFLICT DO UPDATE SET body = excluded.body",
                        (terminal_id, json.dumps(asdict(view))),
                    )
        except BaseException:
            with self._lock:
                self._unsaved |= changed.keys()
            raise


def _view(body: str) -> TerminalView | None:
    """Rebuild a view; None where another version wrote what this one does not understand."""
    try:
        content = json.loads(body)
        state = _known_fields(TerminalState, content["state"])
        state["mode"] = Mode(state.get("mode", Mode.OFFLINE))
        state["error"] = None if state.get("error") is None else Trouble(state["error"])
        return TerminalView(
            terminal=Terminal(**_known_fields(Terminal, content["terminal"])),
            state=TerminalState(**state),
            facts=DeviceFacts(**_known_fields(DeviceFacts, content["facts"])),
            online=content.get("online"),
        )
    except (ValueError, TypeError, KeyError):
        return None


def _known_fields(kind: type[Any], content: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in content.items() if name in names}
