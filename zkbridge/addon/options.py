"""The add-on's options, as the Supervisor writes them, become the bridge's configuration."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from zkbridge.config import ConfigError, Options, parse
from zkbridge.timezones import zone

_LOGGER = logging.getLogger(__name__)

# Every address inside the container; whoever is not the Supervisor is turned away by the page.
LISTEN: Final = "0.0.0.0:8099"
_MAX_BYTES: Final = 1 << 20

# The add-on's options beside the field of the configuration that each one sets.
FIELDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "mqtt_host": ("mqtt", "host"),
        "mqtt_port": ("mqtt", "port"),
        "mqtt_username": ("mqtt", "username"),
        "mqtt_password": ("mqtt", "password"),
        "mqtt_base_topic": ("mqtt", "base_topic"),
        "mqtt_tls": ("mqtt", "tls"),
        "mqtt_tls_ca_file": ("mqtt", "tls", "ca_file"),
        "mqtt_tls_cert_file": ("mqtt", "tls", "cert_file"),
        "mqtt_tls_key_file": ("mqtt", "tls", "key_file"),
        "mqtt_tls_verify": ("mqtt", "tls", "verify"),
        "discovery": ("home_assistant", "discovery"),
        "discovery_prefix": ("home_assistant", "discovery_prefix"),
        "status_topic": ("home_assistant", "status_topic"),
        "restart_grace": ("home_assistant", "restart_grace"),
        "late_after": ("late_after",),
        "retention": ("store", "retention"),
        "names": ("people", "names"),
        "photos": ("people", "photos"),
        "presence": ("people", "presence"),
        "tags": ("people", "tags"),
        "include": ("people", "include"),
        "log_level": ("log", "level"),
    }
)
_IN_SSL_FOLDER: Final = frozenset({"mqtt_tls_ca_file", "mqtt_tls_cert_file", "mqtt_tls_key_file"})


def configuration(
    chosen: Mapping[str, Any],
    *,
    data_dir: Path,
    environ: Mapping[str, str],
    token: str,
    broker: Mapping[str, Any] | None = None,
    ssl_dir: Path = Path("/ssl"),
) -> Options:
    """Turn the add-on's options into the bridge's.

    Args:
        chosen: What the user set, as the Supervisor writes it.
        data_dir: Where everything is kept.
        environ: ``TZ`` is the zone of terminals that have none of their own.
        token: Of the page. The Supervisor needs none, everybody else does.
        broker: The Supervisor's MQTT service, where the user gave no broker.
        ssl_dir: Where relative names of certificates are looked up.

    Raises:
        ConfigError: With one line for every wrong option, under the add-on's names.
    """
    content: dict[str, Any] = {"mqtt": {**(broker or {})}}
    for option, path in FIELDS.items():
        value = chosen.get(option)
        if (
            value is None
            or value == ""
            or (option.startswith("mqtt_tls_") and not chosen.get("mqtt_tls"))
        ):
            continue
        if option == "mqtt_tls":
            value = {} if value else None
        elif option in _IN_SSL_FOLDER:
            value = str(ssl_dir / str(value))
        _put(content, path, value)
    content["terminals"] = _terminals(chosen.get("terminals"), _host_zone(environ))
    _put(content, ("store", "path"), str(data_dir / "zkbridge.db"))
    content["web"] = {"listen": LISTEN, "token": token}
    try:
        return parse(content, environ)
    except ConfigError as error:
        raise ConfigError([_under_option_name(line) for line in error.problems]) from error


def _put(content: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    *parents, key = path
    for parent in parents:
        content = content.setdefault(parent, {})
    content[key] = value


def _terminals(chosen: object, host_zone: str | None) -> list[object]:
    terminals: list[object] = []
    for terminal in chosen if isinstance(chosen, list) else []:
        if not isinstance(terminal, dict):
            terminals.append(terminal)
            continue
        told = {key: value for key, value in terminal.items() if value is not None and value != ""}
        if host_zone is not None:
            told.setdefault("timezone", host_zone)
        terminals.append(told)
    return terminals


def _host_zone(environ: Mapping[str, str]) -> str | None:
    # Without a zone database of its own the container's clock is UTC whatever TZ says.
    name = environ.get("TZ", "").removeprefix(":")
    if not name:
        return None
    try:
        zone(name)
    except ValueError:
        _LOGGER.warning("unknown time zone %s in TZ; terminals are taken to be in UTC", name)
        return "UTC"
    return name


def _under_option_name(line: str) -> str:
    path, colon, rest = line.partition(":")
    for option, field in FIELDS.items():
        if path == ".".join(field):
            return f"{option}{colon}{rest}"
    return line


def read_options(path: Path) -> dict[str, Any]:
    """Read the file that the Supervisor writes.

    Raises:
        ConfigError: It cannot be read or is no JSON object.
    """
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(_MAX_BYTES))
    except OSError as error:
        raise ConfigError([f"cannot read {path}: {error.strerror}"]) from error
    except ValueError as error:
        raise ConfigError([f"{path} is no JSON"]) from error
    if not isinstance(content, dict):
        raise ConfigError([f"{path} must be a JSON object"])
    return content
