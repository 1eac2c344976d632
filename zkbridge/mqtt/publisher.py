"""The publisher's thread: store → broker → acknowledged → recorded.

It owns the connection; everything is decided here, one thing after the other. Other threads only
wake it.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from zkbridge.mqtt.announcer import Announcer
from zkbridge.mqtt.broker import Acknowledged, ConnectionEvent, Down, Received, Subscribed, Up
from zkbridge.mqtt.connection import Connection
from zkbridge.mqtt.grace import OFFLINE
from zkbridge.mqtt.inbox import Inbox
from zkbridge.mqtt.messages import Message
from zkbridge.mqtt.sender import FAILURE, QUOTA, Sender
from zkbridge.mqtt.settings import Hooks, Identity, Settings
from zkbridge.mqtt.suspects import Suspects
from zkbridge.mqtt.window import SIZE, Key
from zkbridge.store import Store, StoreError, utc_now

_LOGGER = logging.getLogger(__name__)

_OFFLINE_MEMORY: Final = timedelta(hours=24)
# Health looks whether the thread makes progress.
_LONGEST_WAIT_S: Final = 10.0
# Of so many messages one may be a retained one while events queue up.
_EVENTS_IN_A_ROW: Final = 8
_BATCH: Final = 10
_STORE_RETRY_S: Final = 1.0
_STOP_S: Final = 2.6
_FINISH_S: Final = 1.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How the publisher is doing, for health and page.

    Attributes:
        trouble: Why there is no connection, one line; None while there is one.
        clash: Instance of another bridge under the same base topic.
        heartbeat_s: Monotonic time of its last turn; never older than 10 s in a healthy one.
    """

    connected: bool
    trouble: str | None
    protocol: str | None
    clash: str | None
    heartbeat_s: float


class Once(NamedTuple):
    """Key of an announcement that is not retained: nothing follows from what becomes of it."""

    topic: str


class Publisher:
    """Publishes everything; takes commands."""

    def __init__(
        self,
        store: Store,
        connection: Connection,
        settings: Settings,
        identity: Identity,
        hooks: Hooks | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._connection = connection
        self._settings = settings
        self._hooks = hooks or Hooks()
        self._clock = clock
        self._monotonic = monotonic
        self._announcer = Announcer(
            store, settings, self._hooks, identity, clock=clock, monotonic=monotonic
        )
        self._inbox = Inbox(store, settings, self._hooks, self._announcer, monotonic=monotonic)
        self._sender = Sender(
            store,
            settings,
            self._hooks,
            self._inbox.grace,
            identity.process,
            moved=self._announcer.moved,
            clock=clock,
            monotonic=monotonic,
        )
        self._suspects = Suspects()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._news = True
        self._people_news = False
        self._new_settings: Settings | None = None
        self._up: Up | None = None
        self._connections = 0
        self._begun = False
        self._ready = False
        self._answered_at_all = False
        self._retry_at: float | None = None
        self._announcing = False
        self._replay_after_announcing = False
        self._events_in_a_row = 0
        self._said: str | None = None
        self._heartbeat_s = monotonic()

    # For other threads

    def start(self) -> None:
        """Begin; returns at once, whether or not there is a broker."""
        self._thread = threading.Thread(target=self._run, name="publisher")
        self._store.subscribe(self._on_store)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is on its way and say goodbye; returns at once."""
        self._stop.set()
        self._connection.wake()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end; tell whether it came."""
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def configure(self, settings: Settings) -> None:
        """Take changed settings without a new connection.

        Raises:
            ValueError: The base topic or the discovery prefix changed; that needs a new publisher.
        """
        if settings.topics != self._settings.topics:
            raise ValueError("another base topic needs another publisher")
        self._new_settings = settings
        self._connection.wake()

    def touch(self) -> None:
        """Something that hooks tell of has changed: log level, portraits."""
        self._news = True
        self._connection.wake()

    def people_changed(self) -> None:
        """Terminals know other people than before."""
        self._people_news = True
        self._connection.wake()

    @property
    def status(self) -> Status:
        """How it is doing."""
        return Status(
            connected=self._connection.up,
            trouble=None if self._connection.up else self._said or "connecting",
            protocol=None if self._up is None else self._up.protocol,
            clash=self._announcer.clash,
            heartbeat_s=self._heartbeat_s,
        )

    def _on_store(self) -> None:
        # A commit of our own thread may have carried another's events along.
        self._news = True
        if threading.current_thread() is not self._thread:
            self._connection.wake()

    # The thread

    def _run(self) -> None:
        try:
            while not self._stop.is_set() and not self._begin_with_the_past():
                self._stop.wait(_STORE_RETRY_S)
            self._connection.open()
            while not self._stop.is_set():
                self._turn()
            self._goodbye()
        except Exception as error:
            _LOGGER.exception("the publisher failed")
            self._hooks.failed(error)
        finally:
            self._store.unsubscribe(self._on_store)
            self._connection.close(graceful=False)

    def _begin_with_the_past(self) -> bool:
        try:
            self._inbox.start()
            self._announcer.start()
        except StoreError as error:
            _LOGGER.warning("publishing waits for the store: %s", error)
            return False
        return True

    def _turn(self) -> None:
        self._fill()
        for event in self._connection.wait(self._patience()):
            self._heed(event)
        self._heartbeat_s = self._monotonic()
        self._sender.record()
        if self._retry_at is not None and self._monotonic() >= self._retry_at:
            self._retry_at, self._news = None, True
        try:
            self._look_around()
        except StoreError as error:
            self._retry(error)

    def _retry(self, error: StoreError) -> None:
        _LOGGER.debug("the announcements wait for the store: %s", error)
        self._retry_at = self._monotonic() + _STORE_RETRY_S

    def _look_around(self) -> None:
        settings, self._new_settings = self._new_settings, None
        if settings is not None:
            self._reconfigure(settings)
        if self._answered_at_all and not self._ready:
            self._begin()
        if self._news:
            self._news = False
            self._sender.refresh()
            # Events first: whoever committed one is waiting for it.
            self._fill()
            if self._ready:
                self._announcer.refresh()
                self._announcer.stir()
        if self._people_news:
            self._people_news = False
            self._announcer.people_changed()
        if self._ready and self._announcer.turn():
            self._announcing = self._replay_after_announcing = True

    def _reconfigure(self, settings: Settings) -> None:
        self._settings = settings
        self._sender.configure(settings)
        self._announcer.configure(settings)
        old = self._inbox.filters()
        self._inbox.configure(settings)
        if self._connection.up and self._inbox.filters() != old:
            self._connection.unsubscribe(old)
            self._connection.subscribe(self._inbox.filters())

    def _patience(self) -> float:
        now = self._monotonic()
        times = [now + _LONGEST_WAIT_S]
        if self._ready and self._connection.up:
            dues = (self._sender.due, self._announcer.due)
            times += [due for due in dues if due is not None]
        elif len(self._sender.window.outcome):
            times.append(now + 1.0)
        if self._retry_at is not None:
            times.append(self._retry_at)
        if self._news or self._new_settings is not None or self._stop.is_set():
            return 0.0
        return max(0.0, min(times) - now)

    # Sending

    def _fill(self) -> None:
        if not (self._ready and self._connection.up) or self._sender.paused:
            return
        limit = 1 if self._suspects.alone else SIZE
        if self._up is not None:
            limit = min(limit, self._up.receive_maximum)
        self._sender.begin()
        room = self._sender.window.room(self._connection.unacknowledged, limit=limit)
        for sent in range(1, room + 1):
            found = self._next()
            if found is None:
                self._announced()
                break
            key, message = found
            self._connection.publish(message, key)
            if sent % _BATCH == 0:
                # The broker works on these while we make the next ones.
                self._connection.flush()
        self._connection.flush()
        if self._connection.unacknowledged:
            self._sender.prefetch()

    def _next(self) -> tuple[Hashable, Message] | None:
        retained_first = self._announcing or self._events_in_a_row >= _EVENTS_IN_A_ROW
        if retained_first and (announcement := self._announcement()) is not None:
            return announcement
        if not self._announcing and (event := self._sender.next()) is not None:
            self._events_in_a_row += 1
            return event
        return self._announcement()

    def _announcement(self) -> tuple[Hashable, Message] | None:
        self._events_in_a_row = 0
        try:
            message = self._announcer.next()
        except StoreError as error:
            self._retry(error)
            return None
        if message is None:
            self._announced()
            return None
        return message.topic if message.retain else Once(message.topic), message

    def _announced(self) -> None:
        """Discovery and states are out: now what Home Assistant missed may follow."""
        self._announcing = False
        if not self._replay_after_announcing:
            return
        if self._inbox.grace.remembering or self._inbox.grace.holding(self._monotonic()):
            return
        self._replay_after_announcing = False
        try:
            if self._store.take_published_offline(self._clock() - _OFFLINE_MEMORY):
                self._sender.refresh()
        except StoreError as error:
            self._replay_after_announcing = True
            self._retry(error)

    # What the connection tells

    def _heed(self, event: ConnectionEvent) -> None:
        if isinstance(event, Acknowledged):
            self._answered(event)
        elif isinstance(event, Received):
            if self._inbox.receive(event):
                self._announcer.born()
            elif self._inbox.grace.status == OFFLINE:
                self._announcer.left()
        elif isinstance(event, Up):
            self._on_up(event)
        elif isinstance(event, Down):
            self._on_down(event)
        elif isinstance(event, Subscribed) and event.refused:
            _LOGGER.warning(
                "the broker does not let us subscribe to %s: check its access rules",
                ", ".join(event.refused),
            )

    def _on_up(self, up: Up) -> None:
        self._up = up
        self._connections += 1
        self._said = None
        _LOGGER.info("connected to the broker with MQTT %s", up.protocol)
        self._inbox.connected(again=self._connections > 1)
        self._connection.subscribe(self._inbox.filters())
        known = [] if self._begun else self._announcer.known_discovery()
        if known:
            self._connection.subscribe(known)
        # The answer to this comes after what the broker kept for the subscriptions.
        greeting = self._announcer.greeting()
        self._connection.publish(greeting, greeting.topic)

    def _on_down(self, down: Down) -> None:
        if down.cause.text != self._said:
            _LOGGER.warning("%s", down.cause.text)
        else:
            _LOGGER.debug("%s; next attempt in %.1f s", down.cause.text, down.retry_s)
        self._said = down.cause.text
        if not down.was_up:
            return
        self._sender.record(now=True)
        identities = [self._identity(key) for key in down.unacknowledged]
        culprit = self._suspects.closed(
            [identity for identity in identities if identity is not None],
            code=down.cause.code,
            answered=self._ready,
        )
        self._ready = self._answered_at_all = False
        for key in down.unacknowledged:
            if isinstance(key, str):
                self._announcer.retained.lost(key)
        self._sender.lost()
        if isinstance(culprit, str):
            self._refuse_topic(culprit, "the broker closes the connection on it")
        elif isinstance(culprit, int):
            self._sender.give_up(culprit)
            self._sender.record(now=True)

    def _identity(self, key: Hashable) -> Hashable | None:
        return self._sender.window.event(key) if isinstance(key, Key) else key

    def _answered(self, answer: Acknowledged) -> None:
        key = answer.key
        identity = self._identity(key)
        if identity is not None:
            self._suspects.cleared(identity)
        if isinstance(key, Key):
            self._sender.acknowledged(key, answer.code, answer.reason)
            return
        if isinstance(key, Once):
            return
        topic = str(key)
        self._answered_at_all = True
        if answer.code == QUOTA:
            self._announcer.retained.lost(topic)
            self._sender.quota()
        elif answer.code >= FAILURE:
            self._refuse_topic(topic, answer.reason)
        elif self._ready:
            self._confirmed(topic)

    def _confirmed(self, topic: str) -> None:
        try:
            self._announcer.acknowledged(topic)
        except StoreError as error:
            _LOGGER.debug("%s was cleared, which the store does not note: %s", topic, error)

    def _refuse_topic(self, topic: str, reason: str) -> None:
        _LOGGER.warning("the broker refuses the retained message on %s: %s", topic, reason)
        self._announcer.retained.refused(topic)

    def _begin(self) -> None:
        """The broker has answered: now everything else may go."""
        known = [] if self._begun else self._announcer.known_discovery()
        if known:
            self._connection.unsubscribe(known)
        self._announcer.connected(first=not self._begun)
        self._sender.connected(None if self._up is None else self._up.maximum_packet)
        self._begun = self._ready = True
        self._announcing = self._replay_after_announcing = True

    # The end

    def _goodbye(self) -> None:
        """Wait for answers, then tell that nobody is here any more; within the stop budget."""
        end = self._monotonic() + _STOP_S
        self._finish(self._monotonic() + _FINISH_S, self._landed)
        if self._ready and self._connection.up:
            farewell = deque(self._announcer.farewell())
            last = farewell[-1].topic
            told: set[str] = set()

            def send_farewell() -> bool:
                while farewell and self._connection.up and self._connection.unacknowledged < SIZE:
                    message = farewell.popleft()
                    self._connection.publish(message, message.topic)
                return last in told or not self._connection.up

            self._finish(end, send_farewell, told)
            # Unless the broker knows that we left, its last will must say so.
            self._connection.close(graceful=last in told)
        self._sender.record(now=True)

    def _landed(self) -> bool:
        while self._connection.up and (rest := self._sender.window.take()) is not None:
            self._connection.publish(rest[1], rest[0])
        return self._sender.window.in_flight == 0

    def _finish(self, end: float, done: Callable[[], bool], told: set[str] | None = None) -> None:
        while not done() and self._connection.up and self._monotonic() < end:
            for event in self._connection.wait(end - self._monotonic()):
                self._heed(event)
                if told is not None and isinstance(event, Acknowledged):
                    told.add(str(event.key))
            self._heartbeat_s = self._monotonic()
            self._sender.record(now=True)
