"""The bridge as a service: starts it, waits for signals, stops it; nothing else."""

import logging
import queue
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from zkbridge import logs, systemd
from zkbridge.bridge import VERSION, Bridge, StartError
from zkbridge.config import ConfigError, Options
from zkbridge.store import StoreError

_LOGGER = logging.getLogger(__name__)
_TICK_S: Final = 60.0
_FAILED: Final = 1
_WRONG: Final = 2


def run(
    options: Options,
    *,
    reload: Callable[[], Options] | None = None,
    ingress: bool = False,
) -> int:
    """Run the bridge until SIGTERM or SIGINT; in the main thread.

    Args:
        options: The configuration.
        reload: Reads it again, on SIGHUP.
        ingress: The page is also served through Home Assistant's Supervisor.

    Returns:
        Exit code: 0 after a clean stop, 1 when something it needs is missing, 2 when the
        configuration cannot be used.
    """
    logs.configure(options.log.level, options.log.format)
    bridge = Bridge(options, ingress=ingress)
    with _signals() as signals:
        try:
            bridge.start()
        except ConfigError as error:
            for problem in error.problems:
                _LOGGER.error("%s", problem)  # noqa: TRY400 - the user's mistake, not ours
            bridge.stop()
            return _WRONG
        except (StoreError, StartError) as error:
            _LOGGER.error("%s", error)  # noqa: TRY400 - one line that says what to do
            bridge.stop()
            return _FAILED
        _LOGGER.info("zkbridge %s is running", VERSION)
        systemd.notify(systemd.READY)
        _serve(bridge, signals, reload)
        systemd.notify(systemd.STOPPING)
        bridge.stop()
    if bridge.failure is not None:
        return _FAILED
    _LOGGER.info("stopped")
    return 0


def _serve(
    bridge: Bridge, signals: "queue.SimpleQueue[int]", reload: Callable[[], Options] | None
) -> None:
    """React to signals until one says to stop."""
    watchdog_s = systemd.watchdog_interval_s()
    while bridge.failure is None:
        try:
            number = signals.get(timeout=min(_TICK_S, watchdog_s or _TICK_S))
        except queue.Empty:
            bridge.tend()
            if watchdog_s is not None and not bridge.faults():
                systemd.notify(systemd.ALIVE)
            continue
        if number != signal.SIGHUP:
            _LOGGER.info("stopping (%s)", signal.Signals(number).name)
            return
        if reload is not None:
            _reload(bridge, reload)


def _reload(bridge: Bridge, reload: Callable[[], Options]) -> None:
    try:
        bridge.reload(reload())
    except ConfigError as error:
        _LOGGER.error("the new configuration is wrong; the old one stays")  # noqa: TRY400
        for problem in error.problems:
            _LOGGER.error("%s", problem)  # noqa: TRY400 - the user's mistake, not ours
    except (StoreError, StartError) as error:
        _LOGGER.error("%s", error)  # noqa: TRY400 - one line that says what to do


@contextmanager
def _signals() -> Iterator["queue.SimpleQueue[int]"]:
    """Collect signals instead of being interrupted by them."""
    arrived: queue.SimpleQueue[int] = queue.SimpleQueue()

    def take(number: int, _frame: FrameType | None) -> None:
        arrived.put(number)  # reentrant, unlike every other queue

    before = {
        number: signal.signal(number, take)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    }
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
