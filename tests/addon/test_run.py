"""``zkbridge addon`` against a Supervisor on a real socket."""

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.addon.conftest import SERVICE, FakeSupervisor
from zkbridge.addon import AddOn, main
from zkbridge.config import Options

TERMINAL = {"name": "Front door", "host": "192.0.2.9"}


class FakeBridge:
    """Takes the bridge's place: says what it was started with, ends when told."""

    def __init__(self, during: Callable[["FakeBridge"], None] | None = None) -> None:
        self.options: Options | None = None
        self.reload: Callable[[], Options] | None = None
        self.ingress = False
        self._during = during

    def __call__(self, options: Options, *, reload: Callable[[], Options], ingress: bool) -> int:
        self.options, self.reload, self.ingress = options, reload, ingress
        if self._during is not None:
            self._during(self)
        return 0


@pytest.fixture
def options_path(tmp_path: Path) -> Path:
    path = tmp_path / "options.json"
    path.write_text(json.dumps({"terminals": [TERMINAL], "include": []}))
    return path


def test_the_supervisors_broker_is_used_when_the_user_names_none(
    supervisor: FakeSupervisor, environ: dict[str, str], options_path: Path, tmp_path: Path
) -> None:
    supervisor.answer(200, SERVICE)
    bridge = FakeBridge()

    code = main(options_path, tmp_path, environ, run=bridge)

    assert code == 0
    assert bridge.ingress
    assert bridge.options is not None
    mqtt = bridge.options.mqtt
    assert (mqtt.host, mqtt.port, mqtt.username) == ("core-mosquitto", 1883, "addons")
    assert mqtt.password is not None
    assert mqtt.password.get_secret_value() == "s3cret"
    # The service can only say 3.1 or 3.1.1.
    assert mqtt.protocol == "auto"
    assert bridge.options.store.path == tmp_path / "zkbridge.db"


def test_an_encrypted_service_is_spoken_to_encrypted(
    supervisor: FakeSupervisor, environ: dict[str, str], options_path: Path, tmp_path: Path
) -> None:
    supervisor.answer(200, {**SERVICE, "ssl": True, "port": 8883})
    bridge = FakeBridge()

    main(options_path, tmp_path, environ, run=bridge)

    assert bridge.options is not None
    assert bridge.options.mqtt.tls is not None


def test_a_broker_of_the_users_own_needs_no_supervisor(tmp_path: Path) -> None:
    path = tmp_path / "options.json"
    path.write_text(json.dumps({"mqtt_host": "10.0.0.1", "terminals": [TERMINAL]}))
    bridge = FakeBridge()

    code = main(path, tmp_path, {"SUPERVISOR_URL": "http://127.0.0.1:1"}, run=bridge)

    assert code == 0
    assert bridge.options is not None
    assert bridge.options.mqtt.host == "10.0.0.1"


@pytest.mark.parametrize(
    ("status", "data", "said"),
    [
        pytest.param(400, None, "Home Assistant has no MQTT service", id="absent"),
        pytest.param(403, None, "refuses to tell", id="forbidden"),
        pytest.param(502, None, "status 502", id="broken"),
        pytest.param(200, {"port": 1}, "makes no sense", id="no host"),
        pytest.param(200, None, "makes no sense", id="no data"),
        pytest.param(200, {"host": "h", "port": "x"}, "makes no sense", id="odd port"),
    ],
)
def test_a_missing_service_is_said_once_and_waited_for(
    *,
    supervisor: FakeSupervisor,
    environ: dict[str, str],
    options_path: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    status: int,
    data: object,
    said: str,
) -> None:
    for _ in range(3):
        supervisor.answer(status, data)
    supervisor.answer(200, SERVICE)
    bridge = FakeBridge()

    with caplog.at_level(logging.INFO, "zkbridge"):
        AddOn(options_path, tmp_path, environ, wait_s=(0.01,)).run(bridge)

    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert said in warnings[0]
    assert bridge.options is not None
    assert bridge.options.mqtt.host == "core-mosquitto"


def test_a_supervisor_that_is_away_is_waited_for(
    supervisor: FakeSupervisor,
    environ: dict[str, str],
    options_path: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    supervisor.answer(200, SERVICE)
    addon = AddOn(
        options_path, tmp_path, {**environ, "SUPERVISOR_URL": "http://127.0.0.1:1"}, wait_s=(0.01,)
    )
    # The first question goes to a closed port; the next ones to somebody who answers.
    heard = threading.Event()

    class Hear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "does not answer" in record.getMessage():
                addon._supervisor = type(addon._supervisor)(
                    supervisor.url, environ["SUPERVISOR_TOKEN"]
                )
                heard.set()

    logger = logging.getLogger("zkbridge.addon.run")
    handler = Hear()
    logger.addHandler(handler)
    bridge = FakeBridge()
    try:
        addon.run(bridge)
    finally:
        logger.removeHandler(handler)

    assert heard.is_set()
    assert bridge.options is not None


def test_a_changed_service_makes_the_running_bridge_ask_again(
    supervisor: FakeSupervisor, environ: dict[str, str], options_path: Path, tmp_path: Path
) -> None:
    supervisor.answer(200, SERVICE)
    told = threading.Event()
    hosts: list[str] = []

    def during(bridge: FakeBridge) -> None:
        supervisor.answer(200, {**SERVICE, "host": "10.0.0.5", "password": "n3w"})
        assert told.wait(30)
        assert bridge.reload is not None
        options = bridge.reload()
        assert options.mqtt.password is not None
        hosts.extend([options.mqtt.host, options.mqtt.password.get_secret_value()])
        # A page that has not changed is not restarted.
        assert bridge.options is not None
        assert options.web == bridge.options.web

    AddOn(options_path, tmp_path, environ, watch_s=0.01, changed=told.set).run(FakeBridge(during))

    assert hosts == ["10.0.0.5", "n3w"]


def test_a_service_that_vanishes_later_changes_nothing(
    supervisor: FakeSupervisor, environ: dict[str, str], options_path: Path, tmp_path: Path
) -> None:
    supervisor.answer(200, SERVICE)
    told = threading.Event()
    hosts: list[str] = []

    def during(bridge: FakeBridge) -> None:
        supervisor.answers[:] = []
        supervisor.answer(400)
        supervisor.wait_until_asked(4)
        assert bridge.reload is not None
        hosts.append(bridge.reload().mqtt.host)

    AddOn(options_path, tmp_path, environ, watch_s=0.01, changed=told.set).run(FakeBridge(during))

    assert hosts == ["core-mosquitto"]
    assert not told.is_set()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "cannot read", id="no file"),
        pytest.param("{", "is no JSON", id="no JSON"),
        pytest.param("[]", "must be a JSON object", id="no object"),
        pytest.param('{"terminals": [{"name": "A"}]}', "terminals[0].host", id="no host"),
        pytest.param('{"mqtt_host": "h", "late_after": "x"}', "late_after", id="odd duration"),
    ],
)
def test_wrong_options_end_at_once_with_a_line_each(
    environ: dict[str, str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    content: str | None,
    said: str,
) -> None:
    path = tmp_path / "options.json"
    if content is not None:
        path.write_text(content)

    code = main(path, tmp_path, environ, run=FakeBridge())

    assert code == 2
    assert said in caplog.text
    assert "Traceback" not in caplog.text
