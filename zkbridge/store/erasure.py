"""Erasing: contents past retention, one person, all names. What is known stays known.

Freed room is overwritten (``secure_delete``), and the write-ahead log, which has earlier copies of
the pages, is emptied after a person was erased.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from zkbridge.store.commits import Body
from zkbridge.store.connections import Statements
from zkbridge.store.database import Database
from zkbridge.store.rows import to_us
from zkbridge.store.salvage import set_aside_before
from zkbridge.store.values import Delivery, Forgotten, Kind, Lane

# Others write in between.
_AT_ONCE: Final = 100
_REPLAYABLE: Final = timedelta(hours=24)


class Erasure:
    """Mixed into the store; any thread."""

    _database: Database

    def retention(self, keep: timedelta, now: datetime | None = None) -> int:
        """Erase the contents of settled events older than that; returns how many.

        Older is what happened, or was seen, before; what waits for the broker stays, and what may
        have to be sent once more for Home Assistant.
        """
        moment = now or self._database.clock()
        before = to_us(moment - keep)
        replayable = to_us(moment - _REPLAYABLE)
        erased = 0
        for kind in Kind:
            while count := self._erase(
                "SELECT seq FROM events INDEXED BY by_time WHERE kind = ? AND at < ? AND state <> 0"
                " AND coalesce(published_offline, 0) < ? LIMIT ?",
                (kind, before, replayable, _AT_ONCE),
            ):
                erased += count
        with self._database.write(synced=False) as body:
            # That these records are known stays.
            body.execute(
                "UPDATE undecodable SET raw = NULL WHERE raw IS NOT NULL AND first_seen < ?",
                (before,),
            )
        return erased + self._erase_by_arrival(before, replayable)

    def _erase_by_arrival(self, before: int, replayable: int) -> int:
        """Erase what was seen long ago, whatever date the terminal gave it.

        Order of storing is order of seeing: the first stretch with nothing to erase ends it.
        """
        erased, last = 0, 0
        while True:
            with self._database.read() as connection:
                rows = connection.execute(
                    "SELECT seq, state <> 0 AND coalesce(published_offline, 0) < ?, seen_at < ?"
                    " FROM events NOT INDEXED WHERE seq > ? ORDER BY seq LIMIT ?",
                    (replayable, before, last, _AT_ONCE),
                ).fetchall()
            old = [seq for seq, settled, is_old in rows if settled and is_old]
            if old:
                with self._database.write(synced=False) as body:
                    erased += _delete(body, old)
            if not any(is_old for _, _, is_old in rows):
                return erased
            last = rows[-1][0]

    def _erase(self, select: str, values: tuple[object, ...]) -> int:
        with self._database.read() as connection:
            seqs = [seq for (seq,) in connection.execute(select, values)]
        if not seqs:
            return 0
        with self._database.write(synced=False) as body:
            _delete(body, seqs)
        return len(seqs)

    def forget_user(self, user_id: str) -> Forgotten:
        """Erase one person: punches (waiting ones too), alarms, presence, copies in the log file.

        The topics returned are also noted to be cleared on the broker.
        """
        with self._database.write() as body:
            pending = body.execute(
                "SELECT terminal, lane FROM events INDEXED BY by_user"
                " WHERE user_id = ? AND state = 0",
                (user_id,),
            ).fetchall()
            forgotten = erase_person(body, self._database.path, user_id)
            for terminal, lane in pending:
                body.effects.pending[terminal, Lane(lane)] -= 1
            body.effects.topics.update(dict.fromkeys(forgotten.topics, True))
            if forgotten.events:
                body.effects.punches |= self._database.memory.terminals.keys()
        self._database.memory.erasures += 1
        self._database.empty_log()
        self._database.wake()
        return forgotten

    def erase_names(self) -> int:
        """Take every name out of stored events; returns how many had one."""
        erased, last = 0, 0
        while True:
            with self._database.read() as connection:
                rows = connection.execute(
                    "SELECT seq FROM events NOT INDEXED"
                    " WHERE seq > ? AND user_name IS NOT NULL ORDER BY seq LIMIT ?",
                    (last, _AT_ONCE),
                ).fetchall()
            if not rows:
                break
            with self._database.write(synced=False) as body:
                body.executemany("UPDATE events SET user_name = NULL WHERE seq = ?", rows)
            erased += len(rows)
            last = rows[-1][0]
        if erased:
            self._database.empty_log()
        return erased


def _delete(body: Body, seqs: Iterable[int]) -> int:
    deleted = 0
    for seq in seqs:
        # Somebody may have queued it once more since it was chosen.
        for state, terminal in body.execute(
            "DELETE FROM events WHERE seq = ? AND state <> 0 RETURNING state, terminal", (seq,)
        ).fetchall():
            deleted += 1
            body.effects.punches.add(terminal)
            body.effects.refused -= state == Delivery.REFUSED
    return deleted


def erase_person(connection: Statements, path: Path, user_id: str) -> Forgotten:
    """Erase one person inside the caller's transaction."""
    topics = _topics_of(connection, user_id)
    events = connection.execute(
        "DELETE FROM events INDEXED BY by_user WHERE user_id = ?", (user_id,)
    ).rowcount
    connection.execute("DELETE FROM presence WHERE user_id = ?", (user_id,))
    # A record that nothing could read may carry the id in its bytes; that it is known stays.
    connection.execute(
        "UPDATE undecodable SET raw = NULL WHERE raw IS NOT NULL AND instr(raw, ?)",
        (user_id.encode(),),
    )
    connection.executemany("UPDATE topics SET clear = 1, user_id = NULL WHERE topic = ?",
                           [(topic,) for topic in topics])  # fmt: skip
    return Forgotten(events=events, topics=frozenset(topics), remains=set_aside_before(path))


def _topics_of(connection: Statements, user_id: str) -> set[str]:
    """Return retained topics that tell about a person.

    By what was noted with them, by the person's part in their names (the id or its escaped form),
    and the portraits where the person was the last one seen.
    """
    parts = {user_id, "x" + user_id.encode().hex()}
    last_at = {
        terminal_id
        for number, terminal_id in connection.execute(
            "SELECT terminal, id FROM terminals"
        ).fetchall()
        if _last_user(connection, number) == user_id
    }
    topics = set()
    for topic, owner in connection.execute("SELECT topic, user_id FROM topics"):
        levels = topic.split("/")
        person = "people" in levels[:-1] and not parts.isdisjoint(levels)
        portrait = levels[-1] == "portrait" and levels[-2:-1] and levels[-2] in last_at
        if owner == user_id or person or portrait:
            topics.add(topic)
    return topics


def _last_user(connection: Statements, number: int) -> str | None:
    row = connection.execute(
        "SELECT user_id FROM events INDEXED BY by_terminal WHERE terminal = ? AND kind = ?"
        " ORDER BY at DESC, seq DESC LIMIT 1",
        (number, Kind.PUNCH),
    ).fetchone()
    return None if row is None else row[0]
