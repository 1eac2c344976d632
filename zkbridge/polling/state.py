"""What a worker tells the world about its terminal: state, facts and whether it answers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from zkbridge.events import DeviceFacts, Terminal, TerminalView, Trouble
from zkbridge.zk import Capacity

# A drift that moves less than this is noise of a clock with a resolution of 1 s (contract 4).
DRIFT_STEP_S: Final = 2.0
# From here on timestamps mislead people.
WRONG_CLOCK_S: Final = 300.0


class StateKeeper:
    """Holds the view of one terminal and passes every change on; owned by one worker."""

    def __init__(self, view: TerminalView, changed: Callable[[TerminalView], None]) -> None:
        self.view = view
        self._changed = changed
        self._held: TerminalView | None = None

    def identified(self, terminal: Terminal, facts: DeviceFacts) -> None:
        """The terminal said who it is."""
        self._set(replace(self.view, terminal=terminal, facts=facts))

    def facts(self, **changes: Any) -> None:  # noqa: ANN401 - fields of DeviceFacts
        """Something about the device became known."""
        self._set(replace(self.view, facts=replace(self.view.facts, **changes)))

    def update(self, *, online: bool | None = None, **changes: Any) -> None:  # noqa: ANN401 - fields of TerminalState
        """Change fields of the state.

        Args:
            online: Whether the terminal answers; None leaves it.
            changes: Fields of :class:`~zkbridge.events.TerminalState`.
        """
        self._set(
            replace(
                self.view,
                state=replace(self.view.state, **changes),
                online=self.view.online if online is None else online,
            )
        )

    def counted(self, capacity: Capacity) -> None:
        """Take over the terminal's counters; what it does not tell is None."""
        used = None
        if capacity.punches is not None and capacity.punches_capacity:
            used = round(100 * capacity.punches / capacity.punches_capacity, 1)
        self.update(
            users=capacity.users,
            fingerprints=capacity.fingerprints,
            faces=capacity.faces,
            punches=capacity.punches,
            op_log=capacity.op_log,
            users_capacity=capacity.users_capacity,
            fingerprints_capacity=capacity.fingerprints_capacity,
            faces_capacity=capacity.faces_capacity,
            punches_capacity=capacity.punches_capacity,
            log_used=used,
        )

    def drifted(self, drift_s: float | None) -> bool:
        """Take note of the clock's drift, in seconds, positive when the terminal is ahead.

        Returns:
            Whether the clock has just turned out to be wrong.
        """
        old = self.view.state.clock_drift
        if drift_s is not None and old is not None and abs(drift_s - old) < DRIFT_STEP_S:
            return False
        was_wrong = self._clock_is_wrong
        self.update(clock_drift=None if drift_s is None else round(drift_s))
        error = self.view.state.error
        if self._clock_is_wrong and error is None:
            self.update(error=Trouble.CLOCK_WRONG)
        elif error is Trouble.CLOCK_WRONG and not self._clock_is_wrong:
            self.update(error=None)
        return self._clock_is_wrong and not was_wrong

    @property
    def _clock_is_wrong(self) -> bool:
        drift = self.view.state.clock_drift
        return drift is not None and abs(drift) >= WRONG_CLOCK_S

    def fine(self) -> None:
        """A poll came to its end: what was wrong is over, except for the clock."""
        error = Trouble.CLOCK_WRONG if self._clock_is_wrong else None
        self.update(online=True, error=error, synced=True)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Pass on what changes within the block as one change."""
        self._held = self.view
        try:
            yield
        finally:
            before, self._held = self._held, None
            if before is not None and before != self.view:
                self._changed(self.view)

    def _set(self, view: TerminalView) -> None:
        if view != self.view:
            self.view = view
            if self._held is None:
                self._changed(view)
