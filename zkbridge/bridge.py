"""One run of the bridge: every object and thread for one configuration, and who tells whom."""

import logging
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, cast

from zkbridge import logs
from zkbridge.config import Options, TerminalOptions, terminal_ids
from zkbridge.events import TerminalView
from zkbridge.homeassistant import DiscoveryOptions, discovery_messages
from zkbridge.metrics import CountingMetrics, Metrics
from zkbridge.mqtt import Message, Topics
from zkbridge.mqtt.broker import broker_of
from zkbridge.mqtt.commands import Command, Poll, Replay, SetLogLevel
from zkbridge.mqtt.connection import Connection
from zkbridge.mqtt.messages import availability_message
from zkbridge.mqtt.publisher import Publisher
from zkbridge.mqtt.settings import Hooks, Identity, Settings
from zkbridge.people import Direction, Portrait, Privacy
from zkbridge.polling.fleet import Fleet
from zkbridge.polling.identify import Surroundings
from zkbridge.polling.roster import Roster
from zkbridge.store import Store, StoreError
from zkbridge.timezones import zone
from zkbridge.zk import ZKDevice

if TYPE_CHECKING:
    from zkbridge.web import Health, LogView, WebServer

_LOGGER = logging.getLogger(__name__)
_WORKERS_STOP_S: Final = 1.6
_RELOAD_STOP_S: Final = 10.0
_PUBLISHER_STOP_S: Final = 2.8
_PUBLISHER_PATIENCE_S: Final = 60.0
_RETENTION_EVERY_S: Final = 86400.0
_ANY_ADDRESS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound
VERSION: Final = version("zkbridge")


class StartError(Exception):
    """The bridge lacks something it needs; the text is one line that says what to do."""


class Bridge:
    """Terminals, store, broker and page of one configuration; used by the main thread."""

    def __init__(self, options: Options, *, ingress: bool = False) -> None:
        self._options = options
        self._ingress = ingress
        self._started_at = datetime.now(UTC)
        self._process = secrets.token_hex(8)
        self._store = Store(options.store.path)
        self._metrics = CountingMetrics() if options.web.enabled else Metrics()
        self._roster = Roster()
        self._portraits = _Portraits()
        self._privacy = Privacy(options.people)
        self._fleet = self._new_fleet()
        self._publisher: Publisher | None = None
        self._web: WebServer | None = None
        self._log_view: LogView | None = None
        self._failure: BaseException | None = None
        self._retained_at_s = 0.0
        self._names_due = False

    # Life

    def start(self) -> None:
        """Open the store, then start every thread.

        Raises:
            StoreError: The store cannot be used.
            StartError: The page's address cannot be had.
            ConfigError: A file with a secret cannot be read.
        """
        broker_of(self._options.mqtt, "")  # a wrong password file shows before anything runs
        for terminal in self._options.terminals:
            terminal.comm_key_value()
        self._store.open()
        self._erase_names()
        self._start_web()
        self._fleet.apply(_by_id(self._options), _RELOAD_STOP_S)
        self._start_publisher()

    def stop(self) -> None:
        """Stop everything; what was sent gets its acknowledgement, within 5 s in all."""
        if self._web is not None:
            self._web.stop()
        self._fleet.stop(_WORKERS_STOP_S)
        self._stop_publisher()
        self._stop_web()
        self._store.close()

    def reload(self, options: Options) -> None:
        """Go over to another configuration, disturbing as little as possible.

        Raises:
            ConfigError: A file with a secret cannot be read; everything stays as it was.
            StartError: The page's address cannot be had; everything else is as configured.
        """
        for terminal in options.terminals:
            terminal.comm_key_value()
        broker_of(options.mqtt, "")
        old, self._options = self._options, options
        if options.store.path != old.store.path:
            _LOGGER.warning("store.path changes with the next start")
        logs.configure(options.log.level, options.log.format)
        if (options.people, options.late_after) != (old.people, old.late_after):
            # Every worker goes by these.
            self._fleet.stop(_RELOAD_STOP_S)
            self._privacy = Privacy(options.people)
            self._fleet = self._new_fleet()
        self._fleet.apply(_by_id(options), _RELOAD_STOP_S)
        prefix = options.home_assistant.discovery_prefix
        if options.mqtt != old.mqtt or prefix != old.home_assistant.discovery_prefix:
            self._stop_publisher()
            self._start_publisher()
        elif self._publisher is not None:
            self._publisher.configure(self._settings())
        self._erase_names()
        if options.web != old.web:
            self._stop_web()
            self._start_web()
        _LOGGER.info("configuration taken over: %d terminals", len(options.terminals))

    def _erase_names(self) -> None:
        """Take stored names out where they are switched off; tried again when it fails."""
        self._names_due = False
        if self._options.people.names:
            return
        try:
            self._store.erase_names()
        except StoreError as error:
            self._names_due = True
            _LOGGER.warning("stored names could not be erased yet: %s", error)

    # Once a while

    def tend(self) -> None:
        """Do what is due once in a while; called about every minute."""
        if self._names_due:
            self._erase_names()
        now_s = time.monotonic()
        if now_s - self._retained_at_s >= _RETENTION_EVERY_S or not self._retained_at_s:
            self._retained_at_s = now_s
            try:
                erased = self._store.retention(self._options.store.retention)
            except StoreError as error:
                _LOGGER.warning("old events could not be erased: %s", error)
            else:
                if erased:
                    _LOGGER.info("erased the contents of %d old events", erased)

    @property
    def failure(self) -> BaseException | None:
        """Why the bridge cannot go on; None while it can."""
        return self._failure

    def faults(self) -> tuple[str, ...]:
        """Return a line for every thread that shows no sign of life; any thread."""
        now_s = time.monotonic()
        found = [f"{w.options.name}: its worker is stuck" for w in self._fleet if w.stuck(now_s)]
        publisher = self._publisher
        if publisher is not None and now_s - publisher.status.heartbeat_s > _PUBLISHER_PATIENCE_S:
            found.append("the publisher is stuck")
        return tuple(found)

    # Terminals

    def _new_fleet(self) -> Fleet:
        return Fleet(
            Surroundings(
                store=self._store,
                roster=self._roster,
                metrics=self._metrics,
                shown=self._privacy.shows_name,
                pictured=self._privacy.shows_photo,
                portrait=self._take_portrait,
                renamed=self._renamed,
                people_changed=self._people_changed,
                late_after_s=self._options.late_after.total_seconds(),
                clock=_utc_now,
                mono=time.monotonic,
                process=self._process,
            ),
            _device,
        )

    def _take_portrait(self, terminal_id: str, user_id: str, jpeg: bytes) -> None:
        self._portraits.put(terminal_id, Portrait(user_id, jpeg))
        if self._publisher is not None:
            self._publisher.touch()

    def _renamed(self) -> None:
        if self._publisher is not None:
            self._publisher.configure(self._settings())

    def _people_changed(self) -> None:
        if self._publisher is not None and self._options.people.presence:
            self._publisher.people_changed()

    # Broker

    def _start_publisher(self) -> None:
        mqtt = self._options.mqtt
        client_id = mqtt.client_id or f"zkbridge-{self._store.instance}"
        settings = self._settings()
        will = availability_message(settings.topics.bridge_availability, online=False)
        self._publisher = Publisher(
            self._store,
            Connection(broker_of(mqtt, client_id), will),
            settings,
            Identity(
                version=VERSION,
                instance=self._store.instance,
                process=self._process,
                started_at=self._started_at,
            ),
            Hooks(
                discovery=self._discovery,
                command=self._command,
                log_level=logs.current_level,
                portraits=self._portraits.all,
                forgotten=self._portraits.drop,
                failed=self._publisher_failed,
                metrics=self._metrics,
            ),
        )
        self._publisher.start()
        self._renamed()  # a worker may have been faster

    def _stop_publisher(self) -> None:
        publisher, self._publisher = self._publisher, None
        if publisher is None:
            return
        publisher.stop()
        if not publisher.join(_PUBLISHER_STOP_S):
            _LOGGER.warning("the broker did not confirm in time; the rest is sent at next start")

    def _publisher_failed(self, error: BaseException) -> None:
        self._failure = error

    def _settings(self) -> Settings:
        options = self._options
        home = options.home_assistant
        directions: dict[str, Direction] = {
            worker.view.terminal.id: worker.options.direction for worker in self._fleet
        }
        return Settings(
            topics=Topics(options.mqtt.base_topic, home.discovery_prefix),
            directions=directions,
            zones=self._zones(),
            late_after_s=options.late_after.total_seconds(),
            restart_grace_s=home.restart_grace.total_seconds(),
            status_topic=home.status_topic,
            discovery=home.discovery,
            people=options.people,
        )

    def _zones(self) -> Mapping[str, tzinfo]:
        # One object for all terminals of a zone: their midnight is one.
        by_name = {worker.options.timezone for worker in self._fleet}
        zones = {name: zone(name) for name in by_name}
        return {w.view.terminal.id: zones[w.options.timezone] for w in self._fleet}

    def _discovery(
        self,
        views: Sequence[TerminalView],
        previous: Mapping[str, bytes],
        settled: bool,  # noqa: FBT001 - the hook's signature
    ) -> Sequence[Message]:
        options = self._options
        return discovery_messages(
            views,
            DiscoveryOptions(
                version=VERSION,
                topics=Topics(options.mqtt.base_topic, options.home_assistant.discovery_prefix),
                enabled=options.home_assistant.discovery,
                page_url=self._page_url(),
                people=options.people,
                persons=self._persons(),
                persons_complete=all(worker.people() is not None for worker in self._fleet),
            ),
            previous,
            settled=settled,
        )

    def _persons(self) -> Mapping[str, str | None]:
        """Return everybody who is known at a terminal or has been seen somewhere."""
        found: dict[str, str | None] = {each.user_id: None for each in self._store.presence()}
        for worker in self._fleet:
            for user_id, name in (worker.people() or {}).items():
                found[user_id] = found.get(user_id) or name
        return {user: name for user, name in found.items() if self._privacy.tracks(user)}

    def _page_url(self) -> str | None:
        # A page on loopback is none for whoever looks at Home Assistant, and which of its
        # addresses leads here a host that listens on all of them cannot tell.
        web = self._options.web
        if self._web is None or self._ingress or web.loopback or web.host in _ANY_ADDRESS:
            return None
        return self._web.url

    def _command(self, command: Command) -> None:
        if isinstance(command, SetLogLevel):
            logs.set_level(cast("logs.Level", command.level))
            if self._publisher is not None:
                self._publisher.touch()
            return
        worker = self._fleet.find(command.terminal_id)
        if worker is None:
            _LOGGER.warning("command for %r: there is no such terminal", command.terminal_id)
        elif isinstance(command, Poll):
            worker.poll_now()
        elif isinstance(command, Replay):
            worker.replay(command.since, command.until)

    # Page

    def _start_web(self) -> None:
        if not self._options.web.enabled or not isinstance(self._metrics, CountingMetrics):
            return
        # Imported here: a bridge without a page does without the memory of one.
        from zkbridge.trial import try_terminal  # noqa: PLC0415
        from zkbridge.web import LogView, WebError, WebServer, shown_configuration  # noqa: PLC0415

        if self._log_view is None:
            self._log_view = LogView()
            logging.getLogger().addHandler(self._log_view)
        self._web = WebServer(
            self._options.web,
            self._store,
            health=self._health,
            metrics=self._metrics,
            shown_config=lambda: shown_configuration(self._options),
            test_terminal=try_terminal,
            log=self._log_view,
            version=VERSION,
            ingress=self._ingress,
        )
        try:
            self._web.start()
        except WebError as error:
            raise StartError(str(error)) from error

    def _health(self) -> "Health":
        from zkbridge.web import Health  # noqa: PLC0415 - only where there is a page

        mqtt, publisher = self._options.mqtt, self._publisher
        status = publisher.status if publisher is not None else None
        clash = status.clash if status is not None else None
        return Health(
            started_at=self._started_at,
            faults=self.faults(),
            untried=tuple(w.view.terminal.id for w in self._fleet if w.view.online is None),
            broker=f"{mqtt.host}:{mqtt.port}",
            broker_connected=status is not None and status.connected,
            broker_error=status.trouble if status is not None else None,
            refused=self._store.refused_count(),
            warnings=(
                (f"Another bridge ({clash}) publishes under {mqtt.base_topic} too",)
                if clash
                else ()
            ),
        )

    def _stop_web(self) -> None:
        web, self._web = self._web, None
        if web is not None:
            web.stop()
            web.join(1.0)


class _Portraits:
    """The last person's picture at each terminal; any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_terminal: dict[str, Portrait] = {}

    def put(self, terminal_id: str, portrait: Portrait) -> None:
        with self._lock:
            self._by_terminal[terminal_id] = portrait

    def drop(self, portrait: Portrait) -> None:
        with self._lock:
            self._by_terminal = {
                terminal_id: kept
                for terminal_id, kept in self._by_terminal.items()
                if kept is not portrait
            }

    def all(self) -> Mapping[str, Portrait]:
        with self._lock:
            return dict(self._by_terminal)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _by_id(options: Options) -> dict[str, TerminalOptions]:
    return dict(terminal_ids(options.terminals))


def _device(options: TerminalOptions) -> ZKDevice:
    return ZKDevice(
        options.host,
        options.port,
        options.comm_key_value(),
        options.timeout.total_seconds(),
        kind=options.transport,
        encoding=options.encoding,
        handshake=False,
    )
