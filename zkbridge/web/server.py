"""The web server's thread: a socket, a loop, uvicorn in it; started and stopped by ``app``."""

import asyncio
import contextlib
import logging
import secrets
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from zkbridge.config import WebOptions
from zkbridge.metrics import CountingMetrics
from zkbridge.store import Store
from zkbridge.web.feed import Feed, FeedSource
from zkbridge.web.guard import Guard, Policy
from zkbridge.web.health import Health
from zkbridge.web.logview import LogView
from zkbridge.web.probe import TerminalTest
from zkbridge.web.reader import Reader
from zkbridge.web.routes import Site, application

_LOGGER = logging.getLogger(__name__)
_TICK_S: Final = 1.0
_GRACE_S: Final = 1
_CONNECTIONS: Final = 512
_BACKLOG: Final = 128
_READERS: Final = 2


class WebError(Exception):
    """The page cannot be served; the text is one line that says what to do."""


class _Uvicorn(uvicorn.Server):
    """A server that waits for ``stop`` instead of looking ten times a second."""

    def __init__(self, config: uvicorn.Config, stop: asyncio.Event) -> None:
        super().__init__(config)
        self._stop = stop

    async def main_loop(self) -> None:
        """Serve until stopped; once a second for the ``Date`` header."""
        while not self._stop.is_set():
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), _TICK_S)


class WebServer:
    """Serves the page, the HTTP API, health and metrics in a thread of its own.

    Args:
        options: Where to listen, and the token.
        store: Read only.
        health: How the bridge is doing; called often, in the server's threads, must be quick.
        metrics: What ``/metrics`` shows; its gauges are read from the store and ``health``.
        shown_config: See :func:`zkbridge.web.shown_configuration`.
        test_terminal: Tries an address; may block; called in a thread of its own.
        log: The last log lines; its owner adds it to the loggers.
        version: The bridge's.
        ingress: The add-on: Home Assistant's Supervisor and this machine need no token.
        clock: Aware UTC.
        on_failure: Called in the server's thread when it ends without having been stopped.
    """

    def __init__(
        self,
        options: WebOptions,
        store: Store,
        *,
        health: Callable[[], Health],
        metrics: CountingMetrics,
        shown_config: Callable[[], Mapping[str, object]],
        test_terminal: TerminalTest,
        log: LogView,
        version: str,
        ingress: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_failure: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._options = options
        self._store = store
        self._reader = Reader(store, health=health, version=version, clock=clock)
        metrics.read_from(self._reader.readings)
        self._site = partial(
            Site,
            reader=self._reader,
            health=health,
            metrics=metrics,
            shown_config=shown_config,
            test_terminal=test_terminal,
            log=log,
            version=version,
        )
        token = options.token.get_secret_value() if options.token else None
        self._policy = Policy(
            loopback=options.loopback,
            listen_host=options.host,
            csrf=secrets.token_urlsafe(24),
            token=token or None,
            ingress=ingress,
        )
        self._on_failure = on_failure
        self._socket: socket.socket | None = None
        self._port = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._feed: Feed | None = None
        self._stopping = False
        self._woken = False

    @property
    def port(self) -> int:
        """The port that it listens on, also where the options say 0; after ``start``."""
        return self._port

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the page; after ``start``."""
        host = self._options.host
        if host in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not bound
            host = "127.0.0.1"
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Listen, then serve in a thread named ``web``.

        Raises:
            WebError: The address cannot be had.
        """
        self._socket = _listening_socket(self._options.host, self._options.port)
        self._port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; any thread, also before ``start`` and twice."""
        self._stopping = True
        self._in_loop(self._end)

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end; returns whether it has come."""
        if self._thread is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _in_loop(self, function: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                loop.call_soon_threadsafe(function)

    def _end(self) -> None:
        if self._stop is not None and self._feed is not None:
            self._stop.set()
            # Streams never end by themselves.
            self._feed.close()

    def _wake(self) -> None:
        """Hear of a commit, in the committing thread: a flag, and no more while nobody looks."""
        feed = self._feed
        if feed is not None and feed.pages and not self._woken:
            self._woken = True
            self._in_loop(self._woken_in_loop)

    def _woken_in_loop(self) -> None:
        self._woken = False
        if self._feed is not None:
            self._feed.wake()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            # A thread's top: logged, and told to app.
            _LOGGER.exception("the page has stopped")
            if self._on_failure is not None:
                self._on_failure(error)
        finally:
            self._loop = None
            if self._socket is not None:
                self._socket.close()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(_READERS, "web-store") as pool:
            feed = Feed(self._feed_source(pool))
            self._feed, self._stop = feed, asyncio.Event()
            self._loop = loop
            if self._stopping:
                return
            self._store.subscribe(self._wake)
            guarded = Guard(application(self._site(feed=feed, run=pool)), self._policy)
            server = _Uvicorn(_config(guarded), self._stop)
            feeding = loop.create_task(feed.run())
            try:
                await server.serve(sockets=[self._socket] if self._socket else [])
            finally:
                feed.close()
                await feeding

    def _feed_source(self, pool: ThreadPoolExecutor) -> FeedSource:
        run = asyncio.get_running_loop().run_in_executor
        reader = self._reader

        async def newest() -> int:
            return await run(pool, reader.newest)

        async def since(seq: int, limit: int) -> Sequence[tuple[int, Mapping[str, object]]]:
            return await run(pool, reader.since, seq, limit)

        async def snapshot() -> Mapping[str, object]:
            return await run(pool, reader.overview)

        return FeedSource(newest=newest, since=since, snapshot=snapshot)


def _config(app: ASGIApp) -> uvicorn.Config:
    # Only what is needed, by name: "auto" would import whatever happens to be installed.
    return uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_S,
    )


def _listening_socket(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise WebError(f"web.listen {host}: {error.strerror or error}") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise WebError(
            f"the page cannot listen on {host}:{port} ({error.strerror or error}):"
            " choose another address or port in web.listen"
        ) from error
    return listening
