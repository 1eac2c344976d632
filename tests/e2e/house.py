"""What the tests of whole systems say and ask: ids as they must be, messages as they came."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.bridge import BridgeProcess, terminal_options
from tests.mosquitto import Mosquitto, Record, Subscriber
from zkbridge.identity import punch_id
from zkbridge.simulator import SimulatedTerminal, pack_time


def content(record: Record) -> dict[str, Any]:
    """Return what a message says; nothing for one that says nothing."""
    found: dict[str, Any] = json.loads(record.payload) if record.payload else {}
    return found


def ids(serial: str, punches: Sequence[tuple[str, datetime]], occurrence: int = 0) -> list[str]:
    """Return the ids that punches (user id, wall clock) must have."""
    return [punch_id(serial, user, pack_time(when), occurrence) for user, when in punches]


@dataclass(slots=True)
class House(AbstractContextManager["House"]):
    """A bridge with its terminals, and what a subscriber got from it.

    Attributes:
        broker: Where it publishes.
        subscriber: Gets everything.
        bridge: The process.
    """

    folder: Path
    broker: Mosquitto
    subscriber: Subscriber
    terminals: Sequence[dict[str, Any]]
    sections: dict[str, object] = field(default_factory=dict)
    bridge: BridgeProcess = field(init=False)

    def __post_init__(self) -> None:
        self.bridge = BridgeProcess(self.folder, self.broker.port, *self.terminals, **self.sections)

    def __enter__(self) -> Self:
        self.bridge.start()
        for terminal in self.terminals:
            self.wait_state(self._id(terminal), lambda state: state["synced"])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bridge.stop()

    @staticmethod
    def _id(terminal: dict[str, Any]) -> str:
        return str(terminal.get("id") or terminal["name"].lower().replace(" ", "_"))

    def restart(self, meanwhile: Callable[[], object]) -> None:
        """Let something happen while the bridge is down; returns when logs are read again."""
        self.bridge.stop()
        seen = len(self.subscriber.records)
        meanwhile()
        self.bridge.start()
        for terminal in self.terminals:
            self.wait_state(self._id(terminal), lambda state: state["synced"], after=seen)

    def wait_state(
        self, terminal: str, reached: Callable[[dict[str, Any]], bool], *, after: int = 0
    ) -> dict[str, Any]:
        """Wait for a state of a terminal.

        Args:
            terminal: Its id.
            reached: What it has to be like.
            after: Among the messages from that number on.
        """
        topic = f"zkbridge/{terminal}/state"
        records = self.subscriber.wait_for(
            lambda records: any(
                r.topic == topic and r.payload and reached(content(r)) for r in records[after:]
            )
        )
        return next(
            content(r)
            for r in records[after:]
            if r.topic == topic and r.payload and reached(content(r))
        )

    def wait_cleared(self, topic: str) -> None:
        """Wait until the newest message on a topic is an empty one."""
        self.subscriber.wait_for(
            lambda records: [None, *(r.payload for r in records if r.topic == topic)][-1] == b""
        )

    def punches(self, terminal: str = "front_door") -> list[dict[str, Any]]:
        """Return every punch so far, in order of arrival."""
        return [content(r) for r in self.subscriber.on(f"zkbridge/{terminal}/punch/#")]

    def ids(self, terminal: str = "front_door") -> list[str]:
        """Return the id of every punch so far, in order of arrival."""
        return [punch["id"] for punch in self.punches(terminal)]

    def wait_ids(self, wanted: Sequence[str], terminal: str = "front_door") -> None:
        """Wait until these punches have arrived, whatever else has."""
        head = f"zkbridge/{terminal}/punch"
        missing, looked_at = set(wanted), 0

        def all_there(records: list[Record]) -> bool:
            nonlocal looked_at
            for record in islice(records, looked_at, None):
                if record.topic.startswith(head):
                    missing.discard(content(record)["id"])
            looked_at = len(records)
            return not missing

        self.subscriber.wait_for(all_there)


def polled(terminal: SimulatedTerminal, **changes: object) -> dict[str, Any]:
    """Return the configuration of a terminal that is asked every second and tells nothing."""
    return terminal_options(terminal, live=False, **changes)
