"""The small file beside the store: keeps a second bridge away, and knows that a store lived here.

A store that was deleted, or replaced by an older copy, looks like a first start; what was noted
here tells them apart (contract 5.4). It holds no person's data.
"""

import fcntl
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from zkbridge.store.errors import StoreError

_MAX_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What was noted of the store.

    Attributes:
        count: Grows with every start and clean stop, here and in the store.
        terminals: Id by key, of all that ever had first contact.
        aside: Name of a damaged file that is being replaced; empty once that is done.
        unreadable: The note was damaged: there was a store, that is all.
    """

    instance: str = ""
    count: int = 0
    terminals: dict[str, str] = field(default_factory=dict)
    aside: str = ""
    unreadable: bool = False


class Sidecar:
    """Held from open to close."""

    def __init__(self, store: Path) -> None:
        self.path = store.with_name(store.name + ".lock")
        self._descriptor: int | None = None

    def acquire(self) -> Life | None:
        """Take the lock and return what was noted; None: no store was ever here.

        Raises:
            StoreError: Another bridge holds it, or the folder cannot be written.
        """
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                f"the store's folder cannot be used: {self.path}: {error.strerror}"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            text = os.pread(descriptor, _MAX_BYTES, 0)
        except BlockingIOError as error:
            os.close(descriptor)
            raise StoreError(
                f"another zkbridge is using this store ({self.path} is locked):"
                " stop it, or set another store.path"
            ) from error
        except OSError as error:
            os.close(descriptor)
            raise StoreError(f"{self.path} cannot be locked: {error.strerror}") from error
        self._descriptor = descriptor
        return _life(text) if text else None

    def write(self, life: Life) -> None:
        """Note the store's life; what fails is noted the next time."""
        if self._descriptor is None:
            return
        text = json.dumps(
            {
                "instance": life.instance,
                "count": life.count,
                "terminals": life.terminals,
                "aside": life.aside,
            }
        ).encode()
        try:
            os.pwrite(self._descriptor, text, 0)
            os.ftruncate(self._descriptor, len(text))
        except OSError:
            # Torn text is read as "there was a store", which is the careful reading.
            return

    def release(self) -> None:
        """Let the next one in; the note stays."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _life(text: bytes) -> Life:
    try:
        content = json.loads(text)
        return Life(
            instance=str(content["instance"]),
            count=int(content["count"]),
            terminals={str(key): str(value) for key, value in content["terminals"].items()},
            aside=str(content.get("aside", "")),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return Life(unreadable=True)
