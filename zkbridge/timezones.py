"""A terminal's wall clock to UTC and back. The only user of ``zoneinfo``.

Terminals store local time without an offset (protocol.md 2.4). The doubled hour and the
missing hour are resolved as contract 4 says.
"""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone(name: str | None) -> tzinfo:
    """Return the zone of that IANA name; without a name, the host's.

    Raises:
        ValueError: No such zone.
    """
    if name is None:
        return _HostZone()
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"unknown time zone {name!r}") from error


class _HostZone(tzinfo):
    """The host's zone with its daylight saving rules, which ``astimezone`` knows."""

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        return None if dt is None else dt.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, dt: datetime | None) -> timedelta | None:  # noqa: ARG002 - tzinfo's signature
        return None

    def tzname(self, dt: datetime | None) -> str | None:
        return None if dt is None else dt.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, dt: datetime) -> datetime:
        # An aware value cannot take the default path, which needs dst().
        local = dt.replace(tzinfo=UTC).astimezone()
        return local.replace(tzinfo=self)


def to_utc(
    wall: datetime, local: tzinfo, *, occurrence: int = 0, nearest: datetime | None = None
) -> datetime:
    """Place a naive wall-clock time on the time line.

    Args:
        wall: Naive time as the terminal stored it.
        local: The terminal's zone.
        occurrence: 0 for the first pass through a doubled hour, more for the second.
        nearest: Now, for a punch seen live: of a doubled hour, the reading closest to it.

    Returns:
        Aware UTC. A time in the missing hour is read with the offset before it.
    """
    first = wall.replace(tzinfo=local, fold=0).astimezone(UTC)
    second = wall.replace(tzinfo=local, fold=1).astimezone(UTC)
    if second <= first:
        # Not ambiguous, or in the missing hour, where fold=0 has the offset before the gap.
        return first
    if nearest is not None:
        return min(first, second, key=lambda moment: abs(moment - nearest))
    return second if occurrence else first


def iso_local(moment: datetime, wall: datetime) -> str:
    """Format a moment as the terminal's wall clock with its offset.

    Args:
        moment: Aware UTC, from :func:`to_utc` of ``wall``.
        wall: What the terminal stored; kept even where its zone has no such time.
    """
    offset = wall.replace(tzinfo=UTC) - moment
    return wall.replace(tzinfo=timezone(offset)).isoformat()
