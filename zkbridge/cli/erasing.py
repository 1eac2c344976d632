"""``forget``: what is left of one person goes, in the store and at the broker."""

import time
from collections.abc import Iterable
from typing import Final

from zkbridge.cli.failures import FAILED, FINE
from zkbridge.cli.messages import complain, note
from zkbridge.config import MqttOptions, Options
from zkbridge.doctor import visit
from zkbridge.logs import printable
from zkbridge.mqtt.broker import Acknowledged, Down, Up
from zkbridge.mqtt.connection import Connection
from zkbridge.mqtt.messages import Message
from zkbridge.store import forget_in_file

_PATIENCE_S: Final = 15.0


def forget_person(options: Options, user_id: str) -> int:
    """Erase one person and say what was found; returns an exit code."""
    forgotten = forget_in_file(options.store.path, user_id)
    note(f"erased {forgotten.events} events of user {printable(user_id)} from {options.store.path}")
    for remains in forgotten.remains:
        note(f"{remains} was set aside damaged and may still hold punches: delete it")
    if not forgotten.topics:
        return FINE
    trouble = _clear(options.mqtt, sorted(forgotten.topics))
    if trouble is not None:
        complain(
            f"{len(forgotten.topics)} retained topics remain at the broker: {printable(trouble)};"
            " the bridge clears them when it starts, or run this again"
        )
        return FAILED
    note(f"cleared {len(forgotten.topics)} retained topics")
    return FINE


def _clear(options: MqttOptions, topics: list[str]) -> str | None:
    with visit(options) as (connection, outcome):
        match outcome:
            case Up():
                for topic in topics:
                    connection.publish(Message(topic, b"", retain=True), topic)
                return _acknowledged(connection, topics)
            case Down(cause=cause):
                return cause.text
            case None:
                return "the broker does not answer"


def _acknowledged(connection: Connection, topics: Iterable[str]) -> str | None:
    waiting = set(topics)
    deadline = time.monotonic() + _PATIENCE_S
    while waiting and (left := deadline - time.monotonic()) > 0:
        for event in connection.wait(left):
            if isinstance(event, Down):
                return event.cause.text
            if isinstance(event, Acknowledged):
                waiting.discard(str(event.key))
    return f"no acknowledgement for {len(waiting)}" if waiting else None
