"""What the publisher does with the store: take what waits, note what became of it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from zkbridge.store.commits import Body
from zkbridge.store.database import Database
from zkbridge.store.errors import StoreDamaged
from zkbridge.store.rows import (
    EVENT,
    EVENT_WIDTH,
    event_from,
    freshness_from,
    from_us,
    to_us,
)
from zkbridge.store.values import Delivery, Kind, Lane, OutboxItem, Presence

_PENDING: Final = (
    f"SELECT {EVENT}, seq, terminal, lane, age_s, seen_mono_s, process FROM events"  # noqa: S608 - constants
    " INDEXED BY pending WHERE state = 0 AND lane = ?"
)
# Fresh or late is decided for what waits; afterwards these only take room.
_MARK: Final = (
    "UPDATE events SET state = ?, age_s = NULL, seen_mono_s = NULL, process = NULL"
    " WHERE seq = ? AND state = 0 RETURNING terminal, lane"
)


class Outbox:
    """Mixed into the store; any thread."""

    _database: Database

    def pending(
        self, lane: Lane, terminal: int | None, after_seq: int, limit: int
    ) -> list[OutboxItem]:
        """Return events that wait, in order; of one terminal, or of all."""
        place = "" if terminal is None else " AND terminal = ?"
        sql = f"{_PENDING}{place} AND seq > ? ORDER BY seq LIMIT ?"
        values = (after_seq, limit) if terminal is None else (terminal, after_seq, limit)
        with self._database.read() as connection:
            rows = connection.execute(sql, (lane, *values)).fetchall()
        items = []
        for row in rows:
            seq, number, row_lane, *fresh = row[EVENT_WIDTH:]
            known = self._database.memory.terminals.get(number)
            if known is None:
                continue
            items.append(
                OutboxItem(
                    seq=seq,
                    number=number,
                    terminal=known.identity,
                    lane=Lane(row_lane),
                    event=event_from(row[:EVENT_WIDTH], replayed=row_lane == Lane.REPLAY),
                    freshness=freshness_from(row_lane, *fresh),
                )
            )
        return items

    def pending_terminals(self) -> list[tuple[int, Lane]]:
        """Return whose queues are not empty, and which."""
        return sorted(self._database.memory.queued())

    def queue_depth(self) -> int:
        """Return how many events wait, in both lanes."""
        return sum(self._database.memory.queued().values())

    def refused_count(self) -> int:
        """Return how many events the broker refused for good."""
        return self._database.memory.refused

    def oldest_pending(self) -> datetime | None:
        """Return when the event that has waited longest was seen."""
        oldest: int | None = None
        with self._database.read() as connection:
            for terminal, lane in self._database.memory.queued():
                row = connection.execute(
                    "SELECT seen_at FROM events INDEXED BY pending"
                    " WHERE state = 0 AND lane = ? AND terminal = ? ORDER BY seq LIMIT 1",
                    (lane, terminal),
                ).fetchone()
                if row is not None and (oldest is None or row[0] < oldest):
                    oldest = row[0]
        return None if oldest is None else from_us(oldest)

    def oldest_pending_age(self) -> float | None:
        """Return for how many seconds the oldest event has waited, by the host's clock."""
        oldest = self.oldest_pending()
        if oldest is None:
            return None
        return max(0.0, (self._database.clock() - oldest).total_seconds())

    def newest_seen_at(self) -> datetime | None:
        """Return the newest ``seen_at`` stored: a host clock behind it is wrong."""
        newest = self._database.memory.newest_seen_us
        return from_us(newest) if newest else None

    def mark(
        self,
        delivered: Sequence[int] = (),
        refused: Sequence[int] = (),
        dropped: Sequence[int] = (),
        *,
        published_offline: Iterable[int] = (),
        epoch: int | None = None,
    ) -> None:
        """Note what became of events; written when this returns, not synced.

        Args:
            delivered: The broker acknowledged them.
            refused: The broker will never take them.
            dropped: Alarms nobody wants any more.
            published_offline: Of the delivered ones, those Home Assistant was away for.
            epoch: The store's when the events were taken from it.

        Raises:
            StoreDamaged: The numbers are of a file that has been replaced since.
        """
        with self._database.write(synced=False) as body:
            if epoch is not None and epoch != self._database.epoch:
                raise StoreDamaged("these events are of a store that was replaced by a new file")
            _mark(body, Delivery.DELIVERED, delivered)
            _mark(body, Delivery.REFUSED, refused)
            _mark(body, Delivery.DROPPED, dropped)
            self._note_offline(body, published_offline)

    def remember_published_offline(self, seqs: Iterable[int]) -> None:
        """Note that these were published while Home Assistant was away."""
        with self._database.write(synced=False) as body:
            self._note_offline(body, seqs)

    def take_published_offline(self, since: datetime) -> int:
        """Queue once more what was published since then while Home Assistant was away.

        Alarms are left out, and so is what waits already. Returns how many were queued.
        """
        with self._database.write() as body:
            rows = body.execute(
                "UPDATE events SET state = 0, lane = ?, published_offline = NULL"
                " WHERE published_offline >= ? AND state = 1 AND kind <> ? RETURNING terminal",
                (Lane.REPLAY, to_us(since), Kind.ALARM),
            ).fetchall()
            body.execute(
                "UPDATE events SET published_offline = NULL WHERE published_offline IS NOT NULL"
            )
            for (terminal,) in rows:
                body.effects.pending[terminal, Lane.REPLAY] += 1
        return len(rows)

    def requeue(
        self, terminal: int, since: datetime, until: datetime, limit: int | None = None
    ) -> int:
        """Queue delivered punches and op-log entries of a time once more; returns how many."""
        with self._database.write() as body:
            queued = 0
            for kind in (Kind.PUNCH, Kind.OPERATION):
                room = -1 if limit is None else limit - queued
                rows = body.execute(
                    "UPDATE events SET state = 0, lane = ? WHERE seq IN ("
                    "SELECT seq FROM events WHERE terminal = ? AND kind = ? AND at >= ? AND at < ?"
                    " AND state = 1 ORDER BY at, seq LIMIT ?) RETURNING seq",
                    (Lane.REPLAY, terminal, kind, to_us(since), to_us(until), room),
                ).fetchall()
                queued += len(rows)
            if queued:
                body.effects.pending[terminal, Lane.REPLAY] += queued
        return queued

    def _note_offline(self, body: Body, seqs: Iterable[int]) -> None:
        now = to_us(self._database.clock())
        body.executemany(
            "UPDATE events SET published_offline = ? WHERE seq = ?", [(now, seq) for seq in seqs]
        )

    # retained topics

    def remember_topic(self, topics: Iterable[str], *, user_id: str | None = None) -> None:
        """Note retained topics before anything is sent to them.

        Args:
            topics: Those not noted yet cost a write, the others nothing.
            user_id: The person they tell about, for erasing.
        """
        new = set(topics) - self._wanted_topics()
        if not new:
            return
        with self._database.write() as body:
            body.executemany(
                "INSERT INTO topics(topic, user_id) VALUES(?, ?)"
                " ON CONFLICT DO UPDATE SET clear = 0,"
                " user_id = coalesce(excluded.user_id, user_id)",
                [(topic, user_id) for topic in new],
            )
            body.effects.topics.update(dict.fromkeys(new, False))

    def sent_topics(self) -> set[str]:
        """Return every retained topic ever sent and not cleared since."""
        return self._database.memory.topics()

    def topics_to_clear(self) -> set[str]:
        """Return retained topics that erasing a person asked to clear."""
        return self._database.memory.topics(to_clear=True)

    def forget_topic(self, topics: Iterable[str]) -> None:
        """Note that these were cleared on the broker."""
        gone = set(topics) & self._database.memory.topics()
        if not gone:
            return
        with self._database.write() as body:
            body.executemany("DELETE FROM topics WHERE topic = ?", [(topic,) for topic in gone])
            body.effects.topics_gone |= gone

    def _wanted_topics(self) -> set[str]:
        return self._database.memory.topics() - self._database.memory.topics(to_clear=True)

    # presence

    def update_presence(self, user_id: str, state: str, at: datetime) -> bool:
        """Note where a person went; False when something newer is known (contract 5.16)."""
        with self._database.write(synced=False) as body:
            cursor = body.execute(
                "INSERT INTO presence VALUES(?, ?, ?) ON CONFLICT DO UPDATE"
                " SET state = excluded.state, at = excluded.at WHERE excluded.at > at",
                (user_id, state, to_us(at)),
            )
            return cursor.rowcount > 0

    def presence(self) -> list[Presence]:
        """Return where everybody was last seen going."""
        with self._database.read() as connection:
            rows = connection.execute("SELECT user_id, state, at FROM presence").fetchall()
        return [Presence(user_id=user, state=state, at=from_us(at)) for user, state, at in rows]


def _mark(body: Body, state: Delivery, seqs: Sequence[int]) -> None:
    for seq in seqs:
        for terminal, lane in body.execute(_MARK, (state, seq)).fetchall():
            body.effects.pending[terminal, Lane(lane)] -= 1
            body.effects.refused += state is Delivery.REFUSED
