"""Values that options are made of: durations, topics, ids, and how they are written. Pure."""

import re
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")
UNIT_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class ConfigError(Exception):
    """The configuration cannot be used.

    Attributes:
        problems: One line for every wrong field.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def duration(value: object) -> object:
    """Turn ``30``, ``30s``, ``5m``, ``2h`` or ``7d`` into a timedelta.

    >>> duration("5m")
    datetime.timedelta(seconds=300)
    """
    if isinstance(value, bool):
        raise ValueError("a duration is seconds or like 30s, 5m, 2h, 7d")  # noqa: TRY004 - pydantic wants ValueError
    if isinstance(value, int | float) and value >= 0:
        return timedelta(seconds=value)
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if match:
            try:
                return timedelta(seconds=float(match[1]) * UNIT_SECONDS[match[2]])
            except OverflowError as error:
                raise ValueError("this duration is too long") from error
    if isinstance(value, timedelta):
        return value
    raise ValueError("a duration is seconds or like 30s, 5m, 2h, 7d")


Duration = Annotated[timedelta, BeforeValidator(duration)]
Port = Annotated[int, Field(ge=1, le=65535)]


def at_least(seconds: float) -> Any:  # noqa: ANN401 - pydantic's field marker has no public type
    """Lower bound of a duration."""
    return Field(ge=timedelta(seconds=seconds))


def plain_topic(value: str) -> str:
    """Check a topic that others are built from.

    Raises:
        ValueError: It has wildcards, white space, or / at its ends.
    """
    if not value or value != value.strip("/") or any(c in value for c in "#+\0\n\r\t "):
        raise ValueError("a topic without wildcards, white space, or / at its ends is needed")
    return value


def slug(name: str) -> str:
    """Make an id from a name, transliterated.

    >>> slug("Вход / Front door")
    'vkhod_front_door'
    """
    return re.sub(r"[^a-z0-9]+", "_", ascii_of(name).lower()).strip("_")[:32].strip("_")


def ascii_of(text: str) -> str:
    """Transliterate to ASCII.

    >>> ascii_of("Zoë")
    'Zoe'
    """
    if text.isascii():
        return text
    # Imported here: its tables take 2 MB that most configurations do not need.
    from anyascii import anyascii  # noqa: PLC0415 - see above

    return anyascii(text)
