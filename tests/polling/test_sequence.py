"""Occurrence numbers: contract 4's rule, whole logs and tails alike."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zkbridge.polling.sequence import OperationSequence, PunchSequence

Pair = tuple[str, int]


def numbered(log: Sequence[Pair]) -> list[int | None]:
    sequence = PunchSequence()
    return [sequence.occurrence(person, time) for person, time in log]


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param([("1", 10), ("1", 11), ("2", 11)], [0, 0, 0], id="plain"),
        pytest.param([("1", 10), ("1", 10)], [0, None], id="exact duplicate"),
        pytest.param(
            [("1", 10), ("2", 10), ("1", 10)], [0, 0, None], id="same second, interleaved"
        ),
        pytest.param([("1", 10), ("1", 20), ("1", 10)], [0, 0, 1], id="clock set back"),
        pytest.param([("1", 10), ("2", 5), ("1", 10)], [0, 0, 1], id="back and forward again"),
        pytest.param(
            [("1", 10), ("1", 20), ("1", 10), ("1", 10), ("1", 20), ("1", 10)],
            [0, 0, 1, None, 1, 2],
            id="back twice",
        ),
        pytest.param([("1", 0), ("1", 0), ("2", 0)], [0, None, 0], id="clock stuck at 2000"),
    ],
)
def test_equal_punches_are_told_apart_by_the_clock_going_back(
    log: list[Pair], expected: list[int | None]
) -> None:
    assert numbered(log) == expected


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4)), max_size=40), st.integers(0, 40)
)
def test_a_log_read_in_two_parts_is_numbered_like_one_read_whole(log: list[Pair], cut: int) -> None:
    first = PunchSequence()
    known: dict[Pair, int] = {}
    numbers: list[int | None] = []
    for person, time in log[:cut]:
        number = first.occurrence(person, time)
        numbers.append(number)
        if number is not None:
            known[person, time] = number
    tail = PunchSequence(
        first.run_time, first.run_people, lambda person, time: known.get((person, time))
    )
    for person, time in log[cut:]:
        number = tail.occurrence(person, time)
        numbers.append(number)
        if number is not None:
            known[person, time] = number
    assert numbers == numbered(log)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 4)), max_size=40))
def test_numbers_follow_the_contract_word_for_word(log: list[Pair]) -> None:
    expected: list[int | None] = []
    latest: dict[Pair, tuple[int, int]] = {}
    for position, (person, time) in enumerate(log):
        before = latest.get((person, time))
        if before is None:
            number: int | None = 0
        else:
            at, count = before
            times = [t for _, t in log[at : position + 1]]
            went_back = any(b < a for a, b in pairwise(times))
            number = count + 1 if went_back else None
        expected.append(number)
        latest[person, time] = (position, before[1] if number is None and before else number or 0)
    assert numbered(log) == expected


def test_equal_operations_count_up_in_log_order() -> None:
    whole = OperationSequence()
    assert [whole.occurrence(r) for r in (b"a", b"b", b"a", b"a")] == [0, 0, 1, 2]
    tail = OperationSequence({b"a": 2}.get)
    assert [tail.occurrence(r) for r in (b"b", b"a")] == [0, 3]
