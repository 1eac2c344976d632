"""Commands from MQTT: parsed, bounded and limited (contract 5.13). Pure."""

import json
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from zkbridge.mqtt.topics import BRIDGE_ID

MAX_BYTES: Final = 4096
MAX_A_MINUTE: Final = 10
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
_MINUTE_S: Final = 60.0
# Topics are anybody's to choose: what is remembered of them is bounded.
_MAX_TARGETS: Final = 1000


class CommandError(Exception):
    """A command cannot be carried out; the text says why, without quoting the sender."""


@dataclass(frozen=True, slots=True)
class Poll:
    """Ask a terminal for news now."""

    terminal_id: str


@dataclass(frozen=True, slots=True)
class Replay:
    """Publish a terminal's records of a time once more, on the late topics.

    Attributes:
        since: Naive: in the terminal's zone.
        until: Likewise; None: now.
    """

    terminal_id: str
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class SetLogLevel:
    """Change how much is logged, until the next start."""

    level: str


Command = Poll | Replay | SetLogLevel


def parse_command(target: str, payload: bytes) -> Command:
    """Read a command.

    Args:
        target: Terminal id from the topic, or ``bridge``.
        payload: As received.

    Raises:
        CommandError: It is none.
    """
    if len(payload) > MAX_BYTES:
        raise CommandError(f"it is larger than {MAX_BYTES} bytes")
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise CommandError("it is no JSON") from error
    if not isinstance(content, dict):
        raise CommandError("it is no JSON object")
    command = content.get("command")
    if target == BRIDGE_ID:
        if command != "log_level":
            raise CommandError("the bridge knows only log_level")
        level = content.get("level")
        if level not in LOG_LEVELS:
            raise CommandError(f"level must be one of {', '.join(LOG_LEVELS)}")
        return SetLogLevel(str(level))
    if command == "poll":
        return Poll(target)
    if command == "replay":
        return _replay(target, content)
    raise CommandError("a terminal knows only poll and replay")


def _replay(target: str, content: dict[str, object]) -> Replay:
    since = _moment(content.get("from"), "from")
    until = _moment(content.get("to"), "to")
    if since is None:
        raise CommandError("replay needs from")
    if until is not None and _comparable(since, until) and until <= since:
        raise CommandError("to must be after from")
    return Replay(target, since, until)


def _comparable(since: datetime, until: datetime) -> bool:
    return (since.tzinfo is None) == (until.tzinfo is None)


def _moment(value: object, name: str) -> datetime | None:
    if value is None:
        return None
    try:
        return datetime.fromisoformat(value)  # type: ignore[arg-type]  # anything else raises
    except (TypeError, ValueError) as error:
        raise CommandError(f"{name} must be ISO 8601") from error


class RateLimit:
    """At most so many commands a minute to one target; says only once that it was exceeded."""

    def __init__(self) -> None:
        self._taken: dict[str, deque[float]] = {}
        self._said: set[str] = set()

    def take(self, target: str, now_s: float) -> bool:
        """Count a command; tell whether it may be carried out.

        Args:
            target: Whose command it is.
            now_s: Monotonic clock.
        """
        if target not in self._taken and len(self._taken) >= _MAX_TARGETS:
            self._taken.clear()
            self._said.clear()
        taken = self._taken.setdefault(target, deque())
        while taken and now_s - taken[0] >= _MINUTE_S:
            taken.popleft()
        if len(taken) >= MAX_A_MINUTE:
            return False
        taken.append(now_s)
        self._said.discard(target)
        return True

    def first_refusal(self, target: str) -> bool:
        """Tell whether a refusal has not been said since the last command was carried out."""
        if target in self._said:
            return False
        self._said.add(target)
        return True
