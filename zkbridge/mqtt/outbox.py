"""What waits in the store, in memory a little ahead: terminals in turn, each in its order."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from zkbridge.store.values import Lane, OutboxItem

_AHEAD = 64


class PendingEvents(Protocol):
    """What an :class:`Outbox` needs of the store."""

    def pending(
        self, lane: Lane, terminal: int | None, after_seq: int, limit: int
    ) -> list[OutboxItem]:
        """Return events that wait, in order."""
        ...

    def pending_terminals(self) -> Sequence[tuple[int, Lane]]:
        """Return whose queues are not empty."""
        ...


class _Queue:
    """One lane of one terminal."""

    __slots__ = ("after_seq", "items", "more")

    def __init__(self) -> None:
        self.items: deque[OutboxItem] = deque()
        self.after_seq = 0
        self.more = True


class _Turns:
    """One lane: queues by terminal, and whose turn it is."""

    __slots__ = ("order", "queues")

    def __init__(self) -> None:
        self.order: deque[int] = deque()
        self.queues: dict[int, _Queue] = {}


class Outbox:
    """Hands out every pending event once, until :meth:`rewind`.

    Args:
        store: Where they are.
        taken: Whether an event is on its way already, by its place in the order.
    """

    def __init__(self, store: PendingEvents, taken: Callable[[int], bool]) -> None:
        self._store = store
        self._taken = taken
        # By the lane's number: hashing an enumeration's member is slow, and this is the hot path.
        self._lanes = [_Turns() for _ in Lane]

    def refresh(self) -> None:
        """Learn which terminals have news."""
        for number, lane in self._store.pending_terminals():
            turns = self._lanes[lane]
            queue = turns.queues.get(number)
            if queue is None:
                queue = turns.queues[number] = _Queue()
                turns.order.append(number)
            queue.more = True

    def rewind(self) -> None:
        """Hand out everything again that waits and is not on its way."""
        self._lanes = [_Turns() for _ in Lane]
        self.refresh()

    def empty(self, lane: Lane) -> bool:
        """Tell whether nothing is left to hand out in that lane, held events included."""
        return not self._lanes[lane].order

    def next(self, lane: Lane, held: Callable[[OutboxItem], bool] | None) -> OutboxItem | None:
        """Hand out one event, of another terminal than the last time where there is one.

        Args:
            lane: Which queues.
            held: Whether an event has to wait; so do those after it. None: none has to.
        """
        turns = self._lanes[lane]
        order = turns.order
        for _ in range(len(order)):
            number = order[0]
            queue = turns.queues[number]
            if not queue.items and queue.more:
                self._fill(number, lane, queue)
            if not queue.items:
                order.popleft()
                del turns.queues[number]
                continue
            order.rotate(-1)
            if held is None or not held(queue.items[0]):
                return queue.items.popleft()
        return None

    def prefetch(self) -> None:
        """Read ahead for whoever is next, while there is nothing better to do."""
        turns = self._lanes[Lane.NORMAL]
        if turns.order:
            number = turns.order[0]
            queue = turns.queues[number]
            if not queue.items and queue.more:
                self._fill(number, Lane.NORMAL, queue)

    def _fill(self, number: int, lane: Lane, queue: _Queue) -> None:
        # Most of what is still pending may be on its way: read on until there is something.
        while not queue.items and queue.more:
            found = self._store.pending(lane, number, queue.after_seq, _AHEAD)
            queue.more = len(found) == _AHEAD
            if found:
                queue.after_seq = found[-1].seq
            queue.items.extend(item for item in found if not self._taken(item.seq))
