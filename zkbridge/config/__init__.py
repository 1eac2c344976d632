"""Bridge options: frozen pydantic models, read from YAML and the environment."""

from zkbridge.config.loading import ENVIRONMENT_PREFIX, is_secret, load, parse
from zkbridge.config.models import (
    Backfill,
    HomeAssistantOptions,
    LogOptions,
    MqttOptions,
    Options,
    PeopleOptions,
    StoreOptions,
    TerminalOptions,
    TlsOptions,
    WebOptions,
    since,
    terminal_ids,
)
from zkbridge.config.secrets import read_secret
from zkbridge.config.values import ConfigError, ascii_of, duration, slug

__all__ = [
    "ENVIRONMENT_PREFIX",
    "Backfill",
    "ConfigError",
    "HomeAssistantOptions",
    "LogOptions",
    "MqttOptions",
    "Options",
    "PeopleOptions",
    "StoreOptions",
    "TerminalOptions",
    "TlsOptions",
    "WebOptions",
    "ascii_of",
    "duration",
    "is_secret",
    "load",
    "parse",
    "read_secret",
    "since",
    "slug",
    "terminal_ids",
]
