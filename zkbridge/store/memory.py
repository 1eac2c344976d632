"""What of the file is kept in memory because it must be quick. Holds what is committed."""

import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable
from typing import Final

from zkbridge.store.effects import Effects
from zkbridge.store.terminals import load_terminals
from zkbridge.store.values import KnownTerminal, Lane

_SEEN_WINDOW: Final = 1000


class Memory:
    """Terminals, the queue's size, retained topics; any thread.

    Attributes:
        terminals: By the store's number; replaced, never changed, so that readers need no lock.
        refused: Events that the broker refused for good.
        newest_seen_us: Newest ``seen_at`` stored.
        highest_seq: Highest number an event ever had.
        erasures: Grows when waiting events may have been erased.
        punch_versions: By the store's number: grows when a terminal's stored punches change;
            replaced, never changed.
    """

    def __init__(self) -> None:
        self.terminals: dict[int, KnownTerminal] = {}
        self.refused = 0
        self.newest_seen_us = 0
        self.highest_seq = 0
        self.punch_versions: dict[int, int] = {}
        self.erasures = 0
        self._lock = threading.Lock()
        self._pending: Counter[tuple[int, Lane]] = Counter()
        self._topics: dict[str, bool] = {}

    def load(self, connection: sqlite3.Connection) -> None:
        """Read everything from the file."""
        terminals = load_terminals(connection)
        counts = connection.execute(
            "SELECT terminal, lane, count(*) FROM events INDEXED BY pending"
            " WHERE state = 0 GROUP BY lane, terminal"
        ).fetchall()
        (refused,) = connection.execute("SELECT count(*) FROM events WHERE state = 2").fetchone()
        (newest,) = connection.execute(
            "SELECT max(seen_at) FROM (SELECT seen_at FROM events ORDER BY seq DESC LIMIT ?)",
            (_SEEN_WINDOW,),
        ).fetchone()
        (highest,) = connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
        noted = dict(
            connection.execute(
                "SELECT key, value FROM meta WHERE key IN ('newest_seen', 'highest_seq')"
            )
        )
        topics = connection.execute("SELECT topic, clear FROM topics").fetchall()
        with self._lock:
            self.erasures += 1
            self.terminals = terminals
            self._topics = {topic: bool(clear) for topic, clear in topics}
            self._pending = Counter({(number, Lane(lane)): count for number, lane, count in counts})
            self.refused = refused
            self.highest_seq = max(self.highest_seq, highest, noted.get("highest_seq", 0))
            self.newest_seen_us = max(newest or 0, noted.get("newest_seen", 0))
            self._punches_changed(terminals)

    def apply(self, effects: Iterable[Effects]) -> None:
        """Follow what was committed."""
        with self._lock:
            for one in effects:
                if one.terminals:
                    self.terminals = {**self.terminals, **one.terminals}
                for place, change in one.pending.items():
                    self._pending[place] += change
                    if self._pending[place] <= 0:
                        del self._pending[place]
                self.refused += one.refused
                if one.punches:
                    self._punches_changed(one.punches)
                self._topics.update(one.topics)
                for topic in one.topics_gone:
                    self._topics.pop(topic, None)
                self.newest_seen_us = max(self.newest_seen_us, one.newest_seen_us)
                self.highest_seq = max(self.highest_seq, one.highest_seq)

    def _punches_changed(self, numbers: Iterable[int]) -> None:
        old = self.punch_versions
        self.punch_versions = {**old, **{number: old.get(number, 0) + 1 for number in numbers}}

    def queued(self) -> dict[tuple[int, Lane], int]:
        """Return how many events wait, by terminal and lane; empty queues are left out."""
        with self._lock:
            return dict(self._pending)

    def topics(self, *, to_clear: bool = False) -> set[str]:
        """Return retained topics sent, or those of them that are to be cleared."""
        with self._lock:
            return {topic for topic, clear in self._topics.items() if clear or not to_clear}
