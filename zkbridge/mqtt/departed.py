"""What was taken back while Home Assistant may not have listened, to be taken back once more.

Home Assistant ignores the removal of something that it does not know yet, and after a restart it
knows what its registry has only when that was announced again: an entity or a device taken back
meanwhile would linger as restored for ever. So after its birth it is shown what is gone in full
once more, and then its removal. Neither is retained: what the broker keeps stays as it is.
Source: homeassistant.md; seen in Home Assistant 2026.11.0.
"""

import json
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from zkbridge.mqtt.messages import Message, json_bytes
from zkbridge.store import Store, StoreError

_LOGGER = logging.getLogger(__name__)

_NOTE: Final = "taken_back"
# A Home Assistant that stays away longer is not coming back to this broker.
_KEEP: Final = timedelta(days=30)
_PLATFORM: Final = "platform"
_COMPONENTS: Final = "components"


class Departed:
    """Devices and components that are gone, with what they were announced as.

    Nobody's name is kept; whose tracker is gone shows in its topic until it was handled.
    """

    def __init__(self, store: Store, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._gone: dict[str, dict[str, Any]] = {}
        self._saved = ""

    def load(self) -> None:
        """Read what earlier runs left.

        Raises:
            StoreError: The store cannot be read.
        """
        self._saved = self._store.noted(_NOTE) or ""
        self._gone = _parsed(self._saved, self._clock() - _KEEP)

    def note(self, topic: str, before: bytes, after: bytes) -> None:
        """Compare what a discovery topic said with what it is going to say."""
        content, kept = _content(before), _components(_content(after))
        gone = {
            key: {name: value for name, value in component.items() if name != "name"}
            for key, component in _components(content).items()
            if key not in kept
        }
        if gone:
            earlier = self._gone.get(topic, {}).get("payload", {}).get(_COMPONENTS, {})
            self._gone[topic] = {
                "at": self._clock().astimezone(UTC).isoformat(),
                "payload": {**content, _COMPONENTS: {**earlier, **gone}},
            }

    def save(self) -> None:
        """Keep it for the time after a restart; called before anything is sent."""
        text = json.dumps(self._gone) if self._gone else ""
        if text == self._saved:
            return
        try:
            self._store.note(_NOTE, text)
        except StoreError as error:
            _LOGGER.debug("the store does not note what was taken back: %s", error)
        else:
            self._saved = text

    def messages(self, announced: Mapping[str, bytes]) -> tuple[list[Message], list[Message]]:
        """Return everything in full once more, and the removals that are to follow.

        Args:
            announced: What the discovery topics say now.
        """
        in_full: list[Message] = []
        removals: list[Message] = []
        for topic, record in self._gone.items():
            now = _content(announced.get(topic, b""))
            back = _components(now)
            gone = {
                key: component
                for key, component in _components(record["payload"]).items()
                if key not in back
            }
            if not gone:
                continue
            payload = {**record["payload"], **now, _COMPONENTS: gone}
            in_full.append(Message(topic, json_bytes(payload)))
            payload[_COMPONENTS] = {
                key: {_PLATFORM: component[_PLATFORM]} for key, component in gone.items()
            }
            removals.append(Message(topic, json_bytes(payload) if now else b""))
        return in_full, removals

    def handled(self) -> None:
        """Home Assistant has been told."""
        self._gone = {}
        self.save()


def _parsed(text: str, oldest: datetime) -> dict[str, dict[str, Any]]:
    try:
        content = json.loads(text or "{}")
        return {
            topic: record
            for topic, record in content.items()
            if datetime.fromisoformat(record["at"]) >= oldest and _components(record["payload"])
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}


def _content(payload: bytes) -> dict[str, Any]:
    try:
        content = json.loads(payload or b"{}")
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _components(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a device message's components, without those that are mere removals."""
    components = content.get(_COMPONENTS)
    if not isinstance(components, dict):
        return {}
    return {
        key: component
        for key, component in components.items()
        if isinstance(component, dict) and _PLATFORM in component and len(component) > 1
    }
