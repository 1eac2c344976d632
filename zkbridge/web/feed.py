"""The live feed: one wake-up of the store becomes one query and one text for all pages.

The store's commit only sets a flag; everything else runs in the web server's own thread, a
moment later, so that a punch is with the broker before any page hears of it.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from zkbridge.store import StoreError

# Nobody sees this delay; it keeps the fan-out out of the way of publishing, and folds a burst.
SETTLE_S: Final = 0.15
HEARTBEAT_S: Final = 15.0
# States can change without an event (broker gone, a worker silent).
REFRESH_S: Final = 2.0
# How long pages rest while more comes than can be shown.
FLOOD_S: Final = 5.0
_RESUME_LIMIT: Final = 500
_BATCH: Final = 200
_BACKLOG: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedSource:
    """Where the feed reads; everything is awaited in the server's loop.

    Attributes:
        newest: Sequence number of the newest punch stored.
        since: Punches after a sequence number, oldest first, at most so many.
        snapshot: What the page's header and its terminals show.
    """

    newest: Callable[[], Awaitable[int]]
    since: Callable[[int, int], Awaitable[Sequence[tuple[int, Mapping[str, object]]]]]
    snapshot: Callable[[], Awaitable[Mapping[str, object]]]


class Feed:
    """Server-sent events for any number of pages; everything runs in the loop's thread."""

    def __init__(
        self, source: FeedSource, *, heartbeat_s: float = HEARTBEAT_S, flood_s: float = FLOOD_S
    ) -> None:
        self._source = source
        self._heartbeat_s = heartbeat_s
        self._flood_s = flood_s
        self._reset_due: float | None = None
        self._pages: set[asyncio.Queue[bytes | None]] = set()
        self._position: int | None = None
        self._snapshot = b""
        self._changed = asyncio.Event()
        self._closed = False
        self._lock = asyncio.Lock()

    @property
    def pages(self) -> int:
        """How many pages listen."""
        return len(self._pages)

    def wake(self) -> None:
        """Note that the store has changed."""
        self._changed.set()

    def close(self) -> None:
        """End every stream."""
        self._closed = True
        self._changed.set()
        for page in self._pages:
            _offer(page, None)

    async def run(self) -> None:
        """Serve until closed."""
        while not self._closed:
            try:
                await asyncio.wait_for(self._changed.wait(), REFRESH_S if self._pages else None)
                await asyncio.sleep(SETTLE_S)
            except TimeoutError:
                pass
            self._changed.clear()
            if self._pages and not self._closed:
                try:
                    await self.advance()
                except StoreError:
                    # Said by the store's owner; the pages keep what they have.
                    continue

    async def advance(self) -> None:
        """Read what is new, once, and give it to all pages."""
        async with self._lock:
            text = await self._news()
            snapshot = _event("state", await self._source.snapshot())
            if snapshot != self._snapshot:
                self._snapshot = snapshot
                text += snapshot
            if text:
                self._send(text)

    async def _news(self) -> bytes:
        punches = await self._source.since(self._position or 0, _BATCH + 1)
        if len(punches) > _BATCH and self._reset_due is None:
            self._reset_due = asyncio.get_running_loop().time() + self._flood_s
        if self._reset_due is None:
            if punches:
                self._position = punches[-1][0]
            return b"".join(_punch(seq, body) for seq, body in punches)
        # A flood, such as the first reading of a long log: nobody can read along. Pages are told
        # to read everything anew, now and then.
        self._position = await self._source.newest()
        if asyncio.get_running_loop().time() < self._reset_due:
            return b""
        self._reset_due = None
        return b"id: %d\n" % self._position + _event("reset", {"seq": self._position})

    def _send(self, text: bytes) -> None:
        for page in tuple(self._pages):
            if not _offer(page, text):
                # Too slow: its stream ends, and it comes back with the last id it has.
                self._pages.discard(page)
                _offer(page, None)

    async def stream(self, last_id: int | None) -> AsyncGenerator[bytes, None]:
        """Yield the events for one page.

        Args:
            last_id: The newest punch that the page already has; None: it wants only new ones.
        """
        page: asyncio.Queue[bytes | None] = asyncio.Queue(_BACKLOG)
        missed = await self._join(page, last_id)
        try:
            yield b"retry: 3000\n\n" + missed
            while not self._closed:
                try:
                    text = await asyncio.wait_for(page.get(), self._heartbeat_s)
                except TimeoutError:
                    text = b": still here\n\n"
                if text is None:
                    return
                yield text
        finally:
            self._pages.discard(page)

    async def _join(self, page: asyncio.Queue[bytes | None], last_id: int | None) -> bytes:
        async with self._lock:
            if not self._pages or self._position is None:
                self._position = await self._source.newest()
            snapshot = _event("state", await self._source.snapshot())
            missed = b""
            if last_id is not None and last_id != self._position:
                missed = await self._missed(last_id)
            self._pages.add(page)
        # A feed without pages sleeps without a time limit.
        self._changed.set()
        # The id is where this page stands, should it come back before the next punch.
        return missed + b"id: %d\n" % self._position + snapshot

    async def _missed(self, last_id: int) -> bytes:
        position = self._position or 0
        if last_id > position:
            # The store is younger than the page.
            return _event("reset", {"seq": position})
        punches = await self._source.since(last_id, _RESUME_LIMIT + 1)
        punches = [item for item in punches if item[0] <= position]
        if len(punches) > _RESUME_LIMIT:
            return _event("reset", {"seq": position})
        return b"".join(_punch(seq, body) for seq, body in punches)


def _offer(page: asyncio.Queue[bytes | None], text: bytes | None) -> bool:
    try:
        page.put_nowait(text)
    except asyncio.QueueFull:
        if text is None:
            page.get_nowait()
            page.put_nowait(None)
        return False
    return True


def _punch(seq: int, body: Mapping[str, object]) -> bytes:
    return b"id: %d\n" % seq + _event("punch", body)


def _event(name: str, body: Mapping[str, object]) -> bytes:
    # JSON has no raw line ends: one data line holds any text.
    return f"event: {name}\ndata: {json.dumps(body, separators=(',', ':'))}\n\n".encode()
