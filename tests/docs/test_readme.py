"""Every command in the README is run, as it stands there, on a clone of this repository.

Instead of the network there is what is installed already, instead of a terminal a simulated one,
instead of Home Assistant's broker a real mosquitto that knows the README's user and password.
"""

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from tests.docs.pages import DOCS, blocks
from tests.mosquitto import Mosquitto, Subscriber
from zkbridge.simulator import SimulatedTerminal

pytestmark = pytest.mark.slow

ROOT: Final = DOCS.parent
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
LINES: Final = [
    line.split(" #")[0].strip()
    for block in blocks(README, "sh")
    for line in block.replace("\\\n", " ").splitlines()
    if line.split("#")[0].strip()
]
ADDRESS: Final = "192.168.1.201"
_PATIENCE_S: Final = 180.0


@pytest.fixture(scope="module")
def terminal() -> Iterator[SimulatedTerminal]:
    zone = re.search(r"timezone: (\S+)", README)
    assert zone is not None
    with SimulatedTerminal(timezone=ZoneInfo(zone[1])) as made:
        made.add_user("1042", "Ana Souza")
        made.punch("1042", when=made.wall_clock() - timedelta(hours=1))
        yield made


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    user = re.search(r"username: (\S+)\n\s*password: (\S+)", README)
    assert user is not None
    with Mosquitto(tmp_path_factory.mktemp("broker"), users={user[1]: user[2]}) as running:
        yield running


class Reader:
    """Somebody who does what the README says, line by line."""

    def __init__(self, folder: Path, terminal: SimulatedTerminal, broker: Mosquitto) -> None:
        self.folder = folder
        self.terminal = terminal
        self.broker = broker
        self.demo = ""

    @property
    def clone(self) -> Path:
        """Where the README's ``cd`` leads."""
        return self.folder / "zkbridge"

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of this machine's configuration, and no way to other hosts."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("ZK", "PYTHON"))}
        return inherited | {
            "PATH": f"{self.clone}/.venv/bin:{os.environ['PATH']}",
            "COLUMNS": "200",
            "DEMO_SECONDS": "8",
            "PIP_NO_INDEX": "1",
            "GIT_CONFIG_GLOBAL": str(self.folder / "gitconfig"),
            # What the README's reader has and this machine has not.
            "ZKBRIDGE_MQTT__HOST": "127.0.0.1",
            "ZKBRIDGE_MQTT__PORT": str(self.broker.port),
            "ZKBRIDGE_WEB__LISTEN": "127.0.0.1:0",
        }

    def do(self, line: str, folder: Path | None = None) -> str:
        """Do one line to its end; returns what it said."""
        done = subprocess.run(  # noqa: S602 - the README's own words
            self.here(line),
            shell=True,
            cwd=folder or self.clone,
            env=self.environment,
            capture_output=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        said = done.stdout.decode() + done.stderr.decode()
        assert done.returncode == 0, f"{line}: {said}"
        return said

    def begin(self, line: str) -> "subprocess.Popen[str]":
        """Begin a line that goes on until it is stopped."""
        return subprocess.Popen(  # noqa: S602 - the README's own words
            f"exec {self.here(line)}",
            shell=True,
            cwd=self.clone,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def here(self, line: str) -> str:
        """A line with the simulated terminal's address instead of the README's."""
        return line.replace(ADDRESS, f"{self.terminal.host} --port {self.terminal.port}")

    def get_ready(self) -> None:
        """Clone, as the README's first line says, and let pip find what is installed here."""
        # The address in the README means this repository, whoever owns its files here.
        (self.folder / "gitconfig").write_text(
            f'[url "{ROOT.as_uri()}"]\n insteadOf = https://github.com/zkbridge/zkbridge\n'
            "[safe]\n directory = *\n"
        )
        self.do(LINES[0], self.folder)
        subprocess.run(  # noqa: S603 - our own command line
            [sys.executable, "-m", "venv", str(self.clone / ".venv")], check=True
        )
        inside = next((self.clone / ".venv/lib").glob("python*/site-packages"))
        (inside / "zz_installed_here.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n")

    def write_config(self) -> None:
        """Write the README's configuration."""
        config = blocks(README, "yaml")[0]
        there = f"host: {self.terminal.host}\n    port: {self.terminal.port}"
        assert ADDRESS in config
        (self.clone / "config.yaml").write_text(config.replace(f"host: {ADDRESS}", there))


@pytest.fixture(scope="module")
def reader(
    tmp_path_factory: pytest.TempPathFactory, terminal: SimulatedTerminal, broker: Mosquitto
) -> Reader:
    made = Reader(tmp_path_factory.mktemp("reader"), terminal, broker)
    made.get_ready()
    made.demo = made.do(LINES[1])
    made.write_config()
    return made


def test_the_first_block_is_a_clone_and_the_demo() -> None:
    assert LINES[0].startswith("git clone ")
    assert LINES[1] == "make demo"


def test_the_demo_shows_punches_and_leaves_nothing_behind(reader: Reader) -> None:
    said = reader.demo

    assert re.search(r"page +http://127\.0\.0\.1:\d+/", said)
    assert re.search(r"^ +\w+ +punch +\d\d:\d\d:\d\d ", said, re.MULTILINE)
    left = reader.do("git status --porcelain --untracked-files=all -- . ':!config.yaml'")
    assert left == ""


@pytest.mark.parametrize("line", LINES[2:])
def test_every_further_command_works(reader: Reader, line: str) -> None:
    match line.split():
        case [".venv/bin/zkbridge", "run"]:
            _run(reader, line)
        case [*_, "--follow"]:
            _follow(reader, line)
        case [".venv/bin/zkbridge", "check"]:
            assert "Everything works." in reader.do(line)
        case ["zkbridge", "info", *_]:
            assert "SIM0000000001" in reader.do(line)
        case ["zkbridge", "users", *_]:
            assert "Ana Souza" in reader.do(line)
        case ["zkbridge", "punches", *_, "-o", file]:
            reader.do(line)
            assert "1042" in (reader.clone / file).read_text(encoding="utf-8")
        case ["make", "docs" | "help"]:
            reader.do(line)
        case _:
            pytest.fail(f"this test does not know how to run {line!r}: teach it")


def _run(reader: Reader, line: str) -> None:
    user = re.search(r"username: (\S+)\n\s*password: (\S+)", README)
    assert user is not None
    with (
        Subscriber(reader.broker.port, username=user[1], password=user[2]) as subscriber,
        reader.begin(line) as bridge,
    ):
        try:
            state = "zkbridge/front_door/state"
            subscriber.wait_for(
                lambda records: any(
                    record.topic == state and json.loads(record.payload).get("synced")
                    for record in records
                )
            )
            reader.terminal.punch("1042")
            (punch,) = subscriber.wait_count("zkbridge/front_door/punch", 1)
            assert json.loads(punch.payload)["user_name"] == "Ana Souza"
        finally:
            bridge.send_signal(signal.SIGTERM)
            said, _ = bridge.communicate(timeout=_PATIENCE_S)
    assert bridge.returncode == 0, said


def _follow(reader: Reader, line: str) -> None:
    with reader.begin(line) as follower:
        assert follower.stdout is not None
        try:
            assert reader.terminal.wait_for(lambda: reader.terminal.registered == 1, 60)
            reader.terminal.punch("1042")
            assert any("1042" in said for said in follower.stdout)
        finally:
            follower.send_signal(signal.SIGINT)
            follower.communicate(timeout=_PATIENCE_S)


def test_the_python_example_prints_punches(reader: Reader, terminal: SimulatedTerminal) -> None:
    (example,) = blocks(README, "python")
    script = reader.folder / "example.py"
    script.write_text(example.replace(f'"{ADDRESS}"', f'"{terminal.host}", {terminal.port}'))

    said = reader.do(f"python {script}")

    assert "1042" in said


def test_every_file_the_readme_links_to_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", README):
        assert "://" in target or (ROOT / target).exists(), target
