"""One thread that moves the bytes of any number of simulated terminals."""

import contextlib
import heapq
import logging
import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial

_LOGGER = logging.getLogger(__name__)


class Hub:
    """Event loop over sockets and timers.

    Sockets are added and removed in its thread only; :meth:`call` and :meth:`call_soon` get
    there from any other.
    """

    def __init__(self, name: str = "simulator") -> None:
        self._name = name
        self._selector: selectors.BaseSelector | None = None
        self._thread: threading.Thread | None = None
        self._calls: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_number = 0
        self._wake_in = self._wake_out = -1
        self._stopping = False

    def start(self) -> None:
        """Start the thread; a second start does nothing."""
        if self._thread is not None:
            return
        self._stopping = False
        self._selector = selectors.DefaultSelector()
        self._wake_out, self._wake_in = os.pipe()
        os.set_blocking(self._wake_out, False)
        os.set_blocking(self._wake_in, False)
        self._selector.register(self._wake_out, selectors.EVENT_READ, self._drain)
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it; whoever added sockets has removed them by now."""
        thread, selector = self._thread, self._selector
        if thread is None or selector is None:
            return
        self._stopping = True
        self._wake()
        thread.join()
        self._thread = None
        for _ in range(len(self._calls)):
            self._guard(self._calls.popleft())
        selector.close()
        os.close(self._wake_in)
        os.close(self._wake_out)
        self._selector = None
        self._timers.clear()

    @property
    def inside(self) -> bool:
        """Whether the caller is the hub's thread."""
        return threading.current_thread() is self._thread

    def call_soon(self, action: Callable[[], None]) -> None:
        """Run an action in the hub's thread, without waiting for it."""
        self._calls.append(action)
        self._wake()

    def call(self, action: Callable[[], None]) -> None:
        """Run an action in the hub's thread and wait for it; hold no lock that it needs."""
        if self.inside or self._thread is None:
            action()
            return
        done = threading.Event()
        failures: list[Exception] = []

        def run() -> None:
            try:
                action()
            except OSError as error:
                failures.append(error)
            finally:
                done.set()

        self.call_soon(run)
        done.wait()
        if failures:
            raise failures[0]

    def call_at(self, moment: float, action: Callable[[], None]) -> None:
        """Run an action at a moment of the monotonic clock; any thread."""
        if not self.inside:
            self.call_soon(lambda: self.call_at(moment, action))
            return
        self._timer_number += 1
        heapq.heappush(self._timers, (moment, self._timer_number, action))

    def watch(self, sock: socket.socket, events: int, action: Callable[[int], None]) -> None:
        """Call an action when a socket is ready; in the hub's thread only. 0 events: no longer."""
        if self._selector is None:
            return
        known = sock.fileno() in self._selector.get_map()
        if not events:
            if known:
                self._selector.unregister(sock)
        elif known:
            self._selector.modify(sock, events, action)
        else:
            self._selector.register(sock, events, action)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # woken often enough already
            os.write(self._wake_in, b"\0")

    def _drain(self, _events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_out, 4096)

    def _run(self) -> None:
        selector = self._selector
        if selector is None:
            return
        while not self._stopping:
            for key, events in selector.select(self._timeout()):
                self._guard(partial(key.data, events))
            for _ in range(len(self._calls)):
                self._guard(self._calls.popleft())
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                self._guard(heapq.heappop(self._timers)[2])

    def _timeout(self) -> float | None:
        if self._calls:
            return 0.0
        if not self._timers:
            return None
        return max(self._timers[0][0] - time.monotonic(), 0.0)

    @staticmethod
    def _guard(action: Callable[[], None]) -> None:
        try:
            action()
        except Exception:  # the top of this thread: one terminal must not end the others
            _LOGGER.exception("simulated terminal failed")
