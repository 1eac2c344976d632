"""The server's thread: starts, stops, and never stands in the way."""

import contextlib
import socket
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.web.house import House
from tests.web.test_setup import try_address
from zkbridge.config import WebOptions
from zkbridge.metrics import CountingMetrics
from zkbridge.store import Store
from zkbridge.web import Health, LogView, TerminalAddress, WebError, WebServer


def server(store: Store, listen: str) -> WebServer:
    """A server that has not been started."""
    return WebServer(
        WebOptions(listen=listen),
        store,
        health=lambda: Health(started_at=datetime.now(UTC)),
        metrics=CountingMetrics(),
        shown_config=dict,
        test_terminal=lambda _address: {},
        log=LogView(),
        version="0",
    )


def test_taken_address_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, Store(tmp_path / "s.db") as store:
        web = server(store, f"127.0.0.1:{taken.getsockname()[1]}")

        with pytest.raises(WebError, match=r"web\.listen"):
            web.start()

        assert web.join(1)


def test_stop_before_start_is_no_mistake(tmp_path: Path) -> None:
    with Store(tmp_path / "s.db") as store:
        web = server(store, "127.0.0.1:0")
        web.stop()
        web.start()

        assert web.join(10)


def test_it_listens_on_ipv6(tmp_path: Path) -> None:
    with House(tmp_path, listen="[::1]:0") as house:
        with socket.create_connection(("::1", house.server.port), timeout=10) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        assert house.server.url.startswith("http://[::1]:")


def test_thread_has_its_name_and_ends(tmp_path: Path) -> None:
    with House(tmp_path):
        during = {thread.name for thread in threading.enumerate()}
    after = {thread.name for thread in threading.enumerate()}

    assert "web" in during
    assert not {name for name in after if name.startswith("web")}


def test_hanging_trial_holds_up_neither_page_nor_end(tmp_path: Path) -> None:
    release = threading.Event()
    begun = threading.Event()

    def hang(_address: TerminalAddress) -> Mapping[str, object]:
        begun.set()
        release.wait()
        return {"status": "ok"}

    with House(tmp_path) as house:
        house.hang = hang
        asking = threading.Thread(target=lambda: _ignore(house), daemon=True)
        asking.start()
        begun.wait()
        assert house.ask("/healthz").status == 200
        assert try_address(house, host="10.0.0.2").status == 409
        house.server.stop()
        assert house.server.join(10)
    release.set()
    asking.join()


def _ignore(house: House) -> None:
    with contextlib.suppress(OSError):
        try_address(house, host="10.0.0.1")


def test_store_that_fails_is_said_and_the_page_stays(house: House) -> None:
    house.store.close()

    answer = house.ask("/api/punches")

    assert answer.status in {500, 503}
    assert "error" in answer.json
    assert house.ask("/").status == 200
