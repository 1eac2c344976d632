"""What the add-on says while there is no broker, and that it can be ended then."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.addon.conftest import FakeSupervisor
from zkbridge.addon.waiting import WaitingPage, waiting_page

PROGRAM = """
import os, sys
from pathlib import Path
from zkbridge.addon import main
sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), os.environ, run=lambda *a, **k: 7))
"""


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body


def test_the_page_says_what_is_waited_for_and_health_is_fine() -> None:
    with waiting_page("127.0.0.1:0") as page:
        assert isinstance(page, WaitingPage)
        page.say("no broker <yet>")
        port = page.server_address[1]

        assert get(port, "/healthz") == (200, "ok")
        status, body = get(port, "/")

    assert status == 200
    assert "No broker &lt;yet&gt;" in body


def test_a_taken_address_is_no_reason_to_stop() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        waiting_page(f"127.0.0.1:{taken.getsockname()[1]}") as page,
    ):
        page.say("anything")

        assert not isinstance(page, WaitingPage)


@pytest.mark.parametrize("slow", [False, True], ids=["refused", "slow"])
def test_sigterm_while_waiting_for_the_broker_ends_with_0(
    supervisor: FakeSupervisor, environ: dict[str, str], tmp_path: Path, *, slow: bool
) -> None:
    path = tmp_path / "options.json"
    path.write_text(json.dumps({"terminals": []}))
    supervisor.answer(400)
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", PROGRAM, str(path), str(tmp_path)],
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    if slow:
        # It has asked once; the next answer never comes.
        supervisor.hold.clear()

    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=30)

    assert process.returncode == 0
    assert "waiting for MQTT: Home Assistant has no MQTT service" in line
    assert not re.search("Traceback|Error", rest)
