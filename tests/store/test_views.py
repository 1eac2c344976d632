"""Terminals' views: the newest one, also after a restart."""

import sqlite3
from dataclasses import replace
from pathlib import Path

from zkbridge.events import DeviceFacts, Mode, Terminal, TerminalState, TerminalView, Trouble
from zkbridge.store import Store

_FRONT = TerminalView(
    terminal=Terminal(key="K", id="front_door", name="Front <door>", serial="K"),
    state=TerminalState(
        users=3, log_used=1.5, mode=Mode.LIVE, error=Trouble.CLOCK_WRONG, synced=True
    ),
    facts=DeviceFacts(model="MB360", host="192.0.2.1", has_alarms=True),
    online=True,
)
_BACK = TerminalView(terminal=Terminal(key="L", id="back_door", name="Back"))


def test_a_view_wakes_only_when_it_differs(store: Store) -> None:
    woken: list[int] = []
    store.subscribe(lambda: woken.append(store.view_version))

    store.set_view(_FRONT)
    store.set_view(replace(_FRONT))
    store.set_view(replace(_FRONT, online=False))

    assert woken == [1, 2]
    assert store.views() == [replace(_FRONT, online=False)]


def test_views_are_known_after_a_restart(store: Store) -> None:
    store.set_view(_FRONT)
    store.set_view(_BACK)
    store.close()
    store.open()
    assert store.views() == [_BACK, _FRONT]


def test_views_of_terminals_no_longer_configured_go(store: Store) -> None:
    store.set_view(_FRONT)
    store.set_view(_BACK)
    version = store.view_version
    store.keep_views(["back_door"])
    store.keep_views(["back_door"])
    assert store.view_version == version + 1
    assert store.views() == [_BACK]
    store.close()
    store.open()
    assert store.views() == [_BACK]


def test_what_another_version_wrote_is_no_obstacle(store: Store, path: Path) -> None:
    store.set_view(_FRONT)
    store.set_view(_BACK)
    store.close()
    connection = sqlite3.connect(path)
    connection.execute(
        "UPDATE views SET body = replace(body, '\"users\"', '\"people\"') WHERE id = 'front_door'"
    )
    connection.execute("UPDATE views SET body = '{}' WHERE id = 'back_door'")
    connection.commit()
    connection.close()

    store.open()

    assert store.views() == [replace(_FRONT, state=replace(_FRONT.state, users=None))]
