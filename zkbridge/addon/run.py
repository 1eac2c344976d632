"""One run of the add-on: find a broker, run the bridge, notice when the broker changes."""

import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final, Protocol

from zkbridge import logs
from zkbridge.addon.options import LISTEN, configuration, read_options
from zkbridge.addon.supervisor import DEFAULT_SUPERVISOR, ServiceUnavailable, Supervisor
from zkbridge.addon.waiting import waiting_page
from zkbridge.config import ConfigError, Options

_LOGGER = logging.getLogger(__name__)

WRONG_OPTIONS: Final = 2
_WAIT_S: Final = (2.0, 4.0, 8.0, 15.0, 30.0)
_WATCH_S: Final = 60.0


class Run(Protocol):
    """The bridge, as the composition root offers it."""

    def __call__(self, options: Options, *, reload: Callable[[], Options], ingress: bool) -> int:
        """Run until stopped; SIGHUP makes it ask ``reload`` for options. Returns an exit code."""


class AddOn:
    """One run of the add-on.

    Args:
        options_path: The Supervisor's options file.
        data_dir: Where everything is kept.
        environ: ``SUPERVISOR_TOKEN``, ``SUPERVISOR_URL``, ``TZ``.
        wait_s: How long to wait between questions while there is no broker.
        watch_s: How often the MQTT service is looked at while the bridge runs.
        changed: Makes the running bridge ask for its options again.
    """

    def __init__(
        self,
        options_path: Path,
        data_dir: Path,
        environ: Mapping[str, str],
        *,
        wait_s: Sequence[float] = _WAIT_S,
        watch_s: float = _WATCH_S,
        changed: Callable[[], None] = lambda: os.kill(os.getpid(), signal.SIGHUP),
    ) -> None:
        self._options_path = options_path
        self._data_dir = data_dir
        self._environ = environ
        self._wait_s = wait_s
        self._watch_s = watch_s
        self._changed = changed
        self._broker: dict[str, Any] | None = None
        # One that nobody knows; the same for the whole run, or a reload would restart the page.
        self._token = secrets.token_urlsafe(32)
        self._stop = threading.Event()
        self._supervisor = Supervisor(
            environ.get("SUPERVISOR_URL") or DEFAULT_SUPERVISOR,
            environ.get("SUPERVISOR_TOKEN", ""),
        )

    def run(self, bridge: Run) -> int:
        """Get a broker, then run the bridge until it ends; main thread.

        Raises:
            ConfigError: The options are wrong.
        """
        chosen = read_options(self._options_path)
        own_broker = bool(chosen.get("mqtt_host"))
        # Wrong options are said at once, not after a broker was found.
        self._configuration(chosen, None if own_broker else {"host": "later"})
        if not own_broker:
            self._broker = self._first_broker()
        options = self._configuration(chosen, self._broker)
        watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        if not own_broker:
            watcher.start()
        try:
            return bridge(options, reload=self.reload, ingress=True)
        finally:
            self._stop.set()

    def reload(self) -> Options:
        """Read the options again, with the broker known now; any thread.

        Raises:
            ConfigError: The options are wrong.
        """
        chosen = read_options(self._options_path)
        return self._configuration(chosen, None if chosen.get("mqtt_host") else self._broker)

    def _configuration(
        self, chosen: Mapping[str, Any], broker: Mapping[str, Any] | None
    ) -> Options:
        return configuration(
            chosen,
            data_dir=self._data_dir,
            environ=self._environ,
            token=self._token,
            broker=broker,
        )

    def _first_broker(self) -> dict[str, Any]:
        said = None
        tries = 0
        with waiting_page(self._environ.get("ZKBRIDGE_WEB__LISTEN", LISTEN)) as page:
            while True:
                try:
                    broker = self._supervisor.mqtt()
                except ServiceUnavailable as error:
                    if str(error) != said:
                        said = str(error)
                        _LOGGER.warning("waiting for MQTT: %s", said)
                        page.say(said)
                else:
                    _LOGGER.info("MQTT from the Supervisor: %s:%s", broker["host"], broker["port"])
                    return broker
                self._stop.wait(self._wait_s[min(tries, len(self._wait_s) - 1)])
                tries += 1

    def _watch(self) -> None:
        while not self._stop.wait(self._watch_s):
            try:
                broker = self._supervisor.mqtt()
            except ServiceUnavailable as error:
                # The broker known is kept: it may be up although the Supervisor is not.
                _LOGGER.debug("%s", error)
                continue
            if broker != self._broker:
                _LOGGER.info(
                    "the MQTT service has changed to %s:%s", broker["host"], broker["port"]
                )
                self._broker = broker
                self._changed()


def main(options_path: Path, data_dir: Path, environ: Mapping[str, str], *, run: Run) -> int:
    """Run the add-on.

    Args:
        options_path: The Supervisor's options file.
        data_dir: Where everything is kept.
        environ: The environment.
        run: The bridge.

    Returns:
        Exit code: the bridge's; 2 for wrong options; 0 when ended while waiting for a broker.
    """
    logs.configure("info")
    try:
        with _ended_by_sigterm():
            return AddOn(options_path, data_dir, environ).run(run)
    except ConfigError as error:
        for line in error.problems:
            _LOGGER.error("wrong option: %s", line)  # noqa: TRY400 - no traceback for a typing mistake
        return WRONG_OPTIONS


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    # Until the bridge has its own handlers, and whatever is waited for then.
    def leave(_number: int, _frame: FrameType | None) -> None:
        sys.exit(0)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
