"""Everything retained: what the topics should say, and since when they should not any more."""

import contextlib
import logging
import random
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from zkbridge.events import TerminalView
from zkbridge.mqtt.departed import Departed
from zkbridge.mqtt.messages import (
    BridgeState,
    Message,
    availability_message,
    bridge_state_message,
    presence_message,
    state_message,
)
from zkbridge.mqtt.recent import Recent
from zkbridge.mqtt.retained import Retained, belongs
from zkbridge.mqtt.rivals import Rivals
from zkbridge.mqtt.settings import Hooks, Identity, Settings
from zkbridge.people import Movement, Privacy, Whereabouts
from zkbridge.store import Store, StoreError, StoreFull

_LOGGER = logging.getLogger(__name__)

_BRIDGE_STATE_EVERY_S: Final = 10.0
# A punch comes and goes within that: the queue's length is not told of each.
_SETTLE_S: Final = 1.0
_BIRTH_JITTER_S: Final = (2.0, 5.0)
_VIEW_FOLLOWS_S: Final = 0.1
_STATES_AT_ONCE: Final = 8
_STORE_RETRY_S: Final = 1.0
_REMOVAL_FOLLOWS_S: Final = 2.0


class Announcer:
    """Turns views, presence and the bridge's state into retained topics.

    Owned by the publisher's thread.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        hooks: Hooks,
        identity: Identity,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._store = store
        self._settings = settings
        self._hooks = hooks
        self._identity = identity
        self._monotonic = monotonic
        self._jitter = jitter
        self._privacy = Privacy(settings.people)
        self._remembered: set[str] = set()
        self._persons: dict[str, str] = {}
        self._version = -1
        self._views: dict[str, TerminalView] = {}
        self._shapes: dict[str, object] = {}
        self._discovered: dict[str, bytes] = {}
        self._discovery_at: float | None = None
        self._bridge_at: float | None = None
        self._bridge_told_at = -_BRIDGE_STATE_EVERY_S
        self._birth_at: float | None = None
        self._rivals = Rivals(identity, monotonic=monotonic)
        # Whether Home Assistant was heard on this connection and takes in what it is sent.
        self._listening = False
        self._departed = Departed(store, clock=clock)
        self._once: deque[Message] = deque()
        self._removals: list[Message] = []
        self._removals_at: float | None = None
        self._removing = False
        self._recent = Recent(store, clock=clock)
        # Terminals whose state is to be made anew, and when.
        self._stale: set[str] = set()
        self._states_at: float | None = None
        self.retained = Retained()

    # What comes from outside

    def configure(self, settings: Settings) -> None:
        """Take changed settings; clears what is no longer wanted."""
        self._settings = settings
        self._privacy = Privacy(settings.people)
        self._begin()

    def start(self) -> None:
        """Read what earlier runs said; before the first connection."""
        self._remembered = self._store.sent_topics()
        self._departed.load()
        with contextlib.suppress(StoreFull):  # this topic is wanted as long as there is a bridge
            self._remember([self.greeting().topic])

    def known_discovery(self) -> list[str]:
        """Return the discovery topics whose retained messages are worth a look."""
        topics = self._settings.topics
        prefix = topics.discovery("")[: -len("/config")]
        return sorted(topic for topic in self._remembered if topic.startswith(prefix))

    def adopt(self, topic: str, payload: bytes) -> None:
        """Take what an earlier run announced, as the broker kept it."""
        if payload:
            self._discovered.setdefault(topic, payload)

    def greeting(self) -> Message:
        """Make what is said first on a connection."""
        return availability_message(self._settings.topics.bridge_availability, online=True)

    def connected(self, *, first: bool) -> None:
        """Say everything to a broker that may have forgotten it."""
        self.left()
        self.retained.connected()
        self.retained.said(self.greeting())
        if first:
            self._begin()
        self.stir()

    def _begin(self) -> None:
        self._version = -1
        self._views.clear()
        self._shapes.clear()
        self._stale.clear()
        self._recent.configure(self._settings.zones)
        for presence in self._store.presence():
            if self._privacy.tracks(presence.user_id):
                self._want_person(presence.user_id, home=presence.state == Whereabouts.HOME)
        self.refresh()
        self._tell_states(len(self._stale))
        self._discover(settled=True)
        self._forget_persons()
        self._clean()

    def people_changed(self) -> None:
        """Terminals know other people than before: look in a moment what that changes."""
        if self._discovery_at is None:
            self._discovery_at = self._monotonic() + self._jitter(*_BIRTH_JITTER_S)

    def born(self) -> None:
        """Home Assistant is back, and has read what is retained: say it again in a moment."""
        self._listening = True
        if self._birth_at is None:
            self._birth_at = self._monotonic() + self._jitter(*_BIRTH_JITTER_S)

    def left(self) -> None:
        """Home Assistant, as far as is known, does not listen."""
        self._listening = False
        self._once.clear()
        self._removals_at = None
        self._removing = False

    def moved(self, movement: Movement) -> None:
        """Note where a person went, unless something newer is known."""
        if self._store.update_presence(movement.user_id, movement.where.value, movement.at):
            self._want_person(movement.user_id, home=movement.where is Whereabouts.HOME)

    def stir(self) -> None:
        """Something that the bridge's state shows may have changed."""
        if self._bridge_at is None:
            earliest = self._bridge_told_at + _BRIDGE_STATE_EVERY_S
            self._bridge_at = max(self._monotonic() + _SETTLE_S, earliest)

    # What is due

    @property
    def due(self) -> float | None:
        """Monotonic time of the next thing to do by :meth:`turn`; None: nothing."""
        midnight_s = self._recent.midnight_in_s()
        times = (
            self._birth_at,
            self._bridge_at,
            self._discovery_at,
            self._states_at,
            self._removals_at,
            None if midnight_s is None else self._monotonic() + midnight_s,
        )
        return min((moment for moment in times if moment is not None), default=None)

    def turn(self) -> bool:
        """Do what is due; tell whether Home Assistant has just been told everything."""
        now = self._monotonic()
        if self._bridge_at is not None and now >= self._bridge_at:
            self._tell_bridge_state()
        self._want_states(self._recent.new_days(), now)
        if self._states_at is not None and now >= self._states_at:
            self._tell_states(_STATES_AT_ONCE)
        if self._discovery_at is not None and now >= self._discovery_at:
            self._discover(settled=False)
        if self._removals_at is not None and now >= self._removals_at:
            self._removals_at = None
            self._once = deque(self._removals)
            self._removing = True
        if self._birth_at is None or now < self._birth_at:
            return False
        self._birth_at = now + _STORE_RETRY_S  # should the store fail
        self._discover(settled=True)
        self._birth_at = None
        self._take_back_again()
        portraits = {self._settings.topics.portrait(terminal_id) for terminal_id in self._views}
        self.retained.again(lambda topic: topic not in portraits)
        return True

    def refresh(self) -> None:
        """Look for changed views, punches and portraits."""
        self._want_portraits()
        # The view that goes with a punch is on its way: one message instead of two.
        self._want_states(self._recent.changed(), self._monotonic() + _VIEW_FOLLOWS_S)
        version = self._store.view_version
        if version == self._version:
            return
        self._version = version
        for view in self._store.views():
            terminal_id = view.terminal.id
            before = self._views.get(terminal_id)
            if terminal_id in self._settings.directions and before != view:
                self._views[terminal_id] = view
                self._want_terminal(view, before)

    def _want_terminal(self, view: TerminalView, before: TerminalView | None) -> None:
        topics, terminal_id = self._settings.topics, view.terminal.id
        if view.online is not None:
            self.retained.want(
                availability_message(topics.availability(terminal_id), online=view.online)
            )
        if before is None or before.state != view.state:
            self._want_states({terminal_id}, self._monotonic())
        if before is None or before.online != view.online:
            self.stir()
        shape = _shape(view)
        if self._shapes.get(terminal_id) != shape:
            self._shapes[terminal_id] = shape
            if self._discovery_at is None:
                self._discovery_at = self._monotonic() + _SETTLE_S

    def _want_states(self, terminal_ids: set[str], at: float) -> None:
        wanted = terminal_ids & self._views.keys()
        if wanted:
            self._stale |= wanted
            self._states_at = at if self._states_at is None else min(self._states_at, at)

    def _tell_states(self, limit: int) -> None:
        """Make some of the stale states anew; few at once, as a punch may be waiting."""
        self._states_at = None
        for terminal_id in sorted(self._stale)[:limit]:
            view = self._views[terminal_id]
            try:
                recent = self._recent.of(view, self._privacy)
            except StoreError as error:
                _LOGGER.debug("the states wait for the store: %s", error)
                self._states_at = self._monotonic() + _STORE_RETRY_S
                return
            self._stale.discard(terminal_id)
            self.retained.want(
                state_message(self._settings.topics, terminal_id, view.state, recent)
            )
        if self._stale:
            self._states_at = self._monotonic()

    def _want_person(self, user_id: str, *, home: bool) -> None:
        message = presence_message(self._settings.topics, user_id, home=home)
        if message.topic not in self._persons:
            self._persons[message.topic] = user_id
            # The person becomes a component of the bridge's device.
            self._discovery_at = self._monotonic()
        self.retained.want(message)

    def _want_portraits(self) -> None:
        for terminal_id, portrait in self._hooks.portraits().items():
            if terminal_id in self._settings.directions and self._privacy.shows_photo(
                portrait.user_id
            ):
                topic = self._settings.topics.portrait(terminal_id)
                self._persons[topic] = portrait.user_id
                self.retained.want(Message(topic, portrait.jpeg, retain=True))

    def _take_back_again(self) -> None:
        in_full, self._removals = self._departed.messages(self._discovered)
        self._once = deque(in_full)
        self._removing = False
        if in_full:
            self._removals_at = self._monotonic() + _REMOVAL_FOLLOWS_S
        else:
            self._departed.handled()

    def _discover(self, *, settled: bool) -> None:
        self._discovery_at = self._monotonic() + _STORE_RETRY_S  # should the store fail
        views = [self._views[terminal_id] for terminal_id in sorted(self._views)]
        for message in self._hooks.discovery(views, dict(self._discovered), settled):
            if not self._listening:
                before = self._discovered.get(message.topic, b"")
                self._departed.note(message.topic, before, message.payload)
            if message.payload:
                self._discovered[message.topic] = message.payload
                self.retained.want(message)
            else:
                self._discovered.pop(message.topic, None)
                self.retained.clear(message.topic)
        self._departed.save()
        self._discovery_at = None

    def _clean(self) -> None:
        for topic in sorted(self._remembered):
            if not self._wanted(topic):
                _LOGGER.debug("clearing %s", topic)
                self.retained.clear(topic)

    def _wanted(self, topic: str) -> bool:
        settings, privacy = self._settings, self._privacy
        person = self._persons.get(topic)
        if person is not None and topic == settings.topics.person(person):
            return privacy.tracks(person)
        # Whose portrait an earlier run left there is not known any more.
        photos = privacy.shows_photo(person) if settings.people.include else settings.people.photos
        return belongs(
            topic,
            settings.topics,
            settings.directions,
            photos=photos,
            discovery=settings.discovery,
        )

    # The bridge itself

    def _tell_bridge_state(self) -> None:
        self._bridge_at = None
        self._forget_persons()
        message = self._bridge_state()
        if self.retained.payload(message.topic) != message.payload:
            self._bridge_told_at = self._monotonic()
            self.retained.want(message)

    def _forget_persons(self) -> None:
        topics = self._store.topics_to_clear()
        for terminal_id, portrait in self._hooks.portraits().items():
            if self._settings.topics.portrait(terminal_id) in topics:
                self._hooks.forgotten(portrait)
        for topic in topics:
            self.retained.clear(topic)
            # Seen again, a person is announced again.
            self._persons.pop(topic, None)
        if topics:
            self.people_changed()

    def _bridge_state(self) -> Message:
        identity = self._identity
        return bridge_state_message(
            self._settings.topics,
            BridgeState(
                version=identity.version,
                instance=identity.instance,
                started_at=identity.started_at,
                terminals=len(self._settings.directions),
                terminals_online=sum(view.online is True for view in self._views.values()),
                queue=self._store.queue_depth(),
                refused=self._store.refused_count(),
                log_level=self._hooks.log_level(),
            ),
        )

    @property
    def clash(self) -> str | None:
        """Instance of another bridge under our base topic; None: we are alone."""
        return self._rivals.newest

    def overheard(self, payload: bytes, *, retained: bool) -> None:
        """Take what appeared on the bridge's state topic (contract 5.15)."""
        topics = self._settings.topics
        if self._rivals.overheard(payload, topics.base, retained=retained):
            # Now the other one hears of us.
            self.retained.want(self._bridge_state())
            self.retained.again(lambda topic: topic == topics.bridge_state)

    # On the way

    def next(self) -> Message | None:
        """Return the next message; a retained one is noted in the store before it is sent."""
        if not self.retained:
            return self._next_once()
        self._remember(self.retained.waiting())
        return self.retained.take()

    def _next_once(self) -> Message | None:
        if not self._once:
            return None
        message = self._once.popleft()
        if self._removing and not self._once:
            self._removing = False
            self._departed.handled()
        return message

    def acknowledged(self, topic: str) -> None:
        """Note that the broker has what a topic should say."""
        self.retained.confirmed(topic)
        if self.retained.payload(topic) is None and topic in self._remembered:
            self._store.forget_topic([topic])
            self._remembered.discard(topic)

    def farewell(self) -> list[Message]:
        """Make what is said last: every terminal offline, then the bridge."""
        topics = self._settings.topics
        offline = [topics.availability(terminal_id) for terminal_id in sorted(self._views)]
        return [
            availability_message(topic, online=False)
            for topic in (*offline, topics.bridge_availability)
        ]

    def _remember(self, topics: Iterable[str]) -> None:
        new = [topic for topic in topics if topic not in self._remembered]
        if not new:
            return
        self._store.remember_topic([topic for topic in new if topic not in self._persons])
        for topic in new:
            if topic in self._persons:
                self._store.remember_topic([topic], user_id=self._persons[topic])
        self._remembered.update(new)


def _shape(view: TerminalView) -> object:
    """Return what of a view its discovery message can depend on; numbers move all the time."""
    state = view.state
    absent = (
        state.users is None,
        state.fingerprints is None,
        state.faces is None,
        state.punches is None,
        state.log_used is None,
        state.clock_drift is None,
    )
    return (view.terminal, view.facts, state.firmware, state.serial, state.platform, absent)
