"""Query parameters of the HTTP API → values, with a line for people where they are wrong. Pure."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from zkbridge.store import EventFilter

DEFAULT_LIMIT: Final = 100
LARGEST_LIMIT: Final = 1000
_LONGEST: Final = 128
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class BadParameter(Exception):
    """A parameter that cannot be used; the text is for people."""


def moment(name: str, text: str | None, *, end: bool = False) -> datetime | None:
    """Read a day or a moment.

    Args:
        name: The parameter, for the message.
        text: ISO 8601; without an offset in the zone of the bridge's host.
        end: A day means the end of that day.

    Raises:
        BadParameter: It is neither.
    """
    if not text:
        return None
    try:
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
            return datetime.combine(day, time.min).astimezone(UTC)
        # A "+" that was not encoded arrives as a space.
        return datetime.fromisoformat(text.replace(" ", "+")).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise BadParameter(f"{name}: a day like 2026-03-31 or a moment in ISO 8601") from error


def day(name: str, text: str | None) -> date | None:
    """Read a day.

    Raises:
        BadParameter: It is none.
    """
    if not text:
        return None
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise BadParameter(f"{name}: a day like 2026-03-31")


def number(name: str, text: str | None, default: int, largest: int) -> int:
    """Read a whole number from 1.

    Raises:
        BadParameter: It is none, or too large.
    """
    if not text:
        return default
    if text.isascii() and text.isdigit() and len(text) <= len(str(largest)):
        value = int(text)
        if 1 <= value <= largest:
            return value
    raise BadParameter(f"{name}: a number from 1 to {largest}")


def position(name: str, text: str | None) -> int:
    """Read a number from 0; absent: 0.

    Raises:
        BadParameter: It is none.
    """
    if not text:
        return 0
    if text.isascii() and text.isdigit() and len(text) <= 18:  # noqa: PLR2004 - below 2**63
        return int(text)
    raise BadParameter(f"{name}: a number from 0")


def cursor(text: str | None) -> int | None:
    """Read where the page before ended.

    Raises:
        BadParameter: It does not come from an answer's ``next``.
    """
    return position("before", text) if text else None


def event_filter(query: Mapping[str, str]) -> EventFilter:
    """Read from, to, terminal and user.

    Raises:
        BadParameter: One of them cannot be used.
    """
    for name in ("terminal", "user"):
        if len(query.get(name, "")) > _LONGEST:
            raise BadParameter(f"{name}: longer than any there is")
    return EventFilter(
        since=moment("from", query.get("from")),
        until=moment("to", query.get("to"), end=True),
        terminal=query.get("terminal") or None,
        user_id=query.get("user") or None,
    )
