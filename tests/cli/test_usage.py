"""Wrong usage, help, version: exit 2 and one line, no traceback."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.cli.program import zkbridge

COMMANDS = (
    *("run", "check", "info", "users", "punches", "oplog", "photo", "templates", "discover"),
    *("export", "forget", "capture", "simulate", "demo", "addon"),
)


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["info"],
        ["info", "127.0.0.1", "--port", "many"],
        ["info", "127.0.0.1", "--port", "70000"],
        ["info", "127.0.0.1", "--bogus"],
        ["info", "127.0.0.1", "--json", "--csv"],
        ["info", "127.0.0.1", "--timezone", "Mars/Olympus"],
        ["info", "127.0.0.1", "--encoding", "klingon"],
        ["info", "127.0.0.1", "--timeout", "soon"],
        ["info", "127.0.0.1", "--timeout", "0"],
        ["info", "127.0.0.1", "--transport", "pigeon"],
        ["punches", "127.0.0.1", "--since", "yesterday"],
        ["discover", "8.8.8.0/24"],
        ["discover", "10.0.0.0/8"],
        ["discover", "here"],
        ["simulate", "--punch-size", "41"],
        ["run", "--bogus"],
        ["addon", "--bogus"],
        ["export", "--format", "xml"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_one_line(arguments: list[str], tmp_path: Path) -> None:
    result = zkbridge(*arguments, cwd=tmp_path)

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("zkbridge: ")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("given", ["hunter2", "-1", "99999999999"])
def test_mistyped_key_is_not_repeated(given: str) -> None:
    result = zkbridge("info", "127.0.0.1", f"--comm-key={given}")

    assert result.code == 2
    assert given not in result.err


@pytest.mark.parametrize("given", ["\x1b[2J", "\u202e1"])
def test_what_was_typed_acts_on_no_screen(given: str) -> None:
    result = zkbridge("punches", "127.0.0.1", "--since", given)

    assert result.code == 2
    assert given not in result.err


def test_version() -> None:
    assert zkbridge("--version").out == f"zkbridge {version('zkbridge')}\n"


def test_help_lists_every_command() -> None:
    told = zkbridge("--help").out

    assert set(COMMANDS) <= {line.split()[0] for line in told.splitlines() if line.strip()}


def test_nothing_typed_is_help_and_wrong_usage() -> None:
    result = zkbridge()

    assert result.code == 2
    assert "Commands:" in result.out


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(name: str) -> None:
    result = zkbridge(name, "--help")

    assert result.code == 0
    assert name in result.out


def test_completion_can_be_shown() -> None:
    # Named, since whatever runs the tests may be no shell that can complete.
    told = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    result = zkbridge("--show-completion", "bash", env=told)

    assert result.code == 0
    assert "_ZKBRIDGE_COMPLETE" in result.out


def test_bridge_carries_no_command_line_library(tmp_path: Path) -> None:
    program = """
import sys
sys.argv = ["zkbridge", "run", "-c", "missing.yaml"]
from zkbridge.__main__ import main
code = main()
print(code, sorted({"typer", "rich", "zkbridge.cli"} & set(sys.modules)))
"""
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True
    )

    assert done.stdout == "2 []\n"
    assert done.stderr.count("\n") == 1
    assert "missing.yaml" in done.stderr


def test_output_that_nobody_reads_is_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: S602 - a pipe of the shell is what is tested
        f"{sys.executable} -m zkbridge --help | true", shell=True, capture_output=True, check=True
    )

    assert done.stderr == b""
