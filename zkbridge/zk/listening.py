"""Waiting for live events, and noticing meanwhile that a terminal is gone."""

from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Final

from zkbridge.zk.errors import ZKNotSupported
from zkbridge.zk.live import decode_event
from zkbridge.zk.models import LiveEvent
from zkbridge.zk.transport import SocketTransport, Transport

# With the answer's own time limit this finds a dead peer within a minute.
KEEP_ALIVE_S: Final = 45.0
KEEP_ALIVE_ANSWER_S: Final = 12.0


class Listener:
    """Takes events off a transport, one at a time.

    Args:
        transport: Where they arrive.
        ask: Asks the terminal something harmless, to see that it is there.

    Attributes:
        keep_alive_s: Seconds of silence after which it is asked.
    """

    def __init__(self, transport: Transport, ask: Callable[[], object]) -> None:
        self._transport = transport
        self._ask = ask
        self._taken = False
        self.keep_alive_s = KEEP_ALIVE_S

    def forget(self) -> None:
        """Owe no acknowledgement: the session is another one."""
        self._taken = False

    def next(self, timeout_s: float, wake: int | None) -> LiveEvent | None:
        """Wait for the next event; see ``ZKDevice.next_event``."""
        deadline = monotonic() + timeout_s
        while True:
            started = monotonic()
            allowed = max(0.0, min(deadline - started, self._quiet_left(started)))
            frame = self._transport.next_event(allowed, wake)
            if frame is not None:
                self._taken = True
                return decode_event(frame)
            now = monotonic()
            if now >= deadline or now < started + allowed:
                return None
            self._keep_alive()

    def acknowledge(self) -> None:
        """Acknowledge the last event taken; once per event."""
        if self._taken:
            self._taken = False
            self._transport.acknowledge()

    def _quiet_left(self, now: float) -> float:
        transport = self._transport
        last = transport.last_frame_mono_s if isinstance(transport, SocketTransport) else None
        return self.keep_alive_s if last is None else last + self.keep_alive_s - now

    def _keep_alive(self) -> None:
        saved, self._transport.budget_s = self._transport.budget_s, KEEP_ALIVE_ANSWER_S
        try:
            with suppress(ZKNotSupported):
                self._ask()
        finally:
            self._transport.budget_s = saved
