"""What of a person goes out: names, tags, portraits, presence. Pure."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final, Literal

from zkbridge.config import PeopleOptions
from zkbridge.events import Punch

Direction = Literal["state", "in", "out"]


class PunchCode(IntEnum):
    """The terminal's number of the key pressed. Source: contract 4."""

    CHECK_IN = 0
    CHECK_OUT = 1
    BREAK_OUT = 2
    BREAK_IN = 3
    OVERTIME_IN = 4
    OVERTIME_OUT = 5


class Whereabouts(StrEnum):
    """Presence as Home Assistant's device trackers know it."""

    HOME = "home"
    NOT_HOME = "not_home"


_ARRIVING: Final = frozenset({PunchCode.CHECK_IN, PunchCode.BREAK_IN, PunchCode.OVERTIME_IN})
_LEAVING: Final = frozenset({PunchCode.CHECK_OUT, PunchCode.BREAK_OUT, PunchCode.OVERTIME_OUT})


def whereabouts(punch_code: int, direction: Direction) -> Whereabouts | None:
    """Return what a punch says about where its person is now (contract 5.16).

    >>> whereabouts(0, "state"), whereabouts(0, "out"), whereabouts(255, "state")
    (<Whereabouts.HOME: 'home'>, <Whereabouts.NOT_HOME: 'not_home'>, None)
    """
    if direction != "state":
        return Whereabouts.HOME if direction == "in" else Whereabouts.NOT_HOME
    if punch_code in _ARRIVING:
        return Whereabouts.HOME
    return Whereabouts.NOT_HOME if punch_code in _LEAVING else None


@dataclass(frozen=True, slots=True)
class Movement:
    """One person's latest move.

    Attributes:
        at: By the punch's own timestamp, UTC.
    """

    user_id: str
    where: Whereabouts
    at: datetime


@dataclass(frozen=True, slots=True)
class Privacy:
    """The configured choices, applied in one place.

    Attributes:
        options: As configured.
    """

    options: PeopleOptions

    def concerns(self, user_id: str | None) -> bool:
        """Whether names, photos, presence and tags are for this person at all."""
        return bool(user_id) and (not self.options.include or user_id in self.options.include)

    def shows_name(self, user_id: str | None) -> bool:
        """Whether this person's name may leave the process."""
        return self.options.names and self.concerns(user_id)

    def scans_tag(self, user_id: str | None) -> bool:
        """Whether a fresh punch of this person also scans a tag."""
        return self.options.tags and self.concerns(user_id)

    def shows_photo(self, user_id: str | None) -> bool:
        """Whether this person's portrait may leave the process."""
        return self.options.photos and self.concerns(user_id)

    def tracks(self, user_id: str | None) -> bool:
        """Whether this person has a presence."""
        return self.options.presence and self.concerns(user_id)

    def public(self, punch: Punch) -> Punch:
        """Return the punch as it may go out now, whatever was allowed when it was stored."""
        if punch.user_name is None or self.shows_name(punch.user_id):
            return punch
        return replace(punch, user_name=None)

    def movement(self, punch: Punch, direction: Direction) -> Movement | None:
        """Return the move that a punch means; None: it changes nobody's presence.

        A terminal whose clock is ahead must not silence what follows: no move is later than
        the moment it was seen.
        """
        if not self.tracks(punch.user_id) or punch.occurred_at is None:
            return None
        where = whereabouts(punch.punch_code, direction)
        if where is None:
            return None
        return Movement(punch.user_id, where, min(punch.occurred_at, punch.seen_at))


@dataclass(frozen=True, slots=True)
class Portrait:
    """A person's picture as the terminal has it.

    Attributes:
        jpeg: The picture; never in a repr.
    """

    user_id: str
    jpeg: bytes = field(repr=False)
