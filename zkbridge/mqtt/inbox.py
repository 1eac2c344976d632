"""What others publish to us: Home Assistant's status, commands, another bridge's state.

Owned by the publisher's thread.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from zkbridge.mqtt.announcer import Announcer
from zkbridge.mqtt.broker import Received
from zkbridge.mqtt.commands import CommandError, RateLimit, parse_command
from zkbridge.mqtt.grace import OFFLINE, ONLINE, Grace
from zkbridge.mqtt.settings import Hooks, Settings
from zkbridge.mqtt.topics import BRIDGE_ID
from zkbridge.store import Store, StoreError

_LOGGER = logging.getLogger(__name__)

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_STATUS_NOTE: Final = "home_assistant_status"
_BOOT_NOTE: Final = "home_assistant_boot"
_NOBODY: Final = "?"


def boot_id() -> str | None:
    """Return what identifies this boot of the host; None where the system does not tell."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return None


class Inbox:
    """Knows which topics to subscribe to, and what their messages mean."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        hooks: Hooks,
        announcer: Announcer,
        *,
        monotonic: Callable[[], float],
        boot: Callable[[], str | None] = boot_id,
    ) -> None:
        self._store = store
        self._settings = settings
        self._hooks = hooks
        self._announcer = announcer
        self._monotonic = monotonic
        self._boot = boot
        self._rebooted = False
        self._limit = RateLimit()
        self.grace = Grace(settings.restart_grace_s)

    def start(self) -> None:
        """Read what earlier runs saw of Home Assistant."""
        self.grace.status = self._store.noted(_STATUS_NOTE)
        before, now = self._store.noted(_BOOT_NOTE), self._boot()
        self._rebooted = before is not None and now is not None and before != now

    def configure(self, settings: Settings) -> None:
        """Take changed settings."""
        self._settings = settings
        self.grace.grace_s = settings.restart_grace_s

    def filters(self) -> list[str]:
        """Return what to subscribe to."""
        topics = self._settings.topics
        return [self._settings.status_topic, topics.commands, topics.bridge_state]

    def connected(self, *, again: bool) -> None:
        """Note that the broker took us."""
        self.grace.connected(self._monotonic(), again=again, rebooted=self._rebooted)
        self._rebooted = False

    def receive(self, message: Received) -> bool:
        """Take a message; tell whether it was Home Assistant's birth."""
        topics = self._settings.topics
        if message.topic == self._settings.status_topic:
            return self._status(message)
        if message.topic == topics.bridge_state:
            self._announcer.overheard(message.payload, retained=message.retained)
        elif (target := topics.command_target(message.topic)) is not None:
            if not message.retained:
                self._command(target, message.payload)
        elif message.retained:
            self._announcer.adopt(message.topic, message.payload)
        return False

    def _status(self, message: Received) -> bool:
        status = message.payload.decode("utf-8", "replace")
        if status not in {ONLINE, OFFLINE}:
            return False
        before = self.grace.status
        born = self.grace.said(status, self._monotonic(), retained=message.retained)
        if self.grace.status != before:
            _LOGGER.info("Home Assistant is %s", self.grace.status)
        self._note(_STATUS_NOTE, self.grace.status)
        self._note(_BOOT_NOTE, self._boot())
        return born

    def _note(self, key: str, value: str | None) -> None:
        try:
            if value is not None and self._store.noted(key) != value:
                self._store.note(key, value)
        except StoreError as error:
            _LOGGER.debug("the store does not note %s: %s", key, error)

    def _command(self, target: str, payload: bytes) -> None:
        known = target == BRIDGE_ID or target in self._settings.directions
        bucket = target if known else _NOBODY
        if not self._limit.take(bucket, self._monotonic()):
            if self._limit.first_refusal(bucket):
                _LOGGER.warning("more than 10 commands a minute to %.64r: ignored", target)
            return
        if not known:
            _LOGGER.warning("a command to %.64r is ignored: there is no such terminal", target)
            return
        try:
            command = parse_command(target, payload)
        except CommandError as error:
            _LOGGER.warning("a command to %.64r is ignored: %s", target, error)
            return
        self._hooks.command(command)
