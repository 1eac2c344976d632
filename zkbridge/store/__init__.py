"""The store: one SQLite file; producers and publisher meet here and nowhere else."""

from zkbridge.store.errors import StoreDamaged, StoreError, StoreFull
from zkbridge.store.store import ReadOnlyStore, Store, forget_in_file, utc_now
from zkbridge.store.transaction import Transaction
from zkbridge.store.values import (
    Delivery,
    EventFilter,
    Forgotten,
    HourCount,
    Kind,
    KnownTerminal,
    Lane,
    Occurrences,
    OutboxItem,
    Presence,
    StoredEvent,
    UserDay,
)

__all__ = [
    "Delivery",
    "EventFilter",
    "Forgotten",
    "HourCount",
    "Kind",
    "KnownTerminal",
    "Lane",
    "Occurrences",
    "OutboxItem",
    "Presence",
    "ReadOnlyStore",
    "Store",
    "StoreDamaged",
    "StoreError",
    "StoreFull",
    "StoredEvent",
    "Transaction",
    "UserDay",
    "forget_in_file",
    "utc_now",
]
