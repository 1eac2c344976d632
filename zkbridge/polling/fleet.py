"""All workers: started, stopped and exchanged as the configuration says."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from zkbridge.config import TerminalOptions
from zkbridge.events import Mode, Terminal, TerminalView
from zkbridge.polling.identify import Surroundings
from zkbridge.polling.worker import Worker
from zkbridge.zk import ZKDevice

_LOGGER = logging.getLogger(__name__)


class Fleet:
    """One worker for each configured terminal; used by one thread."""

    def __init__(self, around: Surroundings, device: Callable[[TerminalOptions], ZKDevice]) -> None:
        """Start nothing yet.

        Args:
            around: What all workers share.
            device: Makes the client for a terminal.
        """
        self._around = around
        self._device = device
        self._workers: dict[str, Worker] = {}

    def apply(self, terminals: Mapping[str, TerminalOptions], timeout_s: float) -> None:
        """Make the workers those of a configuration; unchanged ones are not disturbed.

        Args:
            terminals: By the id that they go by as long as the store knows no other.
            timeout_s: How long leaving workers may take.
        """
        leaving = {
            key: worker
            for key, worker in self._workers.items()
            if terminals.get(key) != worker.options
        }
        self._end(leaving, timeout_s)
        for key, worker in leaving.items():
            del self._workers[key]
            self._around.roster.leave(worker.options.name)
        joining = {key: options for key, options in terminals.items() if key not in self._workers}
        for key, options in joining.items():
            self._around.roster.reserve(options.name, key)
        for key, options in joining.items():
            self._workers[key] = self._worker(key, options)
        # Views first: what is retained of other terminals is no longer wanted.
        self._around.store.keep_views(worker.view.terminal.id for worker in self)
        for key in joining:
            self._workers[key].start()

    def _worker(self, key: str, options: TerminalOptions) -> Worker:
        """Prepare a worker with what the store remembers of its terminal."""
        store = self._around.store
        known = store.terminal_by_place(options.host, options.port)
        wanted = options.id or (known.id if known else key)
        terminal_id = self._around.roster.claim_id(options.name, wanted, key)
        terminal = Terminal(
            key=known.key if known else f"{options.host}:{options.port}",
            id=terminal_id,
            name=options.name,
            serial=known.serial if known else None,
        )
        before = next((v for v in store.views() if v.terminal.id == terminal_id), None)
        view = TerminalView(terminal=terminal)
        if before is not None and known is not None:
            state = replace(before.state, mode=Mode.OFFLINE, synced=False, error=None)
            view = replace(before, terminal=terminal, state=state, online=None)
        return Worker(options, view, self._around, self._device, default_id=key)

    def __iter__(self) -> Iterator[Worker]:
        return iter(list(self._workers.values()))

    def find(self, terminal_id: str) -> Worker | None:
        """Return the worker of a terminal, by the id in its topics."""
        return next((w for w in self if w.view.terminal.id == terminal_id), None)

    def stop(self, timeout_s: float) -> None:
        """Stop all workers."""
        self._end(self._workers, timeout_s)
        for worker in self._workers.values():
            self._around.roster.leave(worker.options.name)
        self._workers = {}

    def _end(self, workers: Mapping[str, Worker], timeout_s: float) -> None:
        for worker in workers.values():
            worker.stop()
        now_s = time.monotonic()
        alive = list(workers.values())
        # A terminal that hangs is given half the time to be left in order.
        for end_s in (now_s + timeout_s / 2, now_s + timeout_s):
            alive = [w for w in alive if not w.join(max(0.0, end_s - time.monotonic()))]
            for worker in alive:
                worker.abort()
        for worker in alive:
            _LOGGER.warning("%s: its thread does not end", worker.options.name)
