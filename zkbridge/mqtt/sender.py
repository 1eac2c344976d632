"""Events on their way: which is sent next, on which topic, and what the broker's answer means.

Owned by the publisher's thread; knows no connection.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from zkbridge.events import Alarm, Punch, Source
from zkbridge.mqtt.freshness import Clocks, is_fresh
from zkbridge.mqtt.grace import Grace
from zkbridge.mqtt.messages import Message, event_message, tag_message
from zkbridge.mqtt.outbox import Outbox
from zkbridge.mqtt.settings import Hooks, Settings
from zkbridge.mqtt.window import Flight, Key, Outcome, Window
from zkbridge.people import Movement, Privacy
from zkbridge.store import Lane, OutboxItem, Store, StoreDamaged, StoreError

_LOGGER = logging.getLogger(__name__)

FAILURE: Final = 0x80
QUOTA: Final = 0x97
# Acknowledgements are recorded together: at this many, or when nothing else is on its way.
_RECORD_AT: Final = 10
_RECORD_WITHIN_S: Final = 0.05
_STORE_RETRY_S: Final = 1.0
_QUOTA_WAITS_S: Final = (1.0, 60.0)
_SAY_REFUSED_EVERY_S: Final = 60.0
_REPLAY_EVERY_S: Final = 0.005
# Fixed header, properties and lengths of a PUBLISH, generously.
_PACKET_OVERHEAD: Final = 32


class Sender:
    """Takes pending events from the store and records what became of them."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        hooks: Hooks,
        grace: Grace,
        process: str,
        *,
        moved: Callable[[Movement], None],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._settings = settings
        self._privacy = Privacy(settings.people)
        self._hooks = hooks
        self._grace = grace
        self._process = process
        self._moved = moved
        self._clock = clock
        self._monotonic = monotonic
        self._epoch = 0
        self._erasures = 0
        self._maximum_packet: int | None = None
        self._record_at: float | None = None
        self._pause_until = 0.0
        self._quota_wait_s = _QUOTA_WAITS_S[0]
        self._replay_at = 0.0
        self._store_failed = False
        self._holding = False
        self._clocks = Clocks(mono_s=0.0, process=process, now=clock())
        self._refusals_said: dict[str, float] = {}
        self.window = Window()
        self._outbox = Outbox(store, self.window.holds)

    def configure(self, settings: Settings) -> None:
        """Take changed settings."""
        self._settings = settings
        self._privacy = Privacy(settings.people)

    def connected(self, maximum_packet: int | None) -> None:
        """Begin with the oldest event that is not delivered."""
        self._maximum_packet = maximum_packet
        self._again()

    def refresh(self) -> None:
        """Learn what is new in the store, and what is gone."""
        if self._store.erasures != self._erasures:
            self._erasures = self._store.erasures
            self._outbox.rewind()
        else:
            self._outbox.refresh()

    def lost(self) -> None:
        """Take back what was on its way: it is sent again from the store."""
        self.window.release_all()

    def _again(self) -> None:
        self._epoch = self._store.epoch
        self._outbox.rewind()

    # Sending

    @property
    def due(self) -> float | None:
        """Monotonic time of the next thing to do; None: nothing before somebody wakes us."""
        now = self._monotonic()
        times = [self._pause_until]
        if self._record_at is not None:
            times.append(max(self._record_at, self._pause_until))
        if self._grace.held_until is not None and not self._outbox.empty(Lane.NORMAL):
            times.append(self._grace.held_until)
        if not self._outbox.empty(Lane.REPLAY):
            times.append(self._replay_at)
        return min((moment for moment in times if moment > now), default=None)

    @property
    def paused(self) -> bool:
        """Whether nothing may be sent for a moment: the broker's quota, or the store's trouble."""
        return self._monotonic() < self._pause_until

    def begin(self) -> None:
        """Look at the clocks, once for a batch of :meth:`next`."""
        self._clocks = Clocks(
            mono_s=self._monotonic(),
            process=self._process,
            now=self._clock(),
            newest_seen_at=self._store.newest_seen_at(),
        )
        self._holding = self._grace.holding(self._clocks.mono_s)

    def next(self) -> tuple[Key, Message] | None:
        """Return the next message to send; None: nothing that may go now."""
        waiting = self.window.take()
        if waiting is not None or self._clocks.mono_s < self._pause_until:
            return waiting
        held = self._fresh if self._holding else None
        try:
            while True:
                item = self._outbox.next(Lane.NORMAL, held) or self._replay()
                if item is None:
                    return None
                self._take_on(item)
                waiting = self.window.take()
                if waiting is not None:
                    return waiting
        except StoreError as error:
            self._store_trouble(error)
            return None

    def prefetch(self) -> None:
        """Read ahead from the store while the broker is at work."""
        try:
            self._outbox.prefetch()
        except StoreError as error:
            self._store_trouble(error)

    def _replay(self) -> OutboxItem | None:
        now = self._clocks.mono_s
        if self._outbox.empty(Lane.REPLAY) or now < self._replay_at:
            return None
        self._replay_at = now + _REPLAY_EVERY_S
        return self._outbox.next(Lane.REPLAY, None)

    def _fresh(self, item: OutboxItem) -> bool:
        limit = self._settings.late_after_s
        seen = item.freshness
        if seen.process == self._process and seen.seen_mono_s > self._clocks.mono_s:
            # Seen since the batch began: it joined it, and has not come from the future.
            self.begin()
        return item.lane is Lane.NORMAL and is_fresh(
            item.freshness, item.event.seen_at, self._clocks, late_after_s=limit
        )

    def _take_on(self, item: OutboxItem) -> None:
        fresh = self._fresh(item)
        event = item.event
        if isinstance(event, Alarm) and not fresh:
            self.window.drop(item.seq)
            self._record_soon()
            return
        if isinstance(event, Punch):
            event = self._privacy.public(event)
        topics = self._settings.topics
        source = Source.REPLAY if item.lane is Lane.REPLAY else None
        messages = [event_message(topics, item.terminal, event, late=not fresh, source=source)]
        if fresh and isinstance(event, Punch) and self._privacy.scans_tag(event.user_id):
            messages.append(tag_message(topics, item.terminal.id, event.user_id))
        if self._too_large(messages[0]):
            self._say_refused(messages[0].topic, "larger than the broker takes")
            self.window.give_up(item.seq)
            self._record_soon()
            return
        flight = Flight(
            item, fresh, self._grace.remembering, parts=len(messages), left=len(messages)
        )
        self.window.add(flight, messages)

    def _too_large(self, message: Message) -> bool:
        if self._maximum_packet is None:
            return False
        size = len(message.topic.encode()) + len(message.payload) + _PACKET_OVERHEAD
        return size > self._maximum_packet

    # Answers

    def acknowledged(self, key: Key, code: int, reason: str) -> None:
        """Take the broker's answer to one message."""
        if code == QUOTA:
            self.quota()
            seq = self.window.event(key)
            if seq is not None:
                self.window.release(seq)
            self._again()
            return
        self._quota_wait_s = _QUOTA_WAITS_S[0]
        refused = code >= FAILURE
        if refused:
            self._say_refused("an event" if key.part == 0 else "a tag", reason)
        flight = self.window.acknowledged(key, refused=refused)
        if flight is not None:
            flight.offline |= self._grace.remembering
            self._count(flight)
            self._record_soon()

    def quota(self) -> None:
        """The broker's quota is used up: wait, each time longer."""
        _LOGGER.log(
            logging.WARNING if self._quota_wait_s == _QUOTA_WAITS_S[0] else logging.DEBUG,
            "the broker's quota is used up; trying again in %.0f s",
            self._quota_wait_s,
        )
        self._pause_until = self._monotonic() + self._quota_wait_s
        self._quota_wait_s = min(self._quota_wait_s * 2, _QUOTA_WAITS_S[1])

    def give_up(self, seq: int) -> None:
        """Set an event aside on which the broker closes the connection."""
        self._say_refused("an event", "the broker closes the connection on it")
        self.window.give_up(seq)
        self._record_soon()

    def _say_refused(self, what: str, reason: str) -> None:
        now = self._monotonic()
        again = now - self._refusals_said.get(reason, -_SAY_REFUSED_EVERY_S) < _SAY_REFUSED_EVERY_S
        if not again:
            self._refusals_said[reason] = now
        level = logging.DEBUG if again else logging.WARNING
        _LOGGER.log(level, "the broker refuses %s: %s; it is set aside", what, reason)

    def _count(self, flight: Flight) -> None:
        event = flight.item.event
        if isinstance(event, Punch) and not flight.refused:
            waited = (self._clock() - event.seen_at).total_seconds()
            self._hooks.metrics.published(
                flight.item.terminal.id, fresh=flight.fresh, latency_s=max(0.0, waited)
            )

    # Recording

    def _record_soon(self) -> None:
        if self._record_at is None:
            self._record_at = self._monotonic() + _RECORD_WITHIN_S

    def record(self, *, now: bool = False) -> None:
        """Record what became of events, when enough came together.

        Args:
            now: Do not wait for more.
        """
        outcome = self.window.outcome
        if not len(outcome):
            return
        due = self._record_at is not None and self._monotonic() >= self._record_at
        if not (now or due or len(outcome) >= _RECORD_AT or self.window.in_flight == 0):
            return
        if self._store_failed and self.paused and not now:
            return
        try:
            self._write(outcome)
        except StoreError as error:
            self._store_trouble(error)
            return
        self.window.outcome = Outcome()
        self._record_at = None
        if self._store_failed:
            self._store_failed = False
            _LOGGER.info("the store takes what was delivered again")
        idle = self._outbox.empty(Lane.NORMAL) and self._outbox.empty(Lane.REPLAY)
        if idle and not self.window.in_flight and self._store.queue_depth():
            self._outbox.refresh()

    def _write(self, outcome: Outcome) -> None:
        for flight in outcome.delivered:
            event = flight.item.event
            if isinstance(event, Punch):
                direction = self._settings.directions.get(flight.item.terminal.id, "state")
                movement = self._privacy.movement(event, direction)
                if movement is not None:
                    self._moved(movement)
        self._store.mark(
            [flight.item.seq for flight in outcome.delivered],
            outcome.refused,
            outcome.dropped,
            published_offline=[f.item.seq for f in outcome.delivered if f.offline],
            epoch=self._epoch,
        )

    def _store_trouble(self, error: StoreError) -> None:
        if isinstance(error, StoreDamaged):
            # The numbers mean other events now; whatever was not marked is sent again.
            self.window.forget()
            self._record_at = None
            self._again()
            return
        if not self._store_failed:
            _LOGGER.warning("publishing waits for the store: %s", error)
        self._store_failed = True
        self._pause_until = self._monotonic() + _STORE_RETRY_S
