"""A tiny reverse proxy that serves the page below a path, as Home Assistant's ingress does."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class PrefixProxy:
    """Serves ``/some/prefix/...`` from a server's ``/...``; everything else is not found.

    Args:
        port: Where the server listens on this machine.
        prefix: Begins and ends with a slash.
        headers: Added to each request, as the Supervisor does.
    """

    def __init__(self, port: int, prefix: str, headers: dict[str, str] | None = None) -> None:
        self._prefix = prefix
        self.outside: list[str] = []
        outside = self.outside

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not self.path.startswith(prefix):
                    outside.append(self.path)
                    self.send_error(404)
                    return
                self._forward(b"")

            def do_POST(self) -> None:
                self._forward(self.rfile.read(int(self.headers.get("content-length", 0))))

            def _forward(self, body: bytes) -> None:
                target = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                sent = dict(self.headers.items()) | (headers or {})
                try:
                    target.request(self.command, "/" + self.path[len(prefix) :], body, sent)
                    answer = target.getresponse()
                    self.send_response(answer.status)
                    for name, value in answer.getheaders():
                        if name.lower() not in {"transfer-encoding", "connection"}:
                            self.send_header(name, value)
                    self.send_header("Connection", "close")
                    self.end_headers()
                    while chunk := answer.read1():
                        self.wfile.write(chunk)
                        self.wfile.flush()
                except OSError:
                    # The browser or the server has gone.
                    pass
                finally:
                    target.close()
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self._server.server_port}{self._prefix}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
