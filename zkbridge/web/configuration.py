"""The bridge's options as the page shows them: as one writes them, and without secrets. Pure."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from pydantic import BaseModel, SecretStr

from zkbridge.config import is_secret

HIDDEN: Final = "•••"
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"))


def shown_configuration(options: BaseModel) -> dict[str, object]:
    """Return a model's values by name, JSON-able; what is secret is only said to be there."""
    return {
        name: HIDDEN if _hidden(name, value) else _shown(value)
        for name, value in options
        if value is not None
    }


def without_secrets(value: object) -> object:
    """Return a copy of JSON-able values that shows nothing named like a secret."""
    if isinstance(value, Mapping):
        return {
            str(key): HIDDEN if _hidden(str(key), inner) else without_secrets(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [without_secrets(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _hidden(name: str, value: object) -> bool:
    return isinstance(value, SecretStr) or (is_secret(name) and value is not None)


def _shown(value: object) -> object:
    if isinstance(value, BaseModel):
        return shown_configuration(value)
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, list | tuple):
        return [_shown(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def _duration(value: timedelta) -> str:
    seconds = value.total_seconds()
    for size, unit in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:g}s"
