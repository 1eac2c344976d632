"""Retained topics: what they should say, what the broker was told, what has to go. Pure."""

from collections.abc import Callable, Iterable

from zkbridge.mqtt.messages import Message, clearing_message
from zkbridge.mqtt.topics import BRIDGE_ID, Topics


class Retained:
    """The retained topics of one connection; sends each only when it changed.

    A topic has a place in line for as long as it waits: the newest message takes it.
    """

    def __init__(self) -> None:
        self._wanted: dict[str, Message] = {}
        self._told: dict[str, bytes] = {}
        self._waiting: dict[str, Message] = {}
        self._refused: dict[str, bytes] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def want(self, message: Message) -> None:
        """Have a topic say something, if it does not already."""
        self._wanted[message.topic] = message
        if self._refused.get(message.topic) == message.payload:
            return
        if self._told.get(message.topic) == message.payload:
            self._waiting.pop(message.topic, None)
        else:
            self._waiting[message.topic] = message

    def clear(self, topic: str) -> None:
        """Have a topic removed."""
        self._wanted.pop(topic, None)
        self._waiting[topic] = clearing_message(topic)

    def again(self, chosen: Callable[[str], bool]) -> None:
        """Say once more what the chosen topics should say."""
        for topic, message in self._wanted.items():
            if chosen(topic) and self._refused.get(topic) != message.payload:
                self._waiting[topic] = message

    def connected(self) -> None:
        """Take it that the broker forgot everything."""
        self._told.clear()
        self.again(lambda _: True)

    def waiting(self) -> list[str]:
        """Return the topics in line that are not about to be removed."""
        return [topic for topic, message in self._waiting.items() if message.payload]

    def take(self) -> Message | None:
        """Return the next message to send."""
        for topic in self._waiting:
            message = self._waiting.pop(topic)
            self._told[topic] = message.payload
            return message
        return None

    def said(self, message: Message) -> None:
        """Note that a topic was made to say something past the line."""
        self._wanted[message.topic] = message
        self._told[message.topic] = message.payload
        self._waiting.pop(message.topic, None)

    def confirmed(self, topic: str) -> None:
        """Note that the broker took a message."""
        self._refused.pop(topic, None)

    def lost(self, topic: str) -> None:
        """Note that a message was sent and not acknowledged."""
        self._told.pop(topic, None)
        message = self._wanted.get(topic)
        if message is not None:
            self._waiting.setdefault(topic, message)
        else:
            self._waiting.setdefault(topic, clearing_message(topic))

    def refused(self, topic: str) -> None:
        """Note that the broker will not take what the topic says; it waits for a change."""
        message = self._wanted.get(topic)
        if message is not None:
            self._refused[topic] = message.payload
        self._waiting.pop(topic, None)

    def payload(self, topic: str) -> bytes | None:
        """Return what a topic should say; None: nothing."""
        message = self._wanted.get(topic)
        return None if message is None else message.payload

    def topics(self) -> set[str]:
        """Return every topic that should say something."""
        return set(self._wanted)


def belongs(
    topic: str,
    topics: Topics,
    terminal_ids: Iterable[str],
    *,
    photos: bool,
    discovery: bool,
) -> bool:
    """Tell whether a topic may stay on the broker (contract 5.12).

    Whether anything was sent to it in this run does not matter: a terminal that has not answered
    yet still is one of ours, and what Home Assistant knows of it must not be torn down.
    """
    if topic in {topics.bridge_availability, topics.bridge_state}:
        return True
    if discovery and topic == topics.discovery(BRIDGE_ID):
        return True
    for terminal_id in terminal_ids:
        kept = {topics.availability(terminal_id), topics.state(terminal_id)}
        if photos:
            kept.add(topics.portrait(terminal_id))
        if discovery:
            kept.add(topics.discovery(terminal_id))
        if topic in kept:
            return True
    return False
