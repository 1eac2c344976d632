"""What the documentation shows: configurations are valid, commands exist, lines are really said."""

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from tests.docs.pages import DOCS, blocks
from zkbridge.cli.application import app
from zkbridge.config import ConfigError, Options, load, parse
from zkbridge.metrics import CountingMetrics, Readings, TerminalReading
from zkbridge.simulator import SimulatedTerminal

_SECTIONS = set(Options.model_fields)
_NAMES = [path.name for path in sorted(DOCS.glob("*.md"))]


def _configurations() -> list[tuple[str, str]]:
    found = []
    for name in _NAMES:
        for block in blocks((DOCS / name).read_text(encoding="utf-8"), "yaml"):
            content = yaml.safe_load(block)
            if isinstance(content, dict) and set(content) <= _SECTIONS:
                found.append((name, block))
    return found


def test_there_are_configurations_to_look_at() -> None:
    assert len(_configurations()) >= 6


@pytest.mark.parametrize(("name", "block"), _configurations())
def test_shown_configurations_are_valid(name: str, block: str) -> None:
    content = yaml.safe_load(block)
    content.setdefault("mqtt", {"host": "broker.lan"})

    parse(content)


@pytest.mark.parametrize("name", _NAMES)
def test_shown_yaml_and_json_can_be_read(name: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    for block in [*blocks(text, "yaml"), *blocks(text, "json")]:
        yaml.safe_load(block)


def test_the_shown_mistake_is_reported_as_shown(sources: dict[str, str]) -> None:
    wrong = {"mqtt": {"host": "x"}, "terminals": [{"name": "a", "host": "b", "prot": 1}]}
    with pytest.raises(ConfigError) as caught:
        parse(wrong)

    assert [f"zkbridge: {problem}\n" for problem in caught.value.problems] == [
        block for block in blocks(sources["configuration.md"], "text") if "unknown option" in block
    ]


# Commands


def _commands() -> list[tuple[str, list[str]]]:
    found = []
    for name in _NAMES:
        text = (DOCS / name).read_text(encoding="utf-8")
        for block in blocks(text, "sh"):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                while words and "=" in words[0]:
                    words.pop(0)
                if words and Path(words[0]).name == "zkbridge":
                    found.append((name, words[1:]))
    return found


def test_there_are_commands_to_look_at() -> None:
    assert len(_commands()) >= 15


@pytest.mark.parametrize(("name", "words"), _commands())
def test_shown_commands_are_understood(name: str, words: list[str]) -> None:
    group: Any = typer.main.get_command(app)  # typer keeps a click of its own
    if words[0] == "--install-completion":
        assert any("--install-completion" in parameter.opts for parameter in group.params)
        return
    with group.make_context("zkbridge", list(words)) as above:
        command, rest = words[0], words[1:]
        # Raises where an option or an argument is not known.
        group.get_command(above, command).make_context(command, rest, parent=above).close()


@pytest.mark.parametrize("name", _NAMES)
def test_shown_python_compiles(name: str) -> None:
    for block in blocks((DOCS / name).read_text(encoding="utf-8"), "python"):
        ast.parse(block)


def test_python_examples_run_against_a_terminal(
    sources: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    endless = ("live_events", "Recorded")
    shown = blocks(sources["python.md"], "python")
    examples = [block for block in shown if not any(word in block for word in endless)]
    assert len(examples) == 3
    with SimulatedTerminal(comm_key=0) as terminal:
        terminal.add_user("1042", "Ana Souza")
        terminal.punch("1042")
        for block in examples:
            there = f'"{terminal.host}", {terminal.port}'
            exec(  # noqa: S102 - our own examples
                compile(block.replace('"192.168.1.201"', there), "python.md", "exec"), {}
            )

    said = capsys.readouterr().out
    assert "1042 Ana Souza" in said
    assert "first" in said
    assert (tmp_path / "cursor.json").exists()


def test_examples_of_the_simulator_run(sources: dict[str, str]) -> None:
    whole, fault = blocks(sources["simulator.md"], "python")
    exec(compile(whole, "simulator.md", "exec"), {})  # noqa: S102 - our own example

    with SimulatedTerminal() as terminal:
        exec(compile(fault, "simulator.md", "exec"), {"terminal": terminal})  # noqa: S102 - as above


# Lines of the log


def _said_by_the_code(root: Path) -> str:
    """Every text constant of the code, what is filled in replaced by one character."""
    texts = []
    for path in sorted((root / "zkbridge").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(re.sub(r"%[.\d]*[a-z]", "…", node.value))
            elif isinstance(node, ast.JoinedStr):
                parts = [
                    str(part.value) if isinstance(part, ast.Constant) else "…"
                    for part in node.values
                ]
                texts.append("".join(parts))
    return "\n".join(texts)


def _lines_of(section: str, text: str) -> list[str]:
    body = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^`]+)` \|", body, re.MULTILINE)


@pytest.mark.parametrize(("section", "least"), [("In the log", 20), ("When it does not start", 3)])
def test_shown_lines_are_said_by_the_code(
    sources: dict[str, str], root: Path, section: str, least: int
) -> None:
    said = _said_by_the_code(root)
    lines = _lines_of(section, sources["troubleshooting.md"])

    assert len(lines) >= least
    for line in lines:
        assert line.strip("…").strip() in said, line


# Alert rules


def _alerts() -> list[dict[str, Any]]:
    content = yaml.safe_load((DOCS / "alerts.yml").read_text(encoding="utf-8"))
    return [rule for group in content["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("rule", _alerts(), ids=lambda rule: rule["alert"])
def test_alert_rules_use_metrics_that_exist(rule: dict[str, Any]) -> None:
    reading = TerminalReading(
        terminal_id="x", up=True, clock_drift_s=0, log_used=0, users=0, punches=0
    )
    readings = Readings(version="1", broker_connected=True, refused=0, terminals=(reading,))
    metrics = CountingMetrics(lambda: readings)
    metrics.published("x", fresh=True, latency_s=0)
    scraped = metrics.exposition()[0].decode()
    names = set(re.findall(r"^(zkbridge_\w+)", scraped, re.MULTILINE))

    used = set(re.findall(r"zkbridge_\w+", rule["expr"]))
    assert used <= names
    assert used or rule["expr"].startswith("up{")
    assert rule["annotations"]["summary"]


def test_the_unit_that_is_installed_exists(sources: dict[str, str], root: Path) -> None:
    shown = re.findall(r"blob/main/([\w./]+)", "".join(sources.values()))

    assert {"deploy/zkbridge.service", "config.yaml", "CHANGELOG.md"} <= set(shown)
    for path in shown:
        assert (root / path).is_file(), path


def test_the_commented_example_is_what_the_pages_speak_of(root: Path) -> None:
    assert load(root / "config.yaml", {}).terminals
