"""Events and states to an MQTT broker, commands from it."""

from zkbridge.mqtt.messages import Message
from zkbridge.mqtt.topics import Topics

__all__ = ["Message", "Topics"]
