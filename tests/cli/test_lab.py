"""discover, simulate, demo."""

import json
import os
import re
import signal
import subprocess
import sys
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from tests.cli.program import ACTS, Program, Result, zkbridge
from zkbridge.discover import addresses, local_networks, network
from zkbridge.simulator import PANEL_GREETING, SimulatedTerminal
from zkbridge.zk.opcodes import CMD_CONNECT, CMD_EXIT

ROOT = Path(__file__).parents[2]


def _discover(terminal: SimulatedTerminal, *options: str) -> Result:
    return zkbridge("discover", "127.0.0.1", "--port", str(terminal.port), "--json", *options)


def test_terminal_is_found_and_left_politely(terminal: SimulatedTerminal) -> None:
    result = _discover(terminal)

    assert result.code == 0
    assert json.loads(result.out) == [
        {
            "host": "127.0.0.1",
            "port": terminal.port,
            "transport": "tcp",
            "serial": "SIM0000000001",
            "name": "Simulated",
            "firmware": "Ver 6.60 Apr 28 2017",
            "remark": None,
        }
    ]
    assert terminal.accepted == 1
    assert terminal.requests[CMD_CONNECT] == terminal.requests[CMD_EXIT] == 1
    assert terminal.written_options == []


def test_terminal_that_speaks_udp_only_is_found() -> None:
    with SimulatedTerminal(transport="udp") as terminal:
        result = _discover(terminal)

        assert [(each["transport"], each["serial"]) for each in json.loads(result.out)] == [
            ("udp", "SIM0000000001")
        ]
        assert terminal.requests[CMD_CONNECT] == terminal.requests[CMD_EXIT]


def test_terminal_with_a_key_is_found(terminal: SimulatedTerminal) -> None:
    terminal.behave(comm_key=99)

    assert json.loads(_discover(terminal).out)[0]["remark"] == "wants a comm key"


def test_other_device_is_told_apart(terminal: SimulatedTerminal) -> None:
    terminal.behave(alien=PANEL_GREETING)

    found = json.loads(_discover(terminal).out)

    assert found[0]["serial"] is None
    assert found[0]["remark"]


def test_nobody_there_is_no_failure(terminal: SimulatedTerminal) -> None:
    terminal.pause()

    result = _discover(terminal, "--timeout", "0.3s")

    assert (result.code, json.loads(result.out)) == (0, [])


def test_found_text_acts_on_no_screen(terminal: SimulatedTerminal) -> None:
    terminal.set_option("~DeviceName", "\x1b[2J\u202eK40")

    result = zkbridge("discover", "127.0.0.1", "--port", str(terminal.port))

    assert "K40" in result.out
    assert not ACTS.search(result.out)


@pytest.mark.parametrize("text", ["10.0.0.0/22", "172.16.9.1", "192.168.1.0/24", "169.254.0.0/16"])
def test_private_networks_are_searched(text: str) -> None:
    assert network(text) == IPv4Network(text)


@pytest.mark.parametrize("text", ["8.8.8.8", "0.0.0.0/0", "172.32.0.0/16", "192.0.0.0/8", "::1"])
def test_other_networks_are_not(text: str) -> None:
    with pytest.raises(ValueError, match="network"):
        network(text)


def test_own_networks_come_from_the_routes(tmp_path: Path) -> None:
    routes = tmp_path / "route"
    routes.write_text(
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "tun0\t00000008\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n"
        "down\t0000000A\t00000000\t0000\t0\t0\t0\t000000FF\t0\t0\t0\n"
    )

    assert local_networks(routes) == [IPv4Network("192.168.1.0/24")]
    assert local_networks(tmp_path / "none") == []


def test_every_address_is_asked_once() -> None:
    networks = [IPv4Network("192.168.1.0/30"), IPv4Network("192.168.1.0/31")]

    assert addresses(networks) == ["192.168.1.1", "192.168.1.2", "192.168.1.0"]


def test_simulated_terminals_answer_like_terminals() -> None:
    options = ["--terminals", "2", "--port", "0", "--users", "7", "--punches", "50"]
    with Program("simulate", *options, "--comm-key", "12") as program:
        ports = [program.line().rpartition(":")[2] for _ in range(2)]
        told = [
            zkbridge("info", "127.0.0.1", "--port", port, "--comm-key", "12", "--json")
            for port in ports
        ]
        ended = program.stop()

    facts = [json.loads(each.out) for each in told]
    assert [(each["users"], each["punches"]) for each in facts] == [(7, 50), (7, 50)]
    assert facts[0]["serial"] != facts[1]["serial"]
    assert (ended.code, ended.err) == (0, "")


def test_simulated_people_punch() -> None:
    with Program("simulate", "--port", "0", "--punches", "0", "--punch-every", "0.1s") as program:
        line = program.line_with("punches")
        ended = program.stop(signal.SIGTERM)

    assert re.search(r"port \d+: user \d+ punches", line)
    assert ended.code == 0


def test_port_that_is_taken_is_one_line(terminal: SimulatedTerminal) -> None:
    result = zkbridge("simulate", "--port", str(terminal.port))

    assert result.code == 1
    assert result.err.count("\n") == 1


@pytest.mark.slow
def test_demo_shows_punches_and_leaves_nothing(tmp_path: Path) -> None:
    with Program("demo", env={"TMPDIR": str(tmp_path)}) as program:
        page = program.line_with("page ").split()[1]
        lines = [program.line_with(" ms ") for _ in range(3)]
        ended = program.stop(signal.SIGINT)

    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", page)
    assert all(re.search(r"punch  \d\d:\d\d:\d\d .* \d+\.\d ms  \S", line) for line in lines)
    assert ended.code == 0
    assert "live punches arrived" in ended.out
    assert ended.err == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_demo_ends_after_its_seconds(tmp_path: Path) -> None:
    result = zkbridge("demo", env={"TMPDIR": str(tmp_path), "DEMO_SECONDS": "4"})

    assert (result.code, result.err) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_broker_of_the_demo_ends_with_its_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "zkbridge.demo.broker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline().strip().isdigit()
        process.stdin.close()

        assert process.wait(30) == 0
