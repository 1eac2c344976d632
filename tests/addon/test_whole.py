"""The add-on with the real bridge in it: terminal, Supervisor and brokers on real sockets."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest

from tests.addon.conftest import SERVICE, TOKEN, FakeSupervisor
from tests.mosquitto import Mosquitto, Subscriber
from zkbridge.simulator import SimulatedTerminal

ROOT = Path(__file__).parents[2]
QUICK = """
import os, sys
from pathlib import Path
from zkbridge import app
from zkbridge.addon import AddOn
sys.exit(AddOn(Path(sys.argv[2]), Path(sys.argv[4]), os.environ, watch_s=0.1).run(app.run))
"""


@pytest.fixture
def terminal() -> Iterator[SimulatedTerminal]:
    with SimulatedTerminal(timezone=UTC) as simulated:
        simulated.add_user("7", "Ada Lovelace")
        yield simulated


@pytest.fixture
def data_dir(tmp_path: Path, terminal: SimulatedTerminal) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    options = {
        "terminals": [{"name": "Front door", "host": terminal.host, "port": terminal.port}],
        "include": [],
    }
    (folder / "options.json").write_text(json.dumps(options))
    return folder


def start(supervisor: FakeSupervisor, data_dir: Path, *how: str) -> subprocess.Popen[bytes]:
    arguments = ["--options", str(data_dir / "options.json"), "--data", str(data_dir)]
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, *how, *arguments],
        cwd=data_dir,
        env=os.environ
        | {
            "PYTHONPATH": str(ROOT),
            "SUPERVISOR_URL": supervisor.url,
            "SUPERVISOR_TOKEN": TOKEN,
            "TZ": "UTC",
            "ZKBRIDGE_WEB__LISTEN": "127.0.0.1:0",
        },
    )


@pytest.mark.slow
def test_a_punch_gets_through_and_sigterm_ends_it_in_order(
    supervisor: FakeSupervisor, terminal: SimulatedTerminal, data_dir: Path, tmp_path: Path
) -> None:
    with Mosquitto(tmp_path / "broker") as broker, Subscriber(broker.port) as subscriber:
        supervisor.answer(200, {**SERVICE, "host": "127.0.0.1", "port": broker.port})
        process = start(supervisor, data_dir, "-m", "zkbridge", "addon")
        subscriber.wait_count("zkbridge/front_door/availability", 1)
        terminal.punch("7")
        (punch,) = subscriber.wait_count("zkbridge/front_door/punch", 1)

        process.send_signal(signal.SIGTERM)
        code = process.wait(5)  # what is promised
        ends = subscriber.wait_count("zkbridge/bridge/availability", 2)

    assert code == 0
    assert [record.payload for record in ends] == [b"online", b"offline"]
    assert json.loads(punch.payload)["user_name"] == "Ada Lovelace"
    kept = {path.name.split("-")[0] for path in data_dir.iterdir()}
    assert all(name.startswith(("options.json", "zkbridge.db")) for name in kept)


@pytest.mark.slow
def test_a_changed_mqtt_service_is_followed_while_running(
    supervisor: FakeSupervisor, terminal: SimulatedTerminal, data_dir: Path, tmp_path: Path
) -> None:
    with (
        Mosquitto(tmp_path / "old") as old,
        Mosquitto(tmp_path / "new") as new,
        Subscriber(old.port) as before,
        Subscriber(new.port) as after,
    ):
        supervisor.answer(200, {**SERVICE, "host": "127.0.0.1", "port": old.port})
        process = start(supervisor, data_dir, "-c", QUICK)
        before.wait_count("zkbridge/front_door/availability", 1)

        supervisor.answers[:] = []
        supervisor.answer(200, {**SERVICE, "host": "127.0.0.1", "port": new.port})
        after.wait_count("zkbridge/front_door/availability", 1)
        terminal.punch("7")
        after.wait_count("zkbridge/front_door/punch", 1)

        process.send_signal(signal.SIGTERM)
        code = process.wait(30)

    assert code == 0
    assert before.on("zkbridge/front_door/punch") == []
