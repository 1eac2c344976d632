"""The setup view's endpoints: configuration without secrets, trying an address, the log."""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from tests.web.house import Answer, House
from zkbridge.config import parse
from zkbridge.web import shown_configuration

SECRETS = {
    "mqtt": {"host": "h", "username": "u", "password": "hunter2"},
    "terminals": [{"name": "A", "host": "10.0.0.9", "comm_key": 70713, "timeout": "90s"}],
    "web": {"token": "tell-nobody"},
}


def try_address(house: House, **body: object) -> Answer:
    """Send what the page's form sends."""
    page = house.ask("/").body.decode()
    found = re.search(r'name="csrf-token" content="([^"]+)"', page)
    assert found is not None
    headers = {
        "X-CSRF-Token": found[1],
        "Origin": f"http://127.0.0.1:{house.server.port}",
        "Content-Type": "application/json",
    }
    return house.ask("/api/terminal-test", "POST", json.dumps(body).encode(), headers)


def test_configuration_is_shown_as_one_writes_it_without_secrets() -> None:
    shown = shown_configuration(parse(SECRETS))

    text = json.dumps(shown)
    assert not [secret for secret in ("hunter2", "70713", "tell-nobody") if secret in text]
    assert shown["late_after"] == "2m"
    assert isinstance(shown["terminals"], list)
    assert shown["terminals"][0]["timeout"] == "90s"


def test_configuration_hides_what_its_giver_forgot(house: House) -> None:
    house.config = SECRETS

    answer = house.ask("/api/configuration")

    assert answer.json["configuration"]["mqtt"]["host"] == "h"
    assert b"hunter2" not in answer.body
    assert b"70713" not in answer.body


def test_no_address_gives_a_secret_away(house: House) -> None:
    house.config = SECRETS
    paths = list(house.ask("/api/openapi.json").json["paths"])

    answers = [house.ask(path).body for path in paths if path != "/api/events"]

    assert len(answers) > 10
    for secret in (b"hunter2", b"70713", b"tell-nobody"):
        assert not [path for path, body in zip(paths, answers, strict=False) if secret in body]


def test_address_that_answers_gives_lines_for_the_configuration(house: House) -> None:
    house.trial = {
        "status": "ok", "serial": "BJ1", "name": "Door: 1", "reads": {"users": True, "faces": "no"}
    }  # fmt: skip

    result = try_address(house, host="192.168.1.201", port=4371, comm_key=70713).json

    assert (result["status"], result["serial"]) == ("ok", "BJ1")
    (entry,) = yaml.safe_load(result["yaml"])
    assert entry == {"name": "Door: 1", "host": "192.168.1.201", "port": 4371, "comm_key": None}
    assert "70713" not in json.dumps(result)
    tried = house.tried[0]
    assert (tried.host, tried.port, tried.comm_key) == ("192.168.1.201", 4371, 70713)
    assert "70713" not in repr(tried)


def test_terminal_of_this_bridge_is_busy(house: House) -> None:
    house.config = {"terminals": [{"name": "Front door", "host": "10.0.0.9", "port": 4370}]}

    result = try_address(house, host="10.0.0.9", port=4370).json

    assert result["status"] == "busy"
    assert "held by this bridge" in result["text"]
    assert not house.tried


@pytest.mark.parametrize(
    "host",
    ["8.8.8.8", "example.invalid", "0.0.0.0", "224.0.0.1", "255.255.255.255", "2001:db8::1",  # noqa: S104 - no binding
     "::ffff:8.8.8.8", "134744072", "", "a" * 300, "10.0.0.1\n"],
)  # fmt: skip
def test_only_private_addresses_are_tried(house: House, host: str) -> None:
    answer = try_address(house, host=host)

    assert answer.status == 400
    assert answer.json["error"].startswith("host")
    assert not house.tried


@pytest.mark.parametrize(
    "body",
    [{"port": 0}, {"port": "4370"}, {"port": True}, {"port": 70000}, {"comm_key": -1},
     {"comm_key": 2**32}, {"comm_key": "1"}, {"transport": "serial"}, {"transport": []}],
)  # fmt: skip
def test_wrong_field_is_named(house: House, body: dict[str, object]) -> None:
    answer = try_address(house, host="10.0.0.1", **body)

    assert answer.status == 400
    assert answer.json["error"].startswith(next(iter(body)))
    assert not house.tried


def test_large_body_is_refused(house: House) -> None:
    assert try_address(house, host="10.0.0.1", x="y" * 10_000).status == 413


@contextmanager
def logger_into(house: House) -> Iterator[logging.Logger]:
    """A logger of its own, so that nothing else is seen."""
    logger = logging.getLogger("zkbridge.tests.web")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(house.log)
    try:
        yield logger
    finally:
        logger.removeHandler(house.log)


def test_log_lines_are_told_from_where_one_left_off(house: House) -> None:
    with logger_into(house) as logger:
        logger.info("first %s", "<b>")
        logger.warning("second")

    lines = house.ask("/api/log").json["lines"]
    newer = house.ask(f"/api/log?after={lines[0]['number']}").json["lines"]

    assert [(line["level"], line["text"]) for line in lines] == [
        ("info", "first <b>"),
        ("warning", "second"),
    ]
    assert [line["text"] for line in newer] == ["second"]


def test_log_is_bounded(house: House) -> None:
    with logger_into(house) as logger:
        for number in range(700):
            logger.info("%d %s", number, "x" * 5000)

    lines = house.ask("/api/log").json["lines"]

    assert len(lines) == 500
    assert max(len(line["text"]) for line in lines) <= 2000
