"""What a committed body changes in memory."""

from collections import Counter
from dataclasses import dataclass, field

from zkbridge.store.values import KnownTerminal, Lane


@dataclass(slots=True)
class Effects:
    """Collected while a body runs, applied once it is committed.

    Attributes:
        pending: Change of the number of pending events per terminal and lane.
        refused: Change of the number of refused events.
        punches: Terminals whose stored punches are others now.
        terminals: Terminals as they are now.
        topics: Retained topics noted, and whether they are to be cleared.
        topics_gone: Retained topics no longer noted.
        newest_seen_us: Newest ``seen_at`` written.
        highest_seq: Last event stored.
    """

    pending: Counter[tuple[int, Lane]] = field(default_factory=Counter)
    refused: int = 0
    punches: set[int] = field(default_factory=set)
    terminals: dict[int, KnownTerminal] = field(default_factory=dict)
    topics: dict[str, bool] = field(default_factory=dict)
    topics_gone: set[str] = field(default_factory=set)
    newest_seen_us: int = 0
    highest_seq: int = 0
