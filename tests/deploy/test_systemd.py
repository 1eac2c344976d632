"""The service manager is told what it wants to know, and the unit asks for it."""

import configparser
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from zkbridge import systemd

UNIT = Path(__file__).parents[2] / "deploy" / "zkbridge.service"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(30)
        yield receiver


def test_a_state_reaches_the_manager(manager: socket.socket) -> None:
    told = systemd.notify(systemd.READY, {"NOTIFY_SOCKET": manager.getsockname()})

    assert told
    assert manager.recv(100) == b"READY=1"


def test_a_state_reaches_an_abstract_socket() -> None:
    name = f"zkbridge-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind("\0" + name)
        receiver.settimeout(30)

        assert systemd.notify(systemd.ALIVE, {"NOTIFY_SOCKET": f"@{name}"})
        assert receiver.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="no manager"),
        pytest.param({"NOTIFY_SOCKET": ""}, id="empty"),
        pytest.param({"NOTIFY_SOCKET": "vsock:2:1234"}, id="another kind"),
        pytest.param({"NOTIFY_SOCKET": "/nobody/listens/here"}, id="nobody listens"),
        pytest.param({"NOTIFY_SOCKET": "/" + "x" * 200}, id="longer than addresses are"),
    ],
)
def test_without_a_manager_nothing_happens(environ: dict[str, str]) -> None:
    assert not systemd.notify(systemd.READY, environ)


@pytest.mark.parametrize(
    ("environ", "interval_s"),
    [
        pytest.param({}, None, id="no watchdog"),
        pytest.param({"WATCHDOG_USEC": "90000000"}, 45.0, id="half of the limit"),
        pytest.param({"WATCHDOG_USEC": "0"}, None, id="switched off"),
        pytest.param({"WATCHDOG_USEC": "soon"}, None, id="nonsense"),
        pytest.param({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, None, id="somebody else's"),
        pytest.param(
            {"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}, 1.0, id="ours"
        ),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_needed(
    environ: dict[str, str], interval_s: float | None
) -> None:
    assert systemd.watchdog_interval_s(environ) == interval_s


def test_the_unit_wants_what_the_program_says() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as the library documents
    unit.read_string(UNIT.read_text())
    service = unit["Service"]

    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) >= 60
    assert service["ExecStart"].endswith("zkbridge run -c /etc/zkbridge/config.yaml")
    assert service["RestartPreventExitStatus"] == "2"
    assert re.fullmatch(r"AF_INET AF_INET6 AF_UNIX", service["RestrictAddressFamilies"])
    # SIGTERM ends the bridge within 5 s; systemd must not be quicker than that.
    assert int(service["TimeoutStopSec"]) > 5
