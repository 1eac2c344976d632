"""How much a poll reads: contract 5.5."""

from zkbridge.polling.schedule import LogSchedule, Reading


def settled(count: int = 10) -> LogSchedule:
    schedule = LogSchedule()
    schedule.finished(0.0, 1.0, count=count, whole=True, new=0)
    return schedule


def test_a_log_never_read_is_read_whole() -> None:
    assert LogSchedule().reading(0, count=10, capacity=100, known=False) is Reading.WHOLE


def test_an_unchanged_count_is_no_news() -> None:
    assert settled().reading(30, count=10, capacity=100, known=True) is Reading.NOTHING


def test_a_changed_count_is_news_in_either_direction() -> None:
    assert settled().reading(30, count=11, capacity=100, known=True) is Reading.TAIL
    assert settled().reading(30, count=9, capacity=100, known=True) is Reading.TAIL


def test_counts_that_cannot_be_trusted_are_not() -> None:
    assert settled(0).reading(30, count=0, capacity=100, known=True) is Reading.TAIL
    assert settled().reading(30, count=None, capacity=100, known=True) is Reading.TAIL
    assert settled(100).reading(30, count=100, capacity=100, known=True) is Reading.TAIL


def test_a_count_that_froze_is_not_trusted_until_it_moves() -> None:
    schedule = settled()
    schedule.finished(60, 0.1, count=10, whole=False, new=1)
    assert schedule.reading(90, count=10, capacity=100, known=True) is Reading.TAIL
    schedule.finished(90, 0.1, count=11, whole=False, new=0)
    assert schedule.reading(120, count=11, capacity=100, known=True) is Reading.NOTHING


def test_the_tail_is_proven_once_an_hour_and_after_every_reconnect() -> None:
    schedule = settled()
    assert schedule.reading(3599, count=10, capacity=100, known=True) is Reading.NOTHING
    assert schedule.reading(3600, count=10, capacity=100, known=True) is Reading.TAIL
    schedule.reconnected()
    assert schedule.reading(1, count=10, capacity=100, known=True) is Reading.TAIL


def test_the_whole_table_is_read_once_a_day_where_that_is_quick() -> None:
    schedule = settled()
    assert schedule.reading(86400, count=10, capacity=100, known=True) is Reading.WHOLE
    schedule.finished(86400, 61.0, count=10, whole=True, new=0)
    assert schedule.reading(2 * 86400, count=10, capacity=100, known=True) is Reading.TAIL


def test_a_bridge_that_found_its_cursor_reads_the_whole_table_a_day_after_its_start() -> None:
    schedule = LogSchedule()
    schedule.finished(5.0, 0.1, count=10, whole=False, new=0)
    assert schedule.reading(86405, count=10, capacity=100, known=True) is Reading.WHOLE


def test_live_events_ask_for_reconciliation() -> None:
    schedule = settled()
    schedule.expect_news = True
    assert schedule.reading(30, count=10, capacity=100, known=True) is Reading.TAIL
    schedule.finished(30, 0.1, count=10, whole=False, new=0)
    assert schedule.reading(60, count=10, capacity=100, known=True) is Reading.NOTHING


def test_without_partial_reads_news_means_the_whole_table() -> None:
    schedule = settled()
    schedule.incremental = False
    assert schedule.reading(30, count=10, capacity=100, known=True) is Reading.NOTHING
    assert schedule.reading(30, count=11, capacity=100, known=True) is Reading.WHOLE
