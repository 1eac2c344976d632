"""What of a log is news when a terminal is met for the first time."""

from datetime import UTC, datetime, timedelta

import pytest

from zkbridge.events import Source
from zkbridge.polling.contact import FirstContact

CLOCK = datetime(2026, 11, 22, 12, 0)  # noqa: DTZ001 - a terminal's wall clock
NOW = CLOCK + timedelta(seconds=20)


def source(contact: FirstContact, wall: datetime | None) -> Source | None:
    return contact.source(wall, NOW, lambda: None if wall is None else wall.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("contact", "old"),
    [
        pytest.param(FirstContact(clock=CLOCK), None, id="none"),
        pytest.param(FirstContact(everything=True, clock=CLOCK), Source.BACKFILL, id="all"),
        pytest.param(
            FirstContact(since=datetime(2026, 11, 21, tzinfo=UTC), clock=CLOCK),
            Source.BACKFILL,
            id="since",
        ),
        pytest.param(
            FirstContact(since=datetime(2026, 11, 22, 11, 30, tzinfo=UTC), clock=CLOCK),
            None,
            id="since later",
        ),
    ],
)
def test_what_was_there_before_is_what_backfill_says(
    contact: FirstContact, old: Source | None
) -> None:
    assert source(contact, CLOCK - timedelta(hours=1)) is old


@pytest.mark.parametrize("seconds", [0, 20, 24])
def test_what_happens_while_the_first_read_goes_on_is_news(seconds: int) -> None:
    assert source(FirstContact(clock=CLOCK), CLOCK + timedelta(seconds=seconds)) is Source.POLL


@pytest.mark.parametrize(
    "wall", [pytest.param(None, id="no date"), CLOCK + timedelta(days=365), CLOCK.replace(2000)]
)
def test_dates_that_mean_nothing_make_no_news(wall: datetime | None) -> None:
    assert source(FirstContact(clock=CLOCK), wall) is None


def test_without_a_clock_nothing_counts_as_having_happened_since() -> None:
    assert FirstContact().source(CLOCK, NOW, lambda: None) is None
    assert FirstContact(clock=CLOCK).source(CLOCK, None, lambda: None) is None
