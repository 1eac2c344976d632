"""No question is answered by reading a table through: it would take seconds with a million rows."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.store.making import MONDAY, FakeClock, punch, store_punches
from zkbridge.store import Lane, Store, connections

_DAY = date(2026, 3, 2)
_LATER = MONDAY + timedelta(days=1)

_QUESTIONS: dict[str, Callable[[Store], object]] = {
    "page": lambda s: s.query(),
    "page in range": lambda s: s.query(since=MONDAY, until=_LATER, before_seq=3),
    "page of a terminal": lambda s: s.query(terminal="front_door", since=MONDAY, before_seq=3),
    "page of a person": lambda s: s.query(user_id="17", since=MONDAY, until=_LATER, before_seq=3),
    "page of both": lambda s: s.query(user_id="17", terminal="front_door", before_seq=3),
    "export": lambda s: list(s.stream(since=MONDAY)),
    "after": lambda s: s.after(2, 10),
    "after, any kind": lambda s: s.after(2, 10, None),
    "newest": lambda s: s.last_seq(),
    "refused": lambda s: s.refused(),
    "punch of a moment": lambda s: s.punch_at("front_door", MONDAY),
    "last punches": lambda s: s.last_punches(),
    "hours": lambda s: s.hour_counts(_DAY, _DAY),
    "days": lambda s: s.day_counts(_DAY, _DAY),
    "days of a terminal": lambda s: s.day_counts(_DAY, _DAY, "front_door"),
    "one terminal's day": lambda s: s.day_count("front_door", _DAY),
    "everyone's day": lambda s: s.user_days(_DAY, _DAY),
    "one's days": lambda s: s.user_days(_DAY, _DAY, user_id="17"),
    "pending": lambda s: s.pending(Lane.NORMAL, 1, 2, 20),
    "oldest pending": lambda s: s.oldest_pending(),
    "undecodable": lambda s: s.undecodable_count(1),
    "mark": lambda s: s.mark([1], refused=[2], published_offline=[1]),
    "published offline": lambda s: s.take_published_offline(MONDAY),
    "requeue": lambda s: s.requeue(1, MONDAY, _LATER),
    "store a punch": lambda s: store_punches(s, punch(77)),
    "store a known punch": lambda s: store_punches(s, punch(3)),
    "forget": lambda s: s.forget_user("17"),
}
# Some hundred rows at most.
_SMALL = ("meta", "terminals", "topics", "presence", "views", "undecodable", "sqlite_master")


@contextmanager
def _watched(statements: list[str]) -> Iterator[None]:
    """Have every connection opened inside note what it runs."""
    original = connections._connect

    def connect(uri: str, cache_kib: int) -> sqlite3.Connection:
        connection = original(uri, cache_kib)
        connection.set_trace_callback(statements.append)
        return connection

    connections._connect = connect
    try:
        yield
    finally:
        connections._connect = original


def _bad_steps(path: Path, statements: list[str]) -> list[str]:
    connection = sqlite3.connect(path)
    steps = []
    for sql in dict.fromkeys(statements):
        if not sql.lstrip().startswith(("SELECT", "UPDATE", "DELETE", "INSERT", "WITH")):
            continue
        for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {sql}"):
            small = any(f"SCAN {table}" in step for table in _SMALL)
            # Holds nothing but what the broker refused.
            small |= step.startswith("SCAN events USING") and step.endswith(" refused")
            if (step.startswith("SCAN") and not small) or "TEMP B-TREE" in step:
                steps.append(f"{step}: {sql}")
    connection.close()
    return steps


@pytest.mark.parametrize("question", _QUESTIONS)
def test_an_index_answers(path: Path, clock: FakeClock, question: str) -> None:
    with Store(path, clock=clock) as store:
        store_punches(store, *[punch(n) for n in range(20)])
        store.mark([10])
    statements: list[str] = []
    store = Store(path, clock=clock)
    with _watched(statements):
        store.open()
        statements.clear()
        _QUESTIONS[question](store)
        asked = list(statements)
        store.close()
    assert asked
    assert _bad_steps(path, asked) == []


def test_opening_reads_no_history(path: Path, clock: FakeClock) -> None:
    with Store(path, clock=clock) as store:
        store_punches(store, *[punch(n) for n in range(20)])
    statements: list[str] = []
    with _watched(statements):
        store = Store(path, clock=clock)
        store.open()
        opened = list(statements)
        store.close()
    bounded = [step for step in _bad_steps(path, opened) if "LIMIT 1000" not in step]
    # The queue's size is counted over the index of what waits, which has nothing else in it.
    assert all("INDEX pending" in step or "INDEX refused" in step for step in bounded)
    assert opened != []
