"""An MQTT subscriber that knows nothing of the bridge, and says what reaches it and how fast."""

import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from zkbridge.demo.scene import Made
from zkbridge.logs import printable

_BASE: Final = "zkbridge"
_EVENTS: Final = frozenset({"punch", "oplog", "alarm"})


class Audience:
    """Subscribes to everything under ``zkbridge/`` and prints each punch with its latency."""

    def __init__(self, port: int, say: Callable[[str], None], terminals: frozenset[str]) -> None:
        self._say = say
        self._missing = set(terminals)
        self._guard = threading.Condition()
        self._made: dict[tuple[str, str, str], float] = {}
        self._latencies_ms: list[float] = []
        self._late: Counter[str] = Counter()
        self.ready = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="demo-audience")
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._port = port

    def open(self) -> None:
        """Connect and listen."""
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def expect(self, made: Made) -> None:
        """Hear that somebody punches, so that the message can be timed."""
        with self._guard:
            self._made[made.place, made.user_id, made.when.isoformat()] = made.mono_s

    def hear_out(self, timeout_s: float) -> None:
        """Wait until every punch that was made has arrived."""
        with self._guard:
            self._guard.wait_for(lambda: not self._made, timeout_s)

    def summary(self) -> str:
        """Say how it went."""
        with self._guard:
            times = list(self._latencies_ms)
        if not times:
            return "no live punch arrived"
        return (
            f"{len(times)} live punches arrived: median {statistics.median(times):.0f} ms,"
            f" slowest {max(times):.0f} ms"
        )

    def _on_connect(self, client: paho.Client, *_: object) -> None:
        client.subscribe(f"{_BASE}/#", 1)

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        arrived = time.monotonic()
        place, _, rest = message.topic.removeprefix(f"{_BASE}/").partition("/")
        kind, _, late = rest.partition("/")
        if kind not in _EVENTS | {"state"} or place == "bridge":
            return
        content = json.loads(message.payload)
        if kind == "state":
            self._on_state(place, content)
        elif late:
            self._late[kind] += 1
        elif kind == "punch":
            self._on_punch(place, content, arrived)
        else:
            self._say(f"  {place:<12} {kind:<6} {printable(str(content.get('event_type')))}")

    def _on_state(self, place: str, content: dict[str, Any]) -> None:
        if content.get("synced") and content.get("mode") == "live":
            self._missing.discard(place)
        if not self._missing:
            self.ready.set()

    def _on_punch(self, place: str, content: dict[str, Any], arrived: float) -> None:
        when = str(content.get("timestamp"))[: len("2026-01-01T00:00:00")]
        user_id = str(content.get("user_id"))
        with self._guard:
            made = self._made.pop((place, user_id, when), None)
            self._guard.notify_all()
            if made is not None:
                self._latencies_ms.append((arrived - made) * 1000)
        if self._late:
            older = ", ".join(f"{count} to {kind}/late" for kind, count in self._late.items())
            self._late.clear()
            self._say(f"  what the terminals had stored: {older}")
        took = "" if made is None else f"{(arrived - made) * 1000:6.1f} ms"
        who = printable(str(content.get("user_name") or user_id))
        self._say(
            f"  {place:<12} punch  {when[11:]}  {printable(str(content.get('event_type'))):<10}"
            f" {printable(str(content.get('verified_by'))):<12} {took}  {who}"
        )
