"""What users write: defaults, wrong fields said all at once, the environment, secrets."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from zkbridge.config import (
    ConfigError,
    Options,
    load,
    parse,
    since,
    slug,
    terminal_ids,
)

MINIMAL: dict[str, Any] = {"mqtt": {"host": "broker"}}
TERMINAL: dict[str, Any] = {"name": "Front door", "host": "192.168.1.201"}
EXAMPLE = Path(__file__).parents[2] / "config.yaml"


def with_terminal(**changes: object) -> Options:
    return parse(MINIMAL | {"terminals": [TERMINAL | changes]})


def problems(content: dict[str, Any], environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(content, environ)
    return caught.value.problems


def test_a_broker_is_all_that_is_needed() -> None:
    options = parse(MINIMAL)
    assert options.terminals == ()
    assert options.mqtt.port == 1883
    assert options.late_after == timedelta(minutes=2)
    assert options.home_assistant.restart_grace == timedelta(seconds=90)


def test_the_example_is_valid_and_shows_the_defaults() -> None:
    options = load(EXAMPLE, {})
    assert options.late_after == parse(MINIMAL).late_after
    assert options.store == parse(MINIMAL).store


def test_every_wrong_field_is_said_at_once_with_its_path_and_the_nearest_key() -> None:
    found = problems(
        {
            "mqtt": {"hots": "x", "port": 99999},
            "terminals": [TERMINAL | {"poll_intervall": 3, "timezone": "Mars/Olympus"}],
            "latter": 1,
        }
    )
    assert found == [
        "mqtt.host: is required",
        "mqtt.port: Input should be less than or equal to 65535 (it is '99999')",
        "mqtt.hots: unknown option; did you mean host?",
        "terminals[0].timezone: unknown time zone 'Mars/Olympus' (it is 'Mars/Olympus')",
        "terminals[0].poll_intervall: unknown option; did you mean poll_interval?",
        "latter: unknown option; did you mean late_after?",
    ]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"mqtt": {"host": "h", "password": ["hunter2"]}}, id="password"),
        pytest.param(
            {**MINIMAL, "terminals": [{**TERMINAL, "comm_key": "hunter2"}]}, id="comm key"
        ),
        pytest.param({**MINIMAL, "web": {"token": ["hunter2"]}}, id="token"),
    ],
)
def test_secrets_are_never_shown(content: dict[str, Any]) -> None:
    assert not any("hunter2" in line for line in problems(content))


def test_secrets_are_in_no_repr() -> None:
    options = parse({"mqtt": {"host": "h", "password": "hunter2"}, "web": {"token": "hunter2"}})
    assert "hunter2" not in repr(options)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(30, 30), ("31", 31), ("30s", 30), ("5m", 300), ("2h", 7200), ("7d", 604800), (1.5, 1.5)],
)
def test_durations(text: object, seconds: float) -> None:
    assert parse(MINIMAL | {"late_after": text}).late_after == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["-1s", "5 weeks", True, None, "", "9999999999999d"])
def test_what_is_no_duration_is_said(text: object) -> None:
    assert problems(MINIMAL | {"late_after": text})[0].startswith("late_after: ")


def test_the_environment_goes_over_the_file() -> None:
    options = parse(
        MINIMAL,
        {
            "ZKBRIDGE_MQTT__PASSWORD": "0123",
            "ZKBRIDGE_MQTT__PORT": "8883",
            "ZKBRIDGE_MQTT__TLS": "{verify: false}",
            "ZKBRIDGE_LATE_AFTER": "5m",
            "ZKBRIDGE_PEOPLE__NAMES": "false",
            "OTHER": "x",
        },
    )
    assert options.mqtt.password is not None
    assert options.mqtt.password.get_secret_value() == "0123"
    assert (options.mqtt.port, options.late_after) == (8883, timedelta(minutes=5))
    assert options.mqtt.tls is not None
    assert not options.mqtt.tls.verify
    assert not options.people.names


def test_an_unknown_variable_is_an_error() -> None:
    assert problems(MINIMAL, {"ZKBRIDGE_MQTT__PASSWROD": "x"}) == [
        "ZKBRIDGE_MQTT__PASSWROD: no such option; did you mean password?"
    ]
    assert problems(MINIMAL, {"ZKBRIDGE_TERMINALS": "[]"})[0].startswith("ZKBRIDGE_TERMINALS: ")


def test_ids_come_from_names_and_are_unique() -> None:
    options = parse(
        MINIMAL
        | {
            "terminals": [
                {"name": "Вход", "host": "a"},
                {"name": "!!!", "host": "b"},
                {"name": "Bridge", "host": "c"},
                {"name": "x", "id": "own_1", "host": "d"},
            ]
        }
    )
    assert [key for key, _ in terminal_ids(options.terminals)] == [
        "vkhod", "terminal_2", "terminal_3", "own_1",
    ]  # fmt: skip
    assert slug("Zoë's door, 2nd floor") == "zoe_s_door_2nd_floor"
    twice = [{"name": "A b", "host": "a"}, {"name": "a B", "host": "b"}]
    assert "have the same id 'a_b'" in problems(MINIMAL | {"terminals": twice})[0]


@pytest.mark.parametrize("wrong", ["Front", "front-door", "bridge", "people", "", "x" * 33])
def test_an_id_that_fits_no_topic_is_refused(wrong: str) -> None:
    assert problems(MINIMAL | {"terminals": [TERMINAL | {"id": wrong}]})


def test_per_poll_sessions_have_no_live_events() -> None:
    wrong = TERMINAL | {"session": "per_poll"}
    assert problems(MINIMAL | {"terminals": [wrong]}) == [
        "terminals[0]: session: per_poll needs live: false"
    ]
    assert with_terminal(session="per_poll", live=False).terminals[0].session == "per_poll"


def test_a_page_for_others_needs_a_token() -> None:
    assert problems(MINIMAL | {"web": {"listen": "0.0.0.0:8099"}}) == [
        "web.token is required when web.listen is not a loopback address"
    ]
    parse(MINIMAL | {"web": {"listen": "0.0.0.0:8099", "token": "x"}})
    parse(MINIMAL | {"web": {"listen": "[::1]:0"}})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", None),
        ("all", None),
        ("7d", datetime(2026, 11, 15, 12, tzinfo=UTC)),
        ("2026-01-01", datetime(2025, 12, 31, 17, tzinfo=UTC)),
    ],
)
def test_backfill(text: str, expected: datetime | None) -> None:
    terminal = with_terminal(backfill=text, timezone="Asia/Bangkok").terminals[0]
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert since(terminal.backfill, now, terminal.timezone) == expected
    assert (terminal.backfill.kind == "since") == (expected is not None)


def test_a_comm_key_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("123456\n")
    assert with_terminal(comm_key_file=str(secret)).terminals[0].comm_key_value() == 123456
    secret.write_text("no number")
    with pytest.raises(ConfigError, match="it holds no number"):
        with_terminal(comm_key_file=str(secret)).terminals[0].comm_key_value()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a list", "must be a mapping"),
        ("mqtt: {host: [}", "is no YAML: line 1"),
        ("mqtt: {host: h}\nlate_after: 2026-13-45", "month must be in 1..12"),
        ("mqtt: \x07", "is no YAML"),
    ],
)
def test_a_file_that_is_no_configuration_is_said_in_a_line(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert said in caught.value.problems[0]
    assert "\n" not in caught.value.problems[0]


def test_a_missing_file_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give the file with -c FILE"):
        load(tmp_path / "nothing.yaml", {})
