"""Logging for people (text) and programs (JSON), and what keeps hostile text out of both.

What a terminal sends may hold escape sequences, line breaks or direction overrides; no line
written here carries one as such. The level can be changed while the process runs. Which
moments deserve a line is the callers' business.
"""

import json
import logging
import sys
import unicodedata
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["text", "json"]

LEVELS: Final[tuple[Level, ...]] = ("debug", "info", "warning", "error")

# The joiners shape words in Persian and in Indian scripts and move nothing.
_HARMLESS: Final = frozenset("\u200c\u200d")
_HARMLESS_CATEGORIES: Final = frozenset({"Zs"})
_ESCAPED_BELOW: Final = 0x100
_OWN_LOGGER: Final = "zkbridge"


def printable(text: str) -> str:
    r"""Make every character visible that would otherwise act on a screen or a log.

    Control and escape characters, line breaks, direction overrides, invisible and unassigned
    characters appear as their escape sequences; all else stays.

    >>> printable("Eve\x1b[2J\u202ednuoF")
    'Eve\\x1b[2J\\u202ednuoF'
    """
    if text.isprintable():
        return text
    return "".join(c if _is_harmless(c) else _escape(c) for c in text)


def _is_harmless(character: str) -> bool:
    return (
        character.isprintable()
        or character in _HARMLESS
        or unicodedata.category(character) in _HARMLESS_CATEGORIES
    )


def _escape(character: str) -> str:
    code = ord(character)
    if code < _ESCAPED_BELOW:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - 16 bits


def _moment(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


class TextFormatter(logging.Formatter):
    """One line for an event; the lines of a traceback follow it, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as text, ready for a screen."""
        moment = _moment(record).astimezone().isoformat(sep=" ", timespec="milliseconds")
        logger = record.name.removeprefix(f"{_OWN_LOGGER}.")
        head = f"{moment} {record.levelname:<7} {logger}: "
        lines = [head + printable(record.getMessage())]
        lines += [f"    {printable(line)}" for line in _traceback_lines(self, record)]
        return "\n".join(lines)


class JsonFormatter(logging.Formatter):
    """One JSON object on one line for an event. ASCII only, so that nothing in it can act."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a JSON object."""
        content = {
            "time": _moment(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "message": record.getMessage(),
        }
        traceback = _traceback_lines(self, record)
        if traceback:
            content["exception"] = "\n".join(traceback)
        return json.dumps(content)


def _traceback_lines(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    lines: list[str] = []
    if record.exc_info and record.exc_info[0] is not None:
        lines += formatter.formatException(record.exc_info).splitlines()
    if record.stack_info:
        lines += record.stack_info.splitlines()
    return lines


class _OwnHandler(logging.StreamHandler[TextIO]):
    """The handler that :func:`configure` installs, to be found and replaced by it."""


def configure(level: Level, style: Format = "text", stream: TextIO | None = None) -> None:
    """Send the process's log to a stream; called again, it replaces what it did before.

    Args:
        level: How much of the bridge's own log appears; libraries speak from WARNING on.
        style: For people or for programs.
        stream: Where to; default: standard error.
    """
    handler = _OwnHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each, _OwnHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    set_level(level)


def set_level(level: Level) -> None:
    """Change how much of the bridge's own log appears; any thread, at any time."""
    logging.getLogger(_OWN_LOGGER).setLevel(level.upper())


def current_level() -> Level:
    """Return the level in force."""
    effective = logging.getLogger(_OWN_LOGGER).getEffectiveLevel()
    for level in reversed(LEVELS):
        if effective >= logging.getLevelNamesMapping()[level.upper()]:
            return level
    return LEVELS[0]
