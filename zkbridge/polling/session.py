"""One connection to one terminal: polls, and live events between them.

Raises what goes wrong; when to try again is the worker's business. Runs in the worker's thread.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeVar

from zkbridge.asking import answered
from zkbridge.config import TerminalOptions
from zkbridge.events import DeviceFacts, Log, Terminal, Trouble
from zkbridge.identity import normal_mac
from zkbridge.polling.contact import CONTACT_CLOCK, FirstContact
from zkbridge.polling.context import Context
from zkbridge.polling.identify import Memory, Surroundings, context_of, identify
from zkbridge.polling.live import LiveListener
from zkbridge.polling.reader import LogReader, Outcome
from zkbridge.polling.replay import ReplayRequest, replay
from zkbridge.polling.schedule import CLOCK_EVERY_S, Reading
from zkbridge.polling.state import StateKeeper
from zkbridge.polling.wake import Wake
from zkbridge.store import KnownTerminal
from zkbridge.timezones import to_utc
from zkbridge.troubles import TROUBLES
from zkbridge.vocabulary import LOG_CLEARED_OPERATIONS, USER_CHANGES
from zkbridge.zk import (
    Capacity,
    LogCase,
    ZKDevice,
    ZKEncrypted,
    ZKError,
    ZKNotSupported,
    ZKUnreachable,
)

_LOGGER = logging.getLogger(__name__)
_REST: Final = timedelta(hours=24)
_QUIET_POLLS: Final = 2
_REOPEN_EVERY_S: Final = 3600.0
_HAS_ALARMS: Final = "has_alarms"
# Cases in which what is new was recorded since the read before.
_NEWS: Final = frozenset({LogCase.GROWN, LogCase.OFFSETS_UNSUPPORTED})
_UNREMARKABLE: Final = frozenset({LogCase.FIRST, LogCase.UNCHANGED, LogCase.GROWN})

T = TypeVar("T")


class TerminalSession:
    """An open connection to a terminal that said who it is.

    Attributes:
        device: The connection.
        context: The terminal at its other end.
    """

    def __init__(
        self,
        device: ZKDevice,
        options: TerminalOptions,
        known: KnownTerminal,
        *,
        around: Surroundings,
        memory: Memory,
        keeper: StateKeeper,
    ) -> None:
        self.device = device
        self.context: Context = context_of(known, options, around, memory)
        self._options = options
        self._known = known
        self._around = around
        self._memory = memory
        self._keeper = keeper
        self._logs = [Log.PUNCHES, *([Log.OPERATIONS] if options.op_log else [])]
        self._readers = {log: LogReader(log, self.context, known.cursor(log)) for log in self._logs}
        self._first = FirstContact.planned(known, options, around.clock())
        self._clock_at_s = 0.0
        self._polled = False
        self._has_photos = True
        self._live = LiveListener(
            device,
            self.context,
            keeper,
            name=options.name,
            record_size=lambda: self._readers[Log.PUNCHES].record_size,
            first_alarm=lambda: self._remember_fact(_HAS_ALARMS, value=True),
            ask_about=self._ask_about,
        )

    @classmethod
    def open(
        cls,
        device: ZKDevice,
        options: TerminalOptions,
        default_id: str,
        *,
        around: Surroundings,
        memory: Memory,
        keeper: StateKeeper,
    ) -> "TerminalSession":
        """Connect, find out who is there, and start listening.

        Args:
            device: A client that is not connected; closed again when this fails.
            options: The terminal as configured.
            default_id: Its id where neither configuration nor store say otherwise.
            around: What all workers share.
            memory: What is left of the connection before.
            keeper: Told who is there.

        Raises:
            ZKError: The terminal cannot be used.
            DuplicateTerminalError: Another worker talks to the same terminal.
            StoreError: The store cannot be used.
        """
        session = None
        try:
            device.open()
            known = identify(device, options, default_id, around)
            session = cls(device, options, known, around=around, memory=memory, keeper=keeper)
            session.begin()
        except BaseException:
            if session is None:
                device.close()
                around.roster.release(options.name)
            else:
                session.close()
            raise
        return session

    def begin(self) -> None:
        """Say who is there, read its clock, register for events."""
        known, device = self._known, self.device
        for schedule in self._memory.schedules.values():
            schedule.reconnected()
        before = self._keeper.view.terminal.id
        self._keeper.identified(
            Terminal(key=known.key, id=known.id, name=self._options.name, serial=known.serial),
            DeviceFacts(
                model=device.capabilities.get("~DeviceName"),
                mac=normal_mac(device.mac),
                host=self._options.host,
                has_alarms=bool(known.facts.get(_HAS_ALARMS)),
            ),
        )
        if before != known.id:
            self._around.renamed()
        self._keeper.update(
            serial=known.serial,
            firmware=device.firmware,
            platform=device.platform,
            undecodable=self._around.store.undecodable_count(known.terminal),
        )
        if known.sdk_build is not None:
            # A crash kept us from restoring it: what counts is the value from before that.
            self._shake_hands(known.sdk_build)
        self._read_clock()
        if self._options.live:
            self._live.register()

    def close(self) -> None:
        """Restore what was changed and disconnect.

        Raises:
            StoreError: The store could not note that everything is restored.
        """
        self._around.roster.release(self._options.name)
        # Each holds the other: parted, both go at once and not when the collector comes by.
        del self._live
        self.device.close()
        if self._known.sdk_build is not None and self.device.session.original is None:
            self._remember_original(None)

    def _resting(self) -> bool:
        until = self._known.partial_rest_until
        return until is not None and self._around.clock() < until

    def _remember_fact(self, name: str, *, value: object) -> None:
        facts = {**self._known.facts, name: value}
        with self._around.store.transaction() as tx:
            self._known = tx.remember(self.context.number, facts=facts)

    def _read_clock(self) -> None:
        try:
            wall = self.device.clock()
        except ZKNotSupported:
            wall = None
        now = self._around.clock()
        self.context.clock_read(wall)
        self._clock_at_s = self._around.mono()
        if self._first.clock is None and wall is not None:
            self._first = replace(self._first, clock=wall)
            if self._known.first_contact is None:
                # Kept, so that a first contact that is cut short does not swallow what happens
                # until the next one.
                self._remember_fact(CONTACT_CLOCK, value=wall.isoformat())
        drift = None
        if wall is not None:
            moment = to_utc(wall, self.context.translator.local, nearest=now)
            # Its clock shows whole seconds: on average half of one has passed since.
            drift = (moment - now).total_seconds() + 0.5
        if self._keeper.drifted(drift) and drift is not None:
            advice = TROUBLES[Trouble.CLOCK_WRONG]
            _LOGGER.warning(
                "%s: %s (%+.0f s). %s", self._options.name, advice.text, drift, advice.cure
            )

    def _shake_hands(self, original: str | None = None) -> None:
        """Do the SDK handshake; the value to put back is kept in the store until it is."""
        self.device.session.handshake(original, remember=self._remember_original)

    def _remember_original(self, value: str | None) -> None:
        with self._around.store.transaction() as tx:
            self._known = tx.remember(self.context.number, sdk_build=value)

    def _with_handshake(self, read: Callable[[], T]) -> T:
        return answered(self.device, read, self._shake_hands_once)

    def _shake_hands_once(self) -> None:
        _LOGGER.info("%s: reads are refused without the SDK handshake", self._options.name)
        self._shake_hands()

    def poll(self, *, reconcile: bool = False) -> None:
        """Ask for news, read and store it.

        Args:
            reconcile: Read the tails whatever the counts say.

        Raises:
            ZKError: The terminal; the next poll takes up where this one stopped.
            StoreError: The store; likewise.
        """
        started_s, received = self._around.mono(), self.device.bytes_received
        with self._keeper.together():
            capacity = self.device.capacity()
            self._keeper.counted(capacity)
            self._read_users(capacity)
            self._live.catch_up()
            for log in list(self._logs):
                self._read_log(log, capacity, reconcile=reconcile)
            if self._around.mono() - self._clock_at_s >= CLOCK_EVERY_S:
                self._read_clock()
            if self._known.first_contact is None:
                self._first_contact_made()
            self._judge_live()
            self._keeper.fine()
        self._polled = True
        self._around.metrics.poll(
            self.context.terminal_id,
            duration_s=self._around.mono() - started_s,
            bytes_read=self.device.bytes_received - received,
        )

    def _first_contact_made(self) -> None:
        # Whoever puts an old copy of the store back starts another first contact, now.
        facts = {name: fact for name, fact in self._known.facts.items() if name != CONTACT_CLOCK}
        with self._around.store.transaction() as tx:
            self._known = tx.remember(
                self.context.number, first_contact=self._around.clock(), facts=facts
            )

    def _read_log(self, log: Log, capacity: Capacity, *, reconcile: bool) -> None:
        punches = log is Log.PUNCHES
        count = capacity.punches if punches else capacity.op_log
        reader, schedule = self._readers[log], self._memory.schedules[log]
        schedule.incremental = self._options.incremental == "auto" and not self._resting()
        if reconcile or (punches and self._live.news):
            schedule.expect_news = True
        now_s = self._around.mono()
        reading = schedule.reading(
            now_s,
            count=count,
            capacity=capacity.punches_capacity if punches else None,
            known=reader.known,
        )
        if reading is Reading.NOTHING:
            reader.nothing_new(now_s)
            return
        if punches:
            self._live.news = self._live.undecided = False
        try:
            outcome = self._with_handshake(
                lambda: reader.read(
                    self.device,
                    count=count,
                    counted=count is not None and count != schedule.count,
                    whole=reading is Reading.WHOLE,
                    first=self._first,
                    ask_about=self._ask_about,
                )
            )
        except ZKNotSupported as error:
            if punches or isinstance(error, ZKEncrypted):
                raise
            _LOGGER.warning("%s: its operation log cannot be read: %s", self._options.name, error)
            self._logs.remove(log)
            return
        schedule.finished(
            self._around.mono(),
            outcome.duration_s,
            count=count,
            whole=outcome.whole,
            new=outcome.new,
        )
        self._learn(log, outcome)

    def _learn(self, log: Log, outcome: Outcome) -> None:
        """Draw the conclusions from what a read found."""
        name, number = self._options.name, self.context.number
        if outcome.case not in _UNREMARKABLE:
            _LOGGER.warning("%s: %s log: %s", name, log.value, outcome.case.value)
        if outcome.case is LogCase.OFFSETS_UNSUPPORTED:
            with self._around.store.transaction() as tx:
                self._known = tx.remember(number, partial_rest_until=self._around.clock() + _REST)
        if outcome.went_back_s:
            _LOGGER.warning(
                "%s: its clock went back by %s; punches keep the time it showed",
                name,
                timedelta(seconds=outcome.went_back_s),
            )
        if outcome.set_aside:
            _LOGGER.warning("%s: %d records cannot be decoded; kept raw", name, outcome.set_aside)
            self._keeper.update(undecodable=self._around.store.undecodable_count(number))
        if outcome.new_user is not None:
            self._live.last_user = outcome.new_user
        if outcome.last_punch is not None:
            self._keeper.update(last_punch=outcome.last_punch)
        if outcome.operations & USER_CHANGES:
            self._memory.directory.changed()
        if outcome.operations & LOG_CLEARED_OPERATIONS:
            # Refilled to the same count it would look as if nothing had happened.
            self._memory.schedules[Log.PUNCHES].expect_news = True
        # What happened before this connection nobody could tell live.
        if self._polled and outcome.case in _NEWS:
            self._live.expect(outcome.unheard)

    def _read_users(self, capacity: Capacity) -> None:
        directory = self._memory.directory
        if not directory.outdated(self._around.mono(), capacity.users):
            return
        try:
            users = self._with_handshake(self.device.users)
        except ZKEncrypted:
            raise
        except ZKNotSupported as error:
            _LOGGER.warning("%s: its users cannot be read: %s", self._options.name, error)
            users = []
        if directory.update(users, self._around.mono(), capacity.users):
            self._around.people_changed()

    def _ask_about(self, user_id: str) -> None:
        """Read the user table again because somebody unknown punched (contract 5.14)."""
        directory = self._memory.directory
        try:
            if directory.update(self.device.users(), self._around.mono()):
                self._around.people_changed()
        except ZKError as error:
            # The punch goes out without a name; the connection's fate shows at the next read.
            _LOGGER.debug("%s: users cannot be read: %s", self._options.name, error)
        if directory.is_stranger(user_id):
            directory.accept_stranger(user_id)

    def _judge_live(self) -> None:
        quiet = self._live.judge()
        now_s, reopened_s = self._around.mono(), self._memory.reopened_at_s
        if quiet >= _QUIET_POLLS and (reopened_s is None or now_s - reopened_s >= _REOPEN_EVERY_S):
            self._memory.reopened_at_s = now_s
            raise ZKUnreachable("live events stay away; opening a new connection")

    def replay(self, request: ReplayRequest) -> None:
        """Queue a time's events once more; what is new goes its ordinary way first.

        Raises:
            ZKError: The terminal.
            StoreError: The store.
        """
        self.poll(reconcile=True)
        queued = replay(self.device, self.context, request)
        _LOGGER.info("%s: replaying %d events", self._options.name, queued)

    def serve(self, until_s: float, wake: Wake) -> None:
        """Take live events until a moment on the monotonic clock, or until woken.

        Raises:
            ZKError: The terminal went away.
            StoreError: An event could not be stored; it is not acknowledged then.
        """
        while (left_s := until_s - self._around.mono()) > 0:
            # A picture takes its time: only when nobody else is waiting to be published.
            event = self.device.next_event(0.0 if self._live.last_user else left_s, wake.fd)
            if event is not None:
                self._live.take(event)
            elif self._live.last_user is not None:
                self._take_picture(self._live.last_user)
                self._live.last_user = None
                continue
            if self._live.undecided or (event is None and wake.wait(0.0)):
                return

    def _take_picture(self, user_id: str) -> None:
        around = self._around
        if not self._has_photos or not around.pictured(user_id):
            return
        try:
            jpeg = self.device.user_photo(user_id)
        except ZKNotSupported as error:
            self._has_photos = False
            _LOGGER.info("%s: no portraits: %s", self._options.name, error)
            return
        if jpeg is not None:
            around.portrait(self.context.terminal_id, user_id, jpeg)
