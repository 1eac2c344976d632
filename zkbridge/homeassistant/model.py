"""What an entity is made of: the words that the catalogue is written in. Data only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from zkbridge.config import PeopleOptions
from zkbridge.events import TerminalView


class Place(Enum):
    """A topic that an entity uses; for the bridge's device, the bridge's own."""

    AVAILABILITY = "availability"
    STATE = "state"
    COMMAND = "command"
    PUNCH = "punch"
    PUNCH_LATE = "punch_late"
    OPLOG = "oplog"
    ALARM = "alarm"
    TAG = "tag"
    PORTRAIT = "portrait"


class Availability(Enum):
    """Whose being away makes an entity unavailable.

    Entities that automations watch have none: one that goes unavailable and comes back fires
    plain state triggers.
    """

    NEVER = "never"
    BRIDGE = "bridge"
    BRIDGE_AND_TERMINAL = "bridge_and_terminal"


class Stays(Enum):
    """Until when an announced entity stays although ``exists`` says no.

    Taking one back loses what its user made of it: name, area, history's thread.
    """

    NO_LONGER = "no longer"
    UNTIL_READ = "until the terminal was read"
    FOR_EVER = "for ever"


class Category(StrEnum):
    """Where the device page shows an entity that is not a main one."""

    DIAGNOSTIC = "diagnostic"
    CONFIG = "config"


def always(view: TerminalView, people: PeopleOptions) -> bool:  # noqa: ARG001 - one signature for all
    """Tell that an entity exists for every terminal."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One entity, or one trigger, of a device.

    Attributes:
        key: Last part of ``unique_id`` and name of the component; for ever.
        platform: Home Assistant's.
        name: The short part only; None for what has no name of its own (triggers, tags).
        topics: Which of the platform's topic keys use which topic.
        keys: The platform's other keys, as they are sent.
        exists: Whether a terminal has it.
        stays: Until when it stays once it was announced.
    """

    key: str
    platform: str
    topics: Mapping[str, Place]
    name: str | None = None
    icon: str | None = None
    device_class: str | None = None
    category: Category | None = None
    enabled: bool = True
    availability: Availability = Availability.NEVER
    keys: Mapping[str, object] = field(default_factory=dict)
    exists: Callable[[TerminalView, PeopleOptions], bool] = always
    stays: Stays = Stays.NO_LONGER

    @property
    def registered(self) -> bool:
        """Whether it is an entity with an id; triggers and tags are not."""
        return self.platform not in {"device_automation", "tag"}
