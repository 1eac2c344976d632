"""A Supervisor on a real socket."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

TOKEN = "the-supervisors-token"
SERVICE = {
    "host": "core-mosquitto",
    "port": 1883,
    "username": "addons",
    "password": "s3cret",
    "ssl": False,
    "protocol": "3.1.1",
}


class FakeSupervisor(ThreadingHTTPServer):
    """Answers ``/services/mqtt`` as told; remembers how often it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, bytes]] = []
        self.asked = threading.Semaphore(0)
        self.hold = threading.Event()
        self.hold.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, status: int, data: object = None) -> None:
        """Give this answer from now on."""
        result = "ok" if status == 200 else "error"
        self.answers.append((status, json.dumps({"result": result, "data": data}).encode()))

    def wait_until_asked(self, times: int = 1) -> None:
        for _ in range(times):
            assert self.asked.acquire(timeout=30)


class _Handler(BaseHTTPRequestHandler):
    server: FakeSupervisor

    def do_GET(self) -> None:
        self.server.hold.wait(30)
        answers = self.server.answers
        status, body = answers[0] if len(answers) == 1 else answers.pop(0)
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            status, body = 401, b""
        if self.path != "/services/mqtt":
            status, body = 404, b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.server.asked.release()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def supervisor() -> Iterator[FakeSupervisor]:
    server = FakeSupervisor()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.hold.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def environ(supervisor: FakeSupervisor) -> dict[str, str]:
    return {
        "SUPERVISOR_URL": supervisor.url,
        "SUPERVISOR_TOKEN": TOKEN,
        "TZ": "Asia/Bangkok",
        "ZKBRIDGE_WEB__LISTEN": "127.0.0.1:0",
    }
