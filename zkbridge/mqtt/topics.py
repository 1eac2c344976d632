"""Every topic the bridge publishes or subscribes to, as text. Pure."""

import re
from dataclasses import dataclass, field
from typing import Final

from zkbridge.config import ascii_of

_PLAIN_USER = re.compile(r"[A-Za-z0-9_-]+")
BRIDGE_ID: Final = "bridge"


def user_level(user_id: str) -> str:
    """Return a user id as one topic level.

    >>> user_level("0042"), user_level("a/b#")
    ('0042', 'x612f6223')
    """
    if _PLAIN_USER.fullmatch(user_id):
        return user_id
    return "x" + user_id.encode("utf-8", "surrogatepass").hex()


def _object_prefix(base: str) -> str:
    # Home Assistant takes letters, digits, _ and - in the last level of a discovery topic.
    return re.sub(r"[^a-z0-9_-]+", "_", ascii_of(base).lower()).strip("_") or "zkbridge"


@dataclass(frozen=True, slots=True)
class Topics:
    """Topics under one base topic and one discovery prefix.

    Attributes:
        base: First part of every topic of ours.
        discovery_prefix: Where Home Assistant looks for devices.
        object_prefix: What the name of every device starts with.
    """

    base: str = "zkbridge"
    discovery_prefix: str = "homeassistant"
    object_prefix: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "object_prefix", _object_prefix(self.base))

    @property
    def bridge_availability(self) -> str:
        """``online`` or ``offline``, retained; the last will."""
        return f"{self.base}/bridge/availability"

    @property
    def bridge_state(self) -> str:
        """The bridge's own state, retained."""
        return f"{self.base}/bridge/state"

    @property
    def commands(self) -> str:
        """Filter for the commands to every terminal and to the bridge."""
        return f"{self.base}/+/command"

    def availability(self, terminal_id: str) -> str:
        """Whether a terminal is answering, retained."""
        return f"{self.base}/{terminal_id}/availability"

    def state(self, terminal_id: str) -> str:
        """A terminal's state, retained."""
        return f"{self.base}/{terminal_id}/state"

    def punch(self, terminal_id: str, *, late: bool = False) -> str:
        """Punches of one terminal."""
        return f"{self.base}/{terminal_id}/punch{'/late' if late else ''}"

    def oplog(self, terminal_id: str, *, late: bool = False) -> str:
        """Op-log entries of one terminal."""
        return f"{self.base}/{terminal_id}/oplog{'/late' if late else ''}"

    def alarm(self, terminal_id: str) -> str:
        """Realtime alarm and door events of one terminal."""
        return f"{self.base}/{terminal_id}/alarm"

    def tag(self, terminal_id: str) -> str:
        """Home Assistant tags scanned at one terminal."""
        return f"{self.base}/{terminal_id}/tag"

    def portrait(self, terminal_id: str) -> str:
        """JPEG of the last person at one terminal, retained."""
        return f"{self.base}/{terminal_id}/portrait"

    def person(self, user_id: str) -> str:
        """Presence of one person, retained."""
        return f"{self.base}/people/{user_level(user_id)}/state"

    def command(self, terminal_id: str) -> str:
        """Commands to one terminal, or to the bridge with the id ``bridge``."""
        return f"{self.base}/{terminal_id}/command"

    def command_target(self, topic: str) -> str | None:
        """Return whose command topic this is; None where it is no command topic."""
        head, tail = f"{self.base}/", "/command"
        if not topic.startswith(head) or not topic.endswith(tail):
            return None
        target = topic[len(head) : -len(tail)]
        return target if target and "/" not in target else None

    def device_id(self, terminal_id: str) -> str:
        """Home Assistant's identifier of a terminal, or of the bridge with the id ``bridge``."""
        return f"{self.object_prefix}_{terminal_id}"

    def discovery(self, terminal_id: str) -> str:
        """Discovery message of a terminal, or of the bridge with the id ``bridge``, retained."""
        return f"{self.discovery_prefix}/device/{self.device_id(terminal_id)}/config"
