"""The doctor: configuration, broker, terminals."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.program import ACTS, Result, zkbridge
from tests.mosquitto import Mosquitto, free_port
from zkbridge.simulator import PANEL_GREETING, SimulatedTerminal

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    folder = tmp_path_factory.mktemp("broker")
    with Mosquitto(folder, users={"bridge": "right"}) as running:
        yield running


@pytest.fixture
def second() -> Iterator[SimulatedTerminal]:
    with SimulatedTerminal(
        serial="SIM0000000002", options={"MAC": "00:17:61:00:00:02"}, timezone=UTC
    ) as made:
        yield made


def _check(
    folder: Path, mqtt: dict[str, Any], *terminals: dict[str, Any], options: tuple[str, ...] = ()
) -> Result:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({"mqtt": mqtt, "terminals": list(terminals)}))
    return zkbridge("check", "-c", str(path), *options)


def _at(terminal: SimulatedTerminal, name: str, **changes: str) -> dict[str, Any]:
    place = {"name": name, "host": terminal.host, "port": terminal.port, "timezone": "UTC"}
    return place | {"timeout": "2s"} | changes


def _mqtt(broker: Mosquitto, password: str = "right") -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "port": broker.port,
        "username": "bridge",
        "password": password,
    }


def test_example_passes_offline() -> None:
    result = zkbridge("check", "--offline", cwd=ROOT)

    assert (result.code, result.out) == (0, "")
    assert "config.yaml is fine: 1 terminal" in result.err


def test_all_is_well(
    tmp_path: Path, broker: Mosquitto, terminal: SimulatedTerminal, second: SimulatedTerminal
) -> None:
    result = _check(tmp_path, _mqtt(broker), _at(terminal, "One"), _at(second, "Two"))

    lines = [line.split() for line in result.out.splitlines()]
    assert result.code == 0
    assert ["broker", f"127.0.0.1:{broker.port}", "MQTT", "5"] in lines
    row = next(line for line in lines if line[:1] == ["One"])
    assert row[1:4] == [f"127.0.0.1:{terminal.port}", "yes", "SIM0000000001"]
    assert row[-4:] == ["users,", "punches,", "operations,", "live"]
    assert lines[-1] == ["Everything", "works."]
    assert terminal.written_options == []


def test_findings_for_programs(
    tmp_path: Path, broker: Mosquitto, terminal: SimulatedTerminal
) -> None:
    result = _check(tmp_path, _mqtt(broker), _at(terminal, "One"), options=("--json",))

    found = [json.loads(line) for line in result.out.splitlines()]
    assert [(each["name"], each["reachable"], each["problems"]) for each in found] == [
        ("broker", True, []),
        ("One", True, []),
    ]
    assert found[1]["capacity"]["punches"] == 3
    assert found[1]["reads"] == {
        "users": True,
        "punches": True,
        "operations": True,
        "live": True,
    }


def test_each_problem_has_its_cure(
    tmp_path: Path, broker: Mosquitto, terminal: SimulatedTerminal, second: SimulatedTerminal
) -> None:
    terminal.behave(comm_key=5)
    second.set_clock(timedelta(hours=2))

    result = _check(
        tmp_path,
        _mqtt(broker, "sesame-7"),
        _at(terminal, "Locked"),
        _at(second, "Early"),
        {"name": "Away", "host": "127.0.0.1", "port": free_port(), "timeout": "1s"},
    )

    problems = [line for line in result.out.splitlines() if line.startswith("✗")]
    cures = [line for line in result.out.splitlines() if line.startswith("  →")]
    assert result.code == 1
    assert [problem.split(":")[0] for problem in problems] == [
        "✗ broker",
        "✗ Locked",
        "✗ Early",
        "✗ Away",
    ]
    assert len(cures) == len(problems)
    assert "mqtt.password" in cures[0]
    assert "comm_key" in cures[1]
    assert re.search(r"\(\+7(199|200|201) s\)", problems[2])
    assert "Traceback" not in result.err
    assert "sesame-7" not in result.out + result.err


def test_read_that_is_refused_is_named(
    tmp_path: Path, broker: Mosquitto, terminal: SimulatedTerminal
) -> None:
    terminal.behave(refused_tables=frozenset({(13, 0), (7, 1)}))

    result = _check(tmp_path, _mqtt(broker), _at(terminal, "One"), options=("--json",))

    reads = json.loads(result.out.splitlines()[1])["reads"]
    assert result.code == 1
    assert reads == {"users": True, "punches": False, "operations": True, "live": True}
    assert terminal.wait_for(lambda: terminal.option("SDKBuild") == "0")


def test_the_same_terminal_twice_is_told(
    tmp_path: Path, broker: Mosquitto, terminal: SimulatedTerminal
) -> None:
    twin = _at(terminal, "Twin", host="localhost")

    result = _check(tmp_path, _mqtt(broker), _at(terminal, "One"), twin)

    assert result.code == 1
    assert "(One and Twin)" in result.out


def test_something_else_at_the_address(
    tmp_path: Path, broker: Mosquitto, terminal: SimulatedTerminal
) -> None:
    terminal.behave(alien=PANEL_GREETING)

    result = _check(tmp_path, _mqtt(broker), _at(terminal, "Panel"))

    assert result.code == 1
    assert "not an attendance terminal" in result.out


def test_terminal_text_acts_on_no_screen(
    tmp_path: Path, broker: Mosquitto, terminal: SimulatedTerminal
) -> None:
    terminal.set_option("FirmVer", "\x1b[2J[bold]Ver\u202e")

    result = _check(tmp_path, _mqtt(broker), _at(terminal, "One"))

    assert not ACTS.search(result.out)
    assert "[bold]Ver" in result.out


def test_every_wrong_field_is_told_and_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "mqtt: {hots: localhost, port: 99999, password: 7734555}\n"
        "terminals: [{name: A, host: h, comm_key: swordfish, poll_intervall: 5}]\n"
    )

    result = zkbridge("check", "--offline", "-c", str(path))

    assert (result.code, result.out) == (2, "")
    for expected in ("hots", "did you mean host?", "99999", "comm_key", "poll_interval?"):
        assert expected in result.err
    assert "swordfish" not in result.err
    assert "7734555" not in result.err
    assert "Traceback" not in result.err


def test_secret_file_that_is_missing_is_told_offline(tmp_path: Path) -> None:
    mqtt = {"host": "localhost", "password_file": str(tmp_path / "none")}

    result = _check(tmp_path, mqtt, options=("--offline",))

    assert result.code == 2
    assert "mqtt.password_file" in result.err
