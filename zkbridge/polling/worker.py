"""One thread for each terminal: connect, poll, listen, and try again for ever."""

import logging
import queue
import random
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from zkbridge.backoff import FIRST_WAIT_S, retrying
from zkbridge.config import TerminalOptions
from zkbridge.events import Mode, TerminalView, Trouble
from zkbridge.polling.identify import DuplicateTerminalError, Memory, Surroundings
from zkbridge.polling.replay import ReplayRequest
from zkbridge.polling.session import TerminalSession
from zkbridge.polling.state import StateKeeper
from zkbridge.polling.wake import Wake
from zkbridge.store import StoreDamaged, StoreError, StoreFull
from zkbridge.troubles import TROUBLES
from zkbridge.zk import (
    ZKAuthFailed,
    ZKBusy,
    ZKDevice,
    ZKEncrypted,
    ZKError,
    ZKNotATerminal,
    ZKNotSupported,
    ZKProtocolError,
)

_LOGGER = logging.getLogger(__name__)
_AFTER_BUG_S: Final = 60.0
# Longest silence of a healthy worker beyond what it announced.
_PATIENCE_S: Final = 180.0

# The first type that fits says what is wrong: the more special ones come first.
_TROUBLE_OF: Final[tuple[tuple[type[BaseException], Trouble], ...]] = (
    (ZKAuthFailed, Trouble.AUTH_FAILED),
    (ZKEncrypted, Trouble.ENCRYPTED),
    (ZKNotSupported, Trouble.UNSUPPORTED),
    (ZKBusy, Trouble.BUSY),
    (ZKNotATerminal, Trouble.NOT_A_TERMINAL),
    (ZKProtocolError, Trouble.PROTOCOL),
    (DuplicateTerminalError, Trouble.DUPLICATE_TERMINAL),
    (StoreError, Trouble.STORE_FULL),
    (ZKError, Trouble.UNREACHABLE),
)
_SOON = (ZKError, StoreError)
_SLOW = (ZKAuthFailed, ZKEncrypted, DuplicateTerminalError)


def trouble_of(error: BaseException) -> Trouble:
    """Name what is wrong, for the state's ``error``."""
    return next(
        (trouble for type_, trouble in _TROUBLE_OF if isinstance(error, type_)), Trouble.PROTOCOL
    )


class Worker:
    """Polls one terminal and listens to it; publishes through the store only."""

    def __init__(
        self,
        options: TerminalOptions,
        view: TerminalView,
        surroundings: Surroundings,
        device: Callable[[TerminalOptions], ZKDevice],
        *,
        default_id: str,
    ) -> None:
        """Prepare; nothing happens before :meth:`start`.

        Args:
            options: The terminal's configuration.
            view: What is known of it before contact.
            surroundings: What all workers share.
            device: Makes the client for one connection after the other.
            default_id: Its id where neither configuration nor store say otherwise.
        """
        self.options = options
        self._default_id = default_id
        self._around = surroundings
        self._make_device = device
        self._keeper = StateKeeper(view, surroundings.store.set_view)
        self._memory = Memory.empty(surroundings.shown)
        self._wake = Wake()
        self._stopping = threading.Event()
        self._poll_now = threading.Event()
        self._replays: queue.SimpleQueue[ReplayRequest] = queue.SimpleQueue()
        self._session: TerminalSession | None = None
        self._device: ZKDevice | None = None
        self._expected_by_s = surroundings.mono() + _PATIENCE_S
        # One for all connections: what it remembers of a call goes with the next one only.
        self._retrying = retrying(
            soon=_SOON,
            slow=_SLOW,
            wait=self._wait,
            stopped=self._stopping.is_set,
            failed=self._failed,
        )
        self._thread = threading.Thread(
            target=self._run, name=f"terminal-{view.terminal.id}", daemon=True
        )

    @property
    def view(self) -> TerminalView:
        """The terminal as it was last seen; any thread."""
        return self._keeper.view

    def start(self) -> None:
        """Start the thread."""
        self._around.store.set_view(self._keeper.view)
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; wakes whatever it waits for."""
        self._stopping.set()
        self._wake.set()

    def abort(self) -> None:
        """Cut a connection that hangs; any thread."""
        device = self._device
        if device is not None:
            device.abort()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; tell whether it came."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
            if self._thread.is_alive():
                return False
        self._wake.close()
        return True

    def poll_now(self) -> None:
        """Poll at once, also during a backoff; any thread."""
        self._poll_now.set()
        self._wake.set()

    def replay(self, since: datetime, until: datetime | None) -> None:
        """Publish a time once more, when the terminal answers; any thread.

        Args:
            since: Naive: in the terminal's zone.
            until: Likewise; None: now.
        """
        self._replays.put(ReplayRequest(since, until))
        self._wake.set()

    def people(self) -> Mapping[str, str | None] | None:
        """Return this terminal's users: names, where they may be shown, by id; any thread.

        None before its user table was read for the first time.
        """
        return self._memory.directory.people()

    def stuck(self, now_s: float) -> bool:
        """Tell whether the thread shows no sign of life: neither a frame nor a planned wait."""
        device = self._device
        frame_s = device.last_frame_mono_s if device is not None else None
        return self._thread.ident is not None and now_s > max(
            self._expected_by_s, (frame_s or 0.0) + _PATIENCE_S
        )

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._connect_and_serve()
            except Exception:
                _LOGGER.exception("%s: unexpected; going on in a minute", self.options.name)
                self._keeper.update(mode=Mode.OFFLINE, online=False, error=Trouble.PROTOCOL)
                self._wait(_AFTER_BUG_S)
        self._keeper.update(mode=Mode.OFFLINE, online=False)

    def _connect_and_serve(self) -> None:
        try:
            self._retrying(self._connect)
        except (*_SOON, *_SLOW) as error:
            if not self._stopping.is_set():
                raise
            _LOGGER.debug("%s: stopped while %s", self.options.name, error)
            return
        try:
            self._serve()
        except _SOON as error:
            # Perhaps only the connection broke: offline is said when a new one fails.
            _LOGGER.info("%s: connection lost: %s", self.options.name, error)
            self._around.metrics.error(self._keeper.view.terminal.id, trouble_of(error).value)
            self._around.metrics.reconnect(self._keeper.view.terminal.id)
            if isinstance(error, StoreFull):
                self._failed(error, FIRST_WAIT_S)
        finally:
            self._hang_up()
        self._wait(random.uniform(0.1, 1.0) * FIRST_WAIT_S)  # noqa: S311 - jitter, no secret

    def _connect(self) -> None:
        """Open a connection and poll once."""
        if self._stopping.is_set():
            return
        self._announce(_PATIENCE_S)
        self._device = self._make_device(self.options)
        session = TerminalSession.open(
            self._device,
            self.options,
            self._default_id,
            around=self._around,
            memory=self._memory,
            keeper=self._keeper,
        )
        try:
            session.poll()
        except BaseException:
            session.close()
            raise
        self._session = session
        _LOGGER.info(
            "%s: connected (%s, %s)",
            self.options.name, session.context.translator.key, self._keeper.view.state.mode.value,
        )  # fmt: skip

    def _serve(self) -> None:
        session = self._session
        while session is not None and not self._stopping.is_set():
            interval_s = self.options.poll_interval.total_seconds()
            if self.options.session == "per_poll":
                self._replay(session)
                self._hang_up()
                self._wait(interval_s)
                return
            self._announce(interval_s)
            session.serve(self._around.mono() + interval_s, self._wake)
            self._wake.clear()
            if self._stopping.is_set():
                return
            session.poll(reconcile=self._poll_now.is_set())
            self._poll_now.clear()
            self._replay(session)

    def _replay(self, session: TerminalSession) -> None:
        while not self._stopping.is_set():
            try:
                request = self._replays.get_nowait()
            except queue.Empty:
                return
            session.replay(request)

    def _hang_up(self) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        try:
            session.close()
        except StoreError as error:
            _LOGGER.warning("%s: %s", self.options.name, error)

    def _failed(self, error: BaseException, wait_s: float) -> None:
        if isinstance(error, StoreDamaged):
            _LOGGER.info("%s: starting over: %s", self.options.name, error)
            return
        trouble = trouble_of(error)
        state, name = self._keeper.view.state, self.options.name
        advice = TROUBLES[trouble]
        level = logging.DEBUG if state.error is trouble else logging.WARNING
        _LOGGER.log(
            level,
            "%s: %s (%s). %s Next try in %.0f s",
            name,
            advice.text,
            error,
            advice.cure,
            wait_s,
        )
        self._around.metrics.error(self._keeper.view.terminal.id, trouble.value)
        answering = trouble is Trouble.STORE_FULL
        self._keeper.update(mode=Mode.OFFLINE, online=None if answering else False, error=trouble)

    def _announce(self, seconds: float) -> None:
        self._expected_by_s = self._around.mono() + seconds + _PATIENCE_S

    def _wait(self, seconds: float) -> None:
        self._announce(seconds)
        if not self._stopping.is_set():
            self._wake.wait(seconds)
            self._wake.clear()
