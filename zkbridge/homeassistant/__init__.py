"""Home Assistant: what it is told about terminals, people and the bridge."""

from zkbridge.homeassistant.discovery import DiscoveryOptions, discovery_messages

__all__ = ["DiscoveryOptions", "discovery_messages"]
