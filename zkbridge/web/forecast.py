"""When a terminal's punch log will be full, at the rate of the last weeks. Pure."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

WINDOW: Final = timedelta(days=28)
_FAR_AWAY: Final = timedelta(days=3650)


def full_on(
    punches: int | None, capacity: int | None, daily: Mapping[date, int], today: date
) -> date | None:
    """Return the day on which the log will be full.

    Args:
        punches: Records in the log now.
        capacity: Records that it can hold.
        daily: Punches of each day that had any, today's not counted.
        today: The terminal's date.

    Returns:
        None where it cannot be told, or lies more than ten years ahead.

    >>> full_on(900, 1000, {date(2026, 3, 1): 10, date(2026, 3, 2): 10}, date(2026, 3, 3))
    datetime.date(2026, 3, 13)
    """
    if punches is None or not capacity:
        return None
    if punches >= capacity:
        return today
    known = {day: count for day, count in daily.items() if today - WINDOW <= day < today}
    if not known:
        return None
    # Days before the first punch seen tell nothing; days without any since then do.
    rate = sum(known.values()) / (today - min(known)).days
    if rate <= 0:
        return None
    left = timedelta(days=int((capacity - punches) / rate))
    return today + left if left <= _FAR_AWAY else None
