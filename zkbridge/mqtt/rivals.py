"""Other bridges under our base topic, recognised by what they say there (contract 5.15)."""

import json
import logging
from collections.abc import Callable
from typing import Final

from zkbridge.mqtt.messages import utc_text
from zkbridge.mqtt.settings import Identity

_LOGGER = logging.getLogger(__name__)

_SAY_EVERY_S: Final = 3600.0
_LONGEST_INSTANCE: Final = 64


class Rivals:
    """Remembers who else spoke; owned by the publisher's thread."""

    def __init__(self, identity: Identity, *, monotonic: Callable[[], float]) -> None:
        self._identity = identity
        self._monotonic = monotonic
        self._said_at: dict[str, float] = {}

    @property
    def newest(self) -> str | None:
        """Instance of the one heard last; None: we are alone."""
        return next(reversed(self._said_at), None)

    def overheard(self, payload: bytes, base: str, *, retained: bool) -> bool:
        """Take what appeared on the bridge's state topic; tell whether that is somebody new.

        A retained message may be what an earlier life of this bridge left there.
        """
        other = _speaker(payload)
        ours = (self._identity.instance, utc_text(self._identity.started_at))
        if retained or other is None or other == ours:
            return False
        instance, now = other[0], self._monotonic()
        said_at = self._said_at.get(instance)
        if said_at is not None and now - said_at < _SAY_EVERY_S:
            return False
        self._said_at.pop(instance, None)
        self._said_at[instance] = now
        _LOGGER.error(
            "another zkbridge (instance %s) publishes under %r as well:"
            " give one of them another mqtt.base_topic, or stop it",
            instance,
            base,
        )
        return said_at is None


def _speaker(payload: bytes) -> tuple[str, str] | None:
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    instance, started_at = content.get("instance"), content.get("started_at")
    if not isinstance(instance, str) or not instance.isalnum():
        return None
    return (instance, str(started_at)) if len(instance) <= _LONGEST_INSTANCE else None
