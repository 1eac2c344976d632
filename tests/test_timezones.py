"""The doubled and the missing hour, and zones that do not exist."""

import time
from datetime import UTC, datetime

import pytest

from zkbridge.timezones import iso_local, to_utc, zone

BERLIN = zone("Europe/Berlin")
DOUBLED = datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001 - a terminal's wall clock
MISSING = datetime(2026, 3, 29, 2, 30)  # noqa: DTZ001
FIRST = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
SECOND = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def test_the_doubled_hour_is_resolved_by_occurrence() -> None:
    assert to_utc(DOUBLED, BERLIN) == FIRST
    assert to_utc(DOUBLED, BERLIN, occurrence=1) == SECOND


def test_the_doubled_hour_seen_live_is_the_reading_nearest_to_now() -> None:
    assert to_utc(DOUBLED, BERLIN, nearest=SECOND.replace(minute=31)) == SECOND
    assert to_utc(DOUBLED, BERLIN, nearest=FIRST.replace(minute=29)) == FIRST


def test_the_missing_hour_takes_the_offset_before_it() -> None:
    moment = to_utc(MISSING, BERLIN)
    assert moment == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert iso_local(moment, MISSING) == "2026-03-29T02:30:00+01:00"


def test_text_carries_the_offset_of_its_own_season() -> None:
    wall = datetime(2026, 7, 1, 8, 0)  # noqa: DTZ001
    assert iso_local(to_utc(wall, BERLIN), wall) == "2026-07-01T08:00:00+02:00"
    assert iso_local(to_utc(DOUBLED, BERLIN, occurrence=1), DOUBLED) == "2026-10-25T02:30:00+01:00"


def test_without_a_name_the_hosts_zone_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        local = zone(None)
        assert to_utc(DOUBLED, local) == FIRST
        assert to_utc(DOUBLED, local, occurrence=1) == SECOND
        assert to_utc(MISSING, local) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
        assert FIRST.astimezone(local).replace(tzinfo=None) == DOUBLED
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "", "Europe"])
def test_an_unknown_zone_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        zone(name)
