"""The HTTP endpoints: the page, its files, health, metrics and the API. Runs in the loop."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from zkbridge.metrics import CountingMetrics
from zkbridge.store import EventFilter, StoreError
from zkbridge.web import params, probe
from zkbridge.web.assets import openapi, page_template, static_files
from zkbridge.web.background import in_thread
from zkbridge.web.configuration import without_secrets
from zkbridge.web.downloads import csv_file, json_file
from zkbridge.web.feed import Feed
from zkbridge.web.guard import BodyTooLarge, read_body
from zkbridge.web.health import Health
from zkbridge.web.logview import LogView
from zkbridge.web.params import BadParameter
from zkbridge.web.reader import Reader
from zkbridge.web.shapes import iso

_LOGGER = logging.getLogger(__name__)
_T = TypeVar("_T")

VIEWS: Final = ("today", "terminals", "history", "setup", "log")
# Address, method, and the method of Endpoints that answers.
_ADDRESSES: Final = (
    ("/", "GET", "page"),
    ("/static/{name}", "GET", "static"),
    ("/healthz", "GET", "healthz"),
    ("/readyz", "GET", "readyz"),
    ("/metrics", "GET", "metrics"),
    ("/api/overview", "GET", "overview"),
    ("/api/terminals", "GET", "terminals"),
    ("/api/punches", "GET", "punches"),
    ("/api/day", "GET", "day"),
    ("/api/days", "GET", "days"),
    ("/api/events", "GET", "events"),
    ("/api/configuration", "GET", "configuration"),
    ("/api/terminal-test", "POST", "terminal_test"),
    ("/api/log", "GET", "log"),
    ("/api/openapi.json", "GET", "openapi"),
)
_MOST_PEOPLE: Final = 200
_PEOPLE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where the endpoints ask.

    Attributes:
        run: Runs what may block on the store, off the loop.
    """

    reader: Reader
    feed: Feed
    health: Callable[[], Health]
    metrics: CountingMetrics
    shown_config: Callable[[], Mapping[str, object]]
    test_terminal: probe.TerminalTest
    log: LogView
    version: str
    run: Executor


def json_response(body: object, status: int = 200) -> Response:
    """Answer with JSON."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "replace"), status, media_type="application/json")


class Endpoints:
    """One method for each address."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._probing = False

    def routes(self) -> list[Route]:
        """Return what is served where."""
        return [
            Route(path, getattr(self, name), methods=[method]) for path, method, name in _ADDRESSES
        ]

    async def _read(self, function: Callable[..., _T], *arguments: Any) -> _T:  # noqa: ANN401 - passed on
        return await asyncio.get_running_loop().run_in_executor(
            self._site.run, function, *arguments
        )

    # the page

    async def page(self, request: Request) -> Response:
        """The page's frame; everything in it comes from the API."""
        html = page_template().render(
            csrf=request.scope["zkbridge.csrf"],
            base=request.scope["zkbridge.base"],
            views=VIEWS,
            version=self._site.version,
        )
        return Response(html, media_type="text/html")

    async def static(self, request: Request) -> Response:
        """A file of the page."""
        found = static_files().get(request.path_params["name"])
        if found is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "No such file.")
        content, media_type, tag = found
        headers = {"etag": tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    async def openapi(self, _request: Request) -> Response:
        """The API's description."""
        return Response(openapi(), media_type="application/json")

    # health and metrics

    async def healthz(self, _request: Request) -> Response:
        """200 while every worker makes progress."""
        health = self._site.health()
        status = HTTPStatus.OK if health.alive else HTTPStatus.SERVICE_UNAVAILABLE
        return json_response({"healthy": health.alive, "faults": list(health.faults)}, status)

    async def readyz(self, _request: Request) -> Response:
        """200 once the broker is connected and every terminal was tried."""
        health = self._site.health()
        status = HTTPStatus.OK if health.ready else HTTPStatus.SERVICE_UNAVAILABLE
        body = {
            "ready": health.ready,
            "broker_connected": health.broker_connected,
            "untried": list(health.untried),
        }
        return json_response(body, status)

    async def metrics(self, request: Request) -> Response:
        """Everything counted, for Prometheus."""
        accept = request.headers.get("accept", "")
        body, content_type = await self._read(self._site.metrics.exposition, accept)
        return Response(body, headers={"content-type": content_type})

    # the API

    async def overview(self, _request: Request) -> Response:
        """How the bridge is doing, with all terminals."""
        return json_response(await self._read(self._site.reader.overview))

    async def terminals(self, _request: Request) -> Response:
        """All terminals."""
        return json_response({"terminals": await self._read(self._site.reader.terminals)})

    async def punches(self, request: Request) -> Response:
        """Stored punches, newest first: a page of them, or all as a file."""
        query = request.query_params
        wanted = params.event_filter(query)
        form = query.get("format") or "json"
        if form not in {"json", "csv"}:
            raise BadParameter("format: json or csv")
        before = params.cursor(query.get("before"))
        whole = form == "csv" or query.get("download") == "1"
        if not whole:
            limit = params.number(
                "limit", query.get("limit"), params.DEFAULT_LIMIT, params.LARGEST_LIMIT
            )
            punches, following = await self._read(self._site.reader.page, wanted, limit, before)
            return json_response(
                {"punches": punches, "next": str(following) if following else None}
            )
        most = params.number("limit", query.get("limit"), 10**9, 10**9)
        pages = self._pages(wanted, most, before)
        if form == "csv":
            body, media_type = csv_file(pages), "text/csv; charset=utf-8"
        else:
            body, media_type = json_file(pages), "application/json"
        headers = {"content-disposition": f'attachment; filename="punches.{form}"'}
        return StreamingResponse(body, media_type=media_type, headers=headers)

    async def _pages(
        self, wanted: EventFilter, most: int, before: int | None
    ) -> AsyncIterator[list[dict[str, object]]]:
        while most > 0:
            size = min(most, params.LARGEST_LIMIT)
            punches, before = await self._read(self._site.reader.page, wanted, size, before)
            yield punches
            most -= len(punches)
            if before is None:
                return

    async def day(self, request: Request) -> Response:
        """One day: who came when, and how many in each hour."""
        query = request.query_params
        date = params.day("date", query.get("date"))
        limit = params.number("limit", query.get("limit"), _PEOPLE, _MOST_PEOPLE)
        offset = params.position("offset", query.get("offset"))
        return json_response(await self._read(self._site.reader.day, date, limit, offset))

    async def days(self, request: Request) -> Response:
        """How many punches each day had."""
        query = request.query_params
        start, end = params.day("from", query.get("from")), params.day("to", query.get("to"))
        terminal = query.get("terminal") or None
        user = query.get("user") or None
        days = await self._read(self._site.reader.days, start, end, terminal, user)
        return json_response({"days": days})

    async def events(self, request: Request) -> Response:
        """Punches and states as they happen: server-sent events."""
        text = request.headers.get("last-event-id") or request.query_params.get("last_event_id")
        last_id = params.position("last_event_id", text) if text else None
        return StreamingResponse(
            self._site.feed.stream(last_id),
            media_type="text/event-stream",
            # Proxies such as nginx hold small answers back otherwise.
            headers={"x-accel-buffering": "no", "cache-control": "no-store"},
        )

    async def configuration(self, _request: Request) -> Response:
        """What the configuration says, without secrets."""
        return json_response({"configuration": without_secrets(self._site.shown_config())})

    async def terminal_test(self, request: Request) -> Response:
        """Try a terminal's address; nothing on it is changed."""
        try:
            body = json.loads(await read_body(request.receive))
        except ValueError as error:
            raise BadParameter("the request's body is no JSON") from error
        if self._probing:
            return json_response({"error": "Another address is being tried."}, 409)
        self._probing = True
        try:
            result = await in_thread(partial(self._probe, body))
        finally:
            self._probing = False
        return json_response(result)

    def _probe(self, body: object) -> Mapping[str, object]:
        address = probe.address_from(body)
        configured = self._site.shown_config().get("terminals")
        ours = configured if isinstance(configured, list | tuple) else ()
        name = probe.holder(address, ours)
        if name is not None:
            text = f"held by this bridge, which calls it {name}"
            return {"status": "busy", "text": text, "cure": None}
        result = {
            key: without_secrets(value) for key, value in self._site.test_terminal(address).items()
        }
        if result.get("status") == "ok":
            result["yaml"] = probe.yaml_to_add(address, result)
        return result

    async def log(self, request: Request) -> Response:
        """The last log lines."""
        after = params.position("after", request.query_params.get("after"))
        lines = [
            {
                "number": line.number,
                "time": iso(line.moment),
                "level": line.level,
                "logger": line.logger,
                "text": line.text,
            }
            for line in self._site.log.lines(after)
        ]
        return json_response({"lines": lines})


def endpoint_paths() -> list[tuple[str, str]]:
    """Return every address with its method."""
    return [(path, method) for path, method, _ in _ADDRESSES]


async def _bad_parameter(_request: Request, error: Exception) -> Response:
    return json_response({"error": str(error)}, HTTPStatus.BAD_REQUEST)


async def _too_large(_request: Request, _error: Exception) -> Response:
    return json_response({"error": "Too much."}, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


async def _store_error(_request: Request, error: Exception) -> Response:
    _LOGGER.debug("the page could not read the store: %s", error)
    body = {"error": "The store cannot be read at the moment; the log says why."}
    return json_response(body, HTTPStatus.SERVICE_UNAVAILABLE)


async def _http_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return json_response({"error": HTTPStatus(status).phrase}, status)


async def _defect(_request: Request, error: Exception) -> Response:
    _LOGGER.error("the page failed to answer", exc_info=error)
    return json_response({"error": "The bridge failed to answer; its log says why."}, 500)


Handler = Callable[[Request, Exception], Awaitable[Response]]


def application(site: Site) -> Starlette:
    """Return the application; it has no state of its own."""
    handlers: dict[Any, Handler] = {
        BadParameter: _bad_parameter,
        BodyTooLarge: _too_large,
        StoreError: _store_error,
        HTTPException: _http_error,
        Exception: _defect,
    }
    return Starlette(routes=Endpoints(site).routes(), exception_handlers=handlers)
