"""What can go wrong with the store; the type says what the caller does about it."""


class StoreError(Exception):
    """The store cannot be used; the text is one line that says what to do."""


class StoreFull(StoreError):
    """Nothing can be written for now: disk full, quota, read-only; the caller keeps and retries."""


class StoreDamaged(StoreError):
    """The file was damaged and has been replaced by a new one.

    What the caller knew of terminals and cursors is void: it asks the store again.
    """
