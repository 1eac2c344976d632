"""What the add-on's page says while there is no broker yet: why, and what to do about it."""

import html
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Final

_LOGGER = logging.getLogger(__name__)

# Source: homeassistant.md, the add-on: ingress comes from the Supervisor alone.
_WELCOME: Final = frozenset({"172.30.32.2", "127.0.0.1"})
_PAGE: Final = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="5">'
    "<title>zkbridge</title><h1>Waiting for MQTT</h1><p>{reason}.</p>"
)


class WaitingPage(ThreadingHTTPServer):
    """Says one thing to everyone; ``/healthz`` is fine, for waiting is what is meant to happen."""

    daemon_threads = True
    reason = "Asking Home Assistant for its MQTT service"

    def say(self, reason: str) -> None:
        """Change what the page says; any thread."""
        self.reason = reason[:1].upper() + reason[1:]


class _Answer(BaseHTTPRequestHandler):
    timeout: ClassVar[float] = 10.0
    server: WaitingPage

    def do_GET(self) -> None:
        if self.client_address[0] not in _WELCOME:
            self.send_error(HTTPStatus.FORBIDDEN)
            return
        healthy = self.path == "/healthz"
        body = b"ok" if healthy else _PAGE.format(reason=html.escape(self.server.reason)).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/plain" if healthy else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        _LOGGER.debug(format, *args)


class _Silent:
    def say(self, reason: str) -> None:
        """There is no page to say it on."""


@contextmanager
def waiting_page(listen: str) -> Iterator[WaitingPage | _Silent]:
    """Serve the page while the block runs; where the address is taken, do without."""
    host, _, port = listen.rpartition(":")
    try:
        page = WaitingPage((host, int(port)), _Answer)
    except OSError as error:
        _LOGGER.debug("no page while waiting: %s", error.strerror)
        yield _Silent()
        return
    thread = threading.Thread(
        target=page.serve_forever, kwargs={"poll_interval": 0.1}, name="waiting-page", daemon=True
    )
    thread.start()
    try:
        yield page
    finally:
        page.shutdown()
        page.server_close()
        thread.join()
