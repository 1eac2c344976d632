"""The bridge as a service: starts it, waits for signals, stops it; nothing else."""

import gc
import logging
import os
import select
import signal
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final, Self

from zkbridge import logs, systemd
from zkbridge.bridge import VERSION, Bridge, StartError
from zkbridge.config import ConfigError, Options
from zkbridge.store import StoreError

_LOGGER = logging.getLogger(__name__)
_TICK_S: Final = 60.0
_FAILED: Final = 1
_WRONG: Final = 2
_HEEDED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_MOST_SIGNALS: Final = 64


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
    with _Signals() as signals:
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
        _settle()
        _LOGGER.info("zkbridge %s is running", VERSION)
        systemd.notify(systemd.READY)
        _serve(bridge, signals, reload)
        systemd.notify(systemd.STOPPING)
        bridge.stop()
    if bridge.failure is not None:
        return _FAILED
    _LOGGER.info("stopped")
    return 0


def _settle() -> None:
    """Have the collector look at what the bridge makes from now on, not at what it consists of.

    It looks through everything only when a quarter as much again has come: counted with all the
    modules, the remains of hundreds of connections would lie about before that.
    """
    gc.collect()
    gc.freeze()
    gc.collect()  # counts anew what the quarter is of


def _serve(bridge: Bridge, signals: "_Signals", reload: Callable[[], Options] | None) -> None:
    """React to signals until one says to stop."""
    watchdog_s = systemd.watchdog_interval_s()
    while bridge.failure is None:
        arrived = signals.wait(min(_TICK_S, watchdog_s or _TICK_S))
        if not arrived:
            bridge.tend()
            if watchdog_s is not None and not bridge.faults():
                systemd.notify(systemd.ALIVE)
        for number in arrived:
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


class _Signals:
    """Signals to wait for instead of being interrupted by them.

    Any thread may be the one that the kernel interrupts: the main thread is woken through a
    descriptor, since its handler may run long after.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, _awake) for number in _HEEDED}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._read)
        os.close(self._write)

    def wait(self, timeout_s: float) -> Sequence[int]:
        """Return the signals that came, in order; none: the time is over."""
        ready = select.poll()
        ready.register(self._read, select.POLLIN)
        if not ready.poll(timeout_s * 1000):
            return ()
        return [number for number in os.read(self._read, _MOST_SIGNALS) if number in _HEEDED]


def _awake(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: what has to be done is done by whoever waits."""
