"""What the publisher is told by whoever builds it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from zkbridge.config import PeopleOptions
from zkbridge.events import TerminalView
from zkbridge.metrics import Metrics
from zkbridge.mqtt.commands import Command
from zkbridge.mqtt.messages import Message
from zkbridge.mqtt.topics import Topics
from zkbridge.people import Direction, Portrait

# Views, what was sent last by topic, and whether Home Assistant has seen that.
Discovery = Callable[[Sequence[TerminalView], Mapping[str, bytes], bool], Sequence[Message]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can change when the configuration is read again, except ``topics``.

    Attributes:
        directions: What a punch means for presence, by terminal id: every configured terminal.
        zones: Where a terminal's day begins, by terminal id.
        late_after_s: Contract 5.9.
        restart_grace_s: Contract 5.8.
    """

    topics: Topics = field(default_factory=Topics)
    directions: Mapping[str, Direction] = field(default_factory=dict)
    zones: Mapping[str, tzinfo] = field(default_factory=dict)
    late_after_s: float = 120.0
    restart_grace_s: float = 90.0
    status_topic: str = "homeassistant/status"
    discovery: bool = True
    people: PeopleOptions = field(default_factory=PeopleOptions)


def _no_discovery(
    _views: Sequence[TerminalView],
    _previous: Mapping[str, bytes],
    _settled: bool,  # noqa: FBT001 - the hook's signature
) -> Sequence[Message]:
    return ()


def _no_portraits() -> Mapping[str, Portrait]:
    return {}


def _keep_no_portrait(_portrait: Portrait) -> None:
    pass


def _ignore_command(_command: Command) -> None:
    pass


def _ignore_failure(_error: Exception) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What the publisher calls, in its own thread; all return quickly and raise nothing.

    Attributes:
        discovery: Makes Home Assistant's discovery messages.
        command: Carries out a command.
        log_level: The level at the moment.
        portraits: Of the last person at each terminal, by terminal id.
        forgotten: Told of a portrait that must not be shown any more.
        failed: Told when the publisher's thread ends by an error.
    """

    discovery: Discovery = _no_discovery
    command: Callable[[Command], None] = _ignore_command
    log_level: Callable[[], str] = lambda: "info"
    portraits: Callable[[], Mapping[str, Portrait]] = _no_portraits
    forgotten: Callable[[Portrait], None] = _keep_no_portrait
    failed: Callable[[Exception], None] = _ignore_failure
    metrics: Metrics = field(default_factory=Metrics)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which bridge this is.

    Attributes:
        instance: Kept in the store; two bridges on one broker differ in it.
        process: This run, as in :class:`zkbridge.events.Freshness`.
    """

    version: str
    instance: str
    process: str
    started_at: datetime
