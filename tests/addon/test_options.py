"""The add-on's options and the bridge's configuration, one to one."""

import types
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

from zkbridge.addon import FIELDS, configuration
from zkbridge.config import Backfill, ConfigError, Options, TerminalOptions

ADDON = Path(__file__).parents[2] / "ha_addon"
LANGUAGES = ["en", "es", "pt-BR", "fr", "de"]

# Fields that the add-on sets itself, or that have no use inside it.
NOT_OFFERED = {
    "mqtt.password_file",
    "mqtt.client_id",
    "mqtt.protocol",
    "mqtt.transport",
    "store.path",
    "web.enabled",
    "web.listen",
    "web.token",
    "log.format",
}
TERMINAL_NOT_OFFERED = {"comm_key_file"}


def manifest() -> dict[str, Any]:
    content = yaml.safe_load((ADDON / "config.yaml").read_text())
    assert isinstance(content, dict)
    return content


def inner(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {Union, types.UnionType}:
        return next(filter(None, map(inner, get_args(annotation))), None)
    return None


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        nested = inner(field.annotation)
        if nested is not None and nested is not Backfill:
            # Whether there is such a part at all is a choice of its own.
            if field.annotation is not nested:
                yield prefix + name
            yield from leaves(nested, f"{prefix}{name}.")
        else:
            yield prefix + name


def configured(chosen: dict[str, Any], **environ: str) -> Options:
    return configuration(
        {"mqtt_host": "broker", **chosen}, data_dir=Path("/data"), environ=environ, token="t"
    )


def test_every_option_of_the_schema_sets_exactly_one_field() -> None:
    assert set(manifest()["schema"]) == {*FIELDS, "terminals"}
    assert len(set(FIELDS.values())) == len(FIELDS)


def test_every_field_is_offered_or_named_as_not_offered() -> None:
    offered = {".".join(path) for path in FIELDS.values()}

    assert offered | NOT_OFFERED | {"terminals"} == set(leaves(Options))
    assert not offered & NOT_OFFERED


def test_every_terminal_field_is_offered_or_named_as_not_offered() -> None:
    offered = set(manifest()["schema"]["terminals"][0])

    assert offered | TERMINAL_NOT_OFFERED == set(TerminalOptions.model_fields)
    assert not offered & TERMINAL_NOT_OFFERED


# One value for every option, none of them its default, and what it becomes.
EVERY_VALUE: dict[str, tuple[object, object]] = {
    "mqtt_host": ("10.0.0.1", "10.0.0.1"),
    "mqtt_port": (8883, 8883),
    "mqtt_username": ("u", "u"),
    "mqtt_password": ("0123", "0123"),
    "mqtt_base_topic": ("office", "office"),
    "mqtt_tls_ca_file": ("ca.pem", Path("/ssl/ca.pem")),
    "mqtt_tls_cert_file": ("cert.pem", Path("/ssl/cert.pem")),
    "mqtt_tls_key_file": ("key.pem", Path("/ssl/key.pem")),
    "mqtt_tls_verify": (False, False),
    "discovery": (False, False),
    "discovery_prefix": ("ha", "ha"),
    "status_topic": ("ha/status", "ha/status"),
    "restart_grace": ("5m", timedelta(minutes=5)),
    "late_after": ("90", timedelta(seconds=90)),
    "retention": ("30d", timedelta(days=30)),
    "names": (False, False),
    "photos": (True, True),
    "presence": (True, True),
    "tags": (True, True),
    "include": (["7", "0042"], ("7", "0042")),
    "log_level": ("debug", "debug"),
}


def test_every_option_arrives_in_its_field() -> None:
    chosen = {option: given for option, (given, _) in EVERY_VALUE.items()} | {"mqtt_tls": True}
    assert set(chosen) == set(FIELDS)

    options = configured(chosen)

    for option, (_, expected) in EVERY_VALUE.items():
        value: Any = options
        for name in FIELDS[option]:
            value = getattr(value, name)
        if hasattr(value, "get_secret_value"):
            value = value.get_secret_value()
        assert value == expected, option


def test_every_terminal_option_arrives_in_its_field() -> None:
    given = {
        "name": "Front door",
        "host": "192.0.2.9",
        "comm_key": "1234",
        "port": 4371,
        "id": "front",
        "timezone": "Europe/Madrid",
        "direction": "in",
        "backfill": "7d",
        "transport": "udp",
        "encoding": "gbk",
        "poll_interval": "1m",
        "timeout": "20s",
        "live": False,
        "session": "per_poll",
        "op_log": False,
        "incremental": "off",
    }
    assert set(given) == set(manifest()["schema"]["terminals"][0])

    (terminal,) = configured({"terminals": [given]}).terminals

    assert terminal == TerminalOptions.model_validate(given)
    assert terminal.comm_key.get_secret_value() == "1234"


def test_nothing_but_a_name_and_an_address_is_needed() -> None:
    cleared = dict.fromkeys([option for option in FIELDS if option != "mqtt_host"])
    terminal = {"name": "Front door", "host": "192.0.2.9", "comm_key": "", "timezone": None}

    options = configured({**cleared, "terminals": [terminal]}, TZ="Asia/Bangkok")

    assert options.terminals[0].timezone == "Asia/Bangkok"
    assert options.store.path == Path("/data/zkbridge.db")
    assert options.web.listen == "0.0.0.0:8099"
    assert options.mqtt.tls is None


def test_an_unknown_zone_in_the_environment_is_utc() -> None:
    options = configured({"terminals": [{"name": "A", "host": "h"}]}, TZ="Mars/Olympus")

    assert options.terminals[0].timezone == "UTC"


def test_certificates_without_encryption_are_left_alone() -> None:
    assert configured({"mqtt_tls": False, "mqtt_tls_ca_file": "ca.pem"}).mqtt.tls is None


def test_wrong_options_are_named_as_the_user_knows_them() -> None:
    with pytest.raises(ConfigError) as caught:
        configured({"mqtt_base_topic": "a/#", "late_after": "soon", "terminals": [{"name": "A"}]})

    assert [line.partition(":")[0] for line in caught.value.problems] == [
        "mqtt_base_topic",
        "terminals[0].host",
        "late_after",
    ]


def test_a_mapping_or_list_among_the_options_has_a_default() -> None:
    content = manifest()

    needing = {key for key, kind in content["schema"].items() if isinstance(kind, list | dict)}

    assert set(content["options"]) == needing


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_option_has_a_name_and_a_description(language: str) -> None:
    content = yaml.safe_load((ADDON / "translations" / f"{language}.yaml").read_text())
    texts = content["configuration"]

    assert set(texts) == set(manifest()["schema"])
    assert set(texts["terminals"]["fields"]) == set(manifest()["schema"]["terminals"][0])
    for text in [*texts.values(), *texts["terminals"]["fields"].values()]:
        assert text["name"].strip()
        assert text["description"].strip().endswith(".")


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_a_translation_is_not_a_copy_of_the_english(language: str) -> None:
    english = yaml.safe_load((ADDON / "translations" / "en.yaml").read_text())["configuration"]
    other = yaml.safe_load((ADDON / "translations" / f"{language}.yaml").read_text())

    same = [
        option
        for option, text in other["configuration"].items()
        if text["description"] == english[option]["description"]
    ]

    assert same == []


def test_only_the_wanted_languages_are_there() -> None:
    assert {file.stem for file in (ADDON / "translations").iterdir()} == set(LANGUAGES)
