"""Which record of a log is which: occurrence numbers, in log order. Pure.

Contract 4: a punch's occurrence says how often, between equal earlier records of the log, the
terminal's clock went back. Log order is the order of writing, so a clock that leaves a second
and comes back to it has gone back once; equal records inside one unbroken run of a second are
one punch. That makes runs of equal time all there is to know.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from hashlib import blake2b

Earlier = Callable[[str, int], int | None]


class PunchSequence:
    """Numbers the punches of one log, record by record.

    Args:
        run_time: Packed time of the last known record; None at the start of a log.
        run_people: Pseudonyms of the users seen in the run of records that have this time.
        earlier: For a tail: highest occurrence already known of a user key and packed time.
            Without it, the log is read from its start and speaks for itself.
    """

    def __init__(
        self,
        run_time: int | None = None,
        run_people: Iterable[str] = (),
        earlier: Earlier | None = None,
    ) -> None:
        self.run_time = run_time
        self.run_people = set(run_people)
        self._earlier = earlier or _WholeLog()

    def occurrence(self, person: str, raw_time: int) -> int | None:
        """Number the next record.

        Args:
            person: User key.
            raw_time: Packed time.

        Returns:
            Its occurrence, or None when it is the same punch as a record just before it.
        """
        alias = pseudonym(person)
        if raw_time != self.run_time:
            self.run_time = raw_time
            self.run_people.clear()
        elif alias in self.run_people:
            return None
        before = self._earlier(person, raw_time)
        self.run_people.add(alias)
        return 0 if before is None else before + 1


def pseudonym(person: str) -> str:
    """Stand-in for a user key in what is kept of a cursor, so that no id is stored there."""
    return blake2b(person.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


class _WholeLog:
    """Remembers a log while it is read from its start, in 12 bytes a record.

    While the clock only goes forward, no pair can have been seen before; the index that answers
    the question is built when the clock first goes back.
    """

    def __init__(self) -> None:
        self._newest = -1
        self._pairs = array("q")
        self._index: Counter[int] | None = None

    def __call__(self, person: str, raw_time: int) -> int | None:
        pair = hash((person, raw_time))
        if self._index is None and raw_time < self._newest:
            self._index = Counter(self._pairs)
            self._pairs = array("q")
        self._newest = max(self._newest, raw_time)
        if self._index is None:
            self._pairs.append(pair)
            return None
        seen = self._index[pair]
        self._index[pair] = seen + 1
        return seen - 1 if seen else None


class OperationSequence:
    """Numbers the entries of an operation log: equal ones count up in log order.

    Args:
        earlier: For a tail: highest occurrence already known of an entry.
    """

    def __init__(self, earlier: Callable[[bytes], int | None] | None = None) -> None:
        self._earlier = earlier
        self._counts: Counter[int] = Counter()

    def occurrence(self, record: bytes) -> int:
        """Number the next entry, given without its padding byte."""
        if self._earlier is not None:
            before = self._earlier(record)
            return 0 if before is None else before + 1
        key = hash(record)
        self._counts[key] += 1
        return self._counts[key] - 1
