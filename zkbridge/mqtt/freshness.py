"""Fresh or late: decided anew at each sending, and doubt is late (contract 5.9). Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from zkbridge.events import Freshness

EARLIEST_AGE_S: Final = -5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """The clocks at one sending.

    Attributes:
        mono_s: Monotonic clock of this process.
        process: Identifies this run of the bridge.
        now: The host's clock, UTC.
        newest_seen_at: Of everything stored; a host clock behind it is wrong.
    """

    mono_s: float
    process: str
    now: datetime
    newest_seen_at: datetime | None = None


def waiting_s(freshness: Freshness, seen_at: datetime, clocks: Clocks) -> float | None:
    """Return how long an event has been waiting since it was seen; None: nobody knows."""
    if freshness.process == clocks.process:
        waited = clocks.mono_s - freshness.seen_mono_s
    elif clocks.newest_seen_at is not None and clocks.now < clocks.newest_seen_at:
        return None
    else:
        waited = (clocks.now - seen_at).total_seconds()
    return waited if waited >= 0 else None


def is_fresh(
    freshness: Freshness, seen_at: datetime, clocks: Clocks, *, late_after_s: float
) -> bool:
    """Tell whether an event may still set something off.

    Args:
        freshness: What was known when it was seen.
        seen_at: When that was, by the host's clock.
        clocks: The clocks now.
        late_after_s: The configured limit, in seconds.
    """
    if freshness.age_s is None or not EARLIEST_AGE_S <= freshness.age_s <= late_after_s:
        return False
    waited = waiting_s(freshness, seen_at, clocks)
    return waited is not None and max(freshness.age_s, 0.0) + waited <= late_after_s
