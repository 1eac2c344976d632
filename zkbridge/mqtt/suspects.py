"""Which message makes the broker close the connection (contract 5.11). Pure.

A broker that cannot stand a message closes the connection instead of answering, and the same
message would be sent first on the next one, for ever. After a closure, what was on its way goes
out one by one, so that it shows on which message the broker closes. Only then is it counted: a
broker that is killed or a network that fails must not cost a message.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Final

CLOSURES: Final = 3
# A row of acknowledgements that ends the suspicion, should a suspect never be sent again.
_PATIENCE: Final = 100
# Reasons for a broker's DISCONNECT that say nothing about a message.
# Source: MQTT 5.0 section 3.14.2.1.
_UNRELATED: Final = frozenset(
    {0x00, 0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x93, 0x96, 0x97, 0x98, 0x9C, 0x9D, 0x9F, 0xA0}
)


class Suspects:
    """What was on its way when the connection was closed."""

    def __init__(self) -> None:
        self._suspects: set[Hashable] = set()
        self._closures: Counter[Hashable] = Counter()
        self._patience = 0

    @property
    def alone(self) -> bool:
        """Whether messages have to go out one by one for now."""
        return bool(self._suspects)

    def closed(
        self, unacknowledged: Sequence[Hashable], *, code: int | None, answered: bool
    ) -> Hashable | None:
        """Note a closure; return the message that is to be set aside, if it is clear by now.

        Args:
            unacknowledged: What was on its way.
            code: Of the broker's DISCONNECT, if it sent one.
            answered: The broker had answered anything else on this connection.
        """
        if code in _UNRELATED:
            return None
        self._suspects.update(unacknowledged)
        self._patience = _PATIENCE
        if len(unacknowledged) != 1 or not answered:
            return None
        (only,) = unacknowledged
        self._closures[only] += 1
        if self._closures[only] < CLOSURES:
            return None
        self.cleared(only)
        return only

    def cleared(self, key: Hashable) -> None:
        """Note that the broker answered a message, or that it will not be sent again."""
        if not self._suspects and not self._closures:
            return
        self._suspects.discard(key)
        self._closures.pop(key, None)
        self._patience -= 1
        if self._patience <= 0:
            self._suspects.clear()
