"""Live events of one connection: stored when seen, acknowledged afterwards, missed when absent."""

import logging
from collections.abc import Callable, Iterable
from typing import Final

from zkbridge.events import Freshness, Log, Mode, Source
from zkbridge.identity import user_key
from zkbridge.polling.context import Context
from zkbridge.polling.state import StateKeeper
from zkbridge.zk import (
    LiveAlarm,
    LiveEvent,
    LivePunch,
    LiveVerify,
    ZKDevice,
    ZKNotSupported,
)

_LOGGER = logging.getLogger(__name__)
# A log with records this wide names people by the terminal's internal index only.
_INDEX_ONLY_SIZE: Final = 8
# A terminal that floods events is polled all the same.
_MOST_AT_ONCE: Final = 1000


class LiveListener:
    """Turns what a terminal tells by itself into stored events.

    Attributes:
        registered: Whether the terminal agreed to tell.
        news: A punch was told, so its log has something to reconcile.
        undecided: A punch was told that means nothing without the log.
        last_user: Who punched last; taken away by whoever wants his picture.
    """

    def __init__(
        self,
        device: ZKDevice,
        context: Context,
        keeper: StateKeeper,
        *,
        name: str,
        record_size: Callable[[], int | None],
        first_alarm: Callable[[], None],
        ask_about: Callable[[str], None],
    ) -> None:
        """Prepare for one connection.

        Args:
            device: The connection.
            context: The terminal at its other end.
            keeper: Told of mode and last punch.
            name: What the terminal is called in the log.
            record_size: Bytes of a record in the punch log; None: not known yet.
            first_alarm: Called when the terminal sends its first alarm ever.
            ask_about: Reads the user table again because somebody unknown punched.
        """
        self.registered = False
        self.news = False
        self.undecided = False
        self.last_user: str | None = None
        self._device = device
        self._context = context
        self._keeper = keeper
        self._name = name
        self._record_size = record_size
        self._first_alarm = first_alarm
        self._ask_about = ask_about
        self._unheard: set[tuple[str, int]] = set()
        self._quiet_polls = 0

    def register(self) -> None:
        """Ask for events; a terminal that has none is polled only."""
        try:
            self._device.register_events()
        except ZKNotSupported:
            _LOGGER.warning("%s: no realtime events; polling only", self._name)
            return
        self.registered = True

    def catch_up(self) -> None:
        """Take the events that are here already: they are older than what a log shows next."""
        for _ in range(_MOST_AT_ONCE):
            event = self._device.next_event(0.0, None) if self.registered else None
            if event is None:
                return
            self.take(event)

    def expect(self, punches: Iterable[tuple[str, int]]) -> None:
        """Note punches (user key, packed time) that a poll found and nobody told of."""
        if self.registered:
            self._unheard.update(punches)

    def judge(self) -> int:
        """Notice, after a poll, when punches reach the log but no events come.

        Returns:
            For how many polls with news in a row that has been so.
        """
        if not self.registered:
            self._keeper.update(mode=Mode.POLL)
            return 0
        while self._unheard and (event := self._device.next_event(0.0, None)) is not None:
            self.take(event)
        if not self._unheard:
            self._keeper.update(mode=Mode.LIVE if not self._quiet_polls else Mode.POLL)
            return self._quiet_polls
        self._unheard.clear()
        self._quiet_polls += 1
        self._keeper.update(mode=Mode.POLL)
        self._device.register_events()
        return self._quiet_polls

    def take(self, event: LiveEvent) -> None:
        """Store what an event says, then acknowledge it to the terminal.

        Raises:
            ZKError: The terminal went away.
            StoreError: It could not be stored; it is not acknowledged then.
        """
        if isinstance(event, LivePunch):
            self._punch(event)
        elif isinstance(event, LiveAlarm) or (
            isinstance(event, LiveVerify) and not event.identified
        ):
            self._alarm(event)
        else:
            _LOGGER.debug("%s: event %s", self._name, event)
        self._device.acknowledge()

    def _punch(self, event: LivePunch) -> None:
        context = self._context
        self.news = True
        self._quiet_polls = 0
        who = self._who(event)
        if who is None:
            self.undecided = True  # only the log's own layout can tell who that is
            return
        person, user_id = who
        self._unheard.discard((person, event.raw_time))
        if context.directory.is_stranger(user_id):
            self._ask_about(user_id)
        punch = context.translator.punch(
            event,
            person=person,
            user_id=user_id,
            user_name=context.directory.name(user_id),
            occurrence=0,
            source=Source.LIVE,
            seen_at=context.clock(),
        )
        subject = person.encode("utf-8", "surrogatepass")
        with context.store.transaction() as tx:
            confirmed, live = tx.known_occurrences(
                context.number, Log.PUNCHES, event.raw_time, subject
            )
            if confirmed is not None or live:
                return  # the log decides whether this is a second one
            tx.add(
                context.number,
                punch,
                subject=subject,
                raw_time=event.raw_time,
                freshness=self._now(),
            )
        self.last_user = user_id
        context.metrics.punch_seen(context.terminal_id, Source.LIVE.value)
        self._keeper.update(mode=Mode.LIVE, last_punch=punch.timestamp)

    def _who(self, event: LivePunch) -> tuple[str, str] | None:
        """Return user key and user id; None when only the log can tell."""
        if not event.uid_only:
            return event.user_id, event.user_id
        size = self._record_size()
        if size is None:
            return None
        directory = self._context.directory
        if size == _INDEX_ONLY_SIZE:
            uid = int(event.user_id)
            return user_key(None, uid), directory.user_id(uid)
        user_id = directory.resolve(event.user_id)
        return user_id, user_id

    def _alarm(self, event: LiveAlarm | LiveVerify) -> None:
        context = self._context
        now = context.clock()
        alarm = context.translator.alarm(
            event,
            user_id=None if event.uid is None else context.directory.user_id(event.uid),
            seen_at=now,
            seen_ns=int(now.timestamp() * 1_000_000_000),
        )
        with context.store.transaction() as tx:
            tx.add(context.number, alarm, freshness=self._now())
        if not self._keeper.view.facts.has_alarms:
            self._first_alarm()
            self._keeper.facts(has_alarms=True)

    def _now(self) -> Freshness:
        return Freshness(age_s=0.0, seen_mono_s=self._context.mono(), process=self._context.process)
