"""Catalogue and terminals in, Home Assistant's discovery messages out. Pure.

One retained message per device. What disappears is taken back: a device by an empty message, a
component by its removal form ``{"platform": …}``, which must follow the full form to work.
Source of all rules: homeassistant.md, seen in Home Assistant 2026.11.0.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from zkbridge.config import PeopleOptions
from zkbridge.events import TerminalView
from zkbridge.homeassistant.entities import BRIDGE, PERSON_KEYS, TERMINAL
from zkbridge.homeassistant.model import Availability, Entity, Place, Stays
from zkbridge.mqtt.messages import Message, clearing_message, json_bytes
from zkbridge.mqtt.topics import BRIDGE_ID, Topics, user_level

MANUFACTURER: Final = "ZKTeco"
SUPPORT_URL: Final = "https://github.com/zkbridge/zkbridge"
# A presence list of a whole town would exceed what brokers accept as one message.
MAX_PEOPLE: Final = 2000
_MAX_TEXT: Final = 64
_PERSON: Final = "people-"
_MAC: Final = re.compile(r"(?!00:00:00:00:00:00)[0-9a-f][02468ace](?::[0-9a-f]{2}){5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoveryOptions:
    """What the messages depend on besides the terminals.

    Attributes:
        enabled: False takes everything back that was ever announced.
        version: The bridge's.
        topics: Where everything is published.
        page_url: Where a browser reaches the page; None when it cannot be told.
        people: What of a person goes out.
        persons: Name, where it may be shown, by user id; whom presence is for.
        persons_complete: Every terminal was asked; else those announced earlier stay.
    """

    version: str
    topics: Topics = field(default_factory=Topics)
    enabled: bool = True
    page_url: str | None = None
    people: PeopleOptions = field(default_factory=PeopleOptions)
    persons: Mapping[str, str | None] = field(default_factory=dict)
    persons_complete: bool = True


def discovery_messages(
    views: Sequence[TerminalView],
    options: DiscoveryOptions,
    previous: Mapping[str, bytes] | None = None,
    *,
    settled: bool = False,
) -> Sequence[Message]:
    """Make all discovery messages, the bridge's device first.

    Args:
        views: Every configured terminal.
        options: What else they depend on.
        previous: What was sent last, by topic; what is missing now is taken back.
        settled: Home Assistant has seen ``previous``, so removals in it need no repetition:
            true at the bridge's start and after Home Assistant's birth message.

    Returns:
        Whole messages; whoever sends them leaves out those that say what was sent last.
    """
    sent = previous or {}
    messages: list[Message] = []
    if options.enabled:
        messages.append(_device_message(BRIDGE_ID, _bridge(options, sent), sent, options, settled))
        shared = Counter(view.facts.mac for view in views)
        for view in views:
            unique_mac = view.facts.mac if shared[view.facts.mac] == 1 else None
            device = _terminal(view, options, sent, unique_mac)
            messages.append(_device_message(view.terminal.id, device, sent, options, settled))
    wanted = {message.topic for message in messages}
    gone = [topic for topic, payload in sent.items() if payload and topic not in wanted]
    return [*messages, *map(clearing_message, gone)]


@dataclass(frozen=True, slots=True)
class _Device:
    info: Mapping[str, object]
    components: Mapping[str, Mapping[str, object]]


def _device_message(
    terminal_id: str,
    device: _Device,
    sent: Mapping[str, bytes],
    options: DiscoveryOptions,
    settled: bool,  # noqa: FBT001 - internal, always given
) -> Message:
    topic = options.topics.discovery(terminal_id)
    components = dict(device.components)
    for key, component in _sent_components(sent.get(topic)).items():
        removal = set(component) == {"platform"}
        if key not in components and not (removal and settled):
            components[key] = {"platform": component["platform"]}
    content = {
        "device": device.info,
        "origin": {
            "name": "zkbridge",
            "sw_version": options.version,
            "support_url": SUPPORT_URL,
        },
        "qos": 1,
        "components": components,
    }
    return Message(topic, json_bytes(content), retain=True)


def _sent_components(payload: bytes | None) -> Mapping[str, Mapping[str, object]]:
    # Kept by an earlier version perhaps: anything unusual counts as nothing sent.
    try:
        content = json.loads(payload or b"{}")
    except ValueError:
        return {}
    components = content.get("components") if isinstance(content, dict) else None
    if not isinstance(components, dict):
        return {}
    return {
        key: component
        for key, component in components.items()
        if isinstance(component, dict) and isinstance(component.get("platform"), str)
    }


def _terminal(
    view: TerminalView,
    options: DiscoveryOptions,
    sent: Mapping[str, bytes],
    mac: str | None,
) -> _Device:
    topics, terminal_id = options.topics, view.terminal.id
    before = _sent_components(sent.get(topics.discovery(terminal_id)))
    kept = {key for key, component in before.items() if len(component) > 1}
    entities = [
        entity
        for entity in TERMINAL
        if entity.exists(view, options.people) or (entity.key in kept and _stays(entity, view))
    ]
    me = topics.device_id(terminal_id)
    info: dict[str, object] = {
        "identifiers": [me],
        "name": _text(view.terminal.name),
        "manufacturer": MANUFACTURER,
        "via_device": topics.device_id(BRIDGE_ID),
    }
    told = {
        "model": view.facts.model,
        "sw_version": view.state.firmware,
        "hw_version": view.state.platform,
        "serial_number": view.terminal.serial or view.state.serial,
        "configuration_url": options.page_url,
    }
    info.update({key: _text(value) for key, value in told.items() if value and _text(value)})
    if mac is not None and _MAC.fullmatch(mac):
        info["connections"] = [["mac", mac]]
    places = {
        Place.AVAILABILITY: topics.availability(terminal_id),
        Place.STATE: topics.state(terminal_id),
        Place.COMMAND: topics.command(terminal_id),
        Place.PUNCH: topics.punch(terminal_id),
        Place.PUNCH_LATE: topics.punch(terminal_id, late=True),
        Place.OPLOG: topics.oplog(terminal_id),
        Place.ALARM: topics.alarm(terminal_id),
        Place.TAG: topics.tag(terminal_id),
        Place.PORTRAIT: topics.portrait(terminal_id),
    }
    return _Device(info, _components(entities, me, places, topics))


def _stays(entity: Entity, view: TerminalView) -> bool:
    # A terminal that is away, or that was not read to the end yet, has not stopped counting.
    read = view.online is True and view.state.synced
    return entity.stays is Stays.FOR_EVER or (entity.stays is Stays.UNTIL_READ and not read)


def _bridge(options: DiscoveryOptions, sent: Mapping[str, bytes]) -> _Device:
    topics = options.topics
    me = topics.device_id(BRIDGE_ID)
    info: dict[str, object] = {
        "identifiers": [me],
        "name": "zkbridge",
        "manufacturer": "zkbridge",
        "model": "Bridge",
        "sw_version": options.version,
    }
    if options.page_url:
        info["configuration_url"] = options.page_url
    places = {
        Place.AVAILABILITY: topics.bridge_availability,
        Place.STATE: topics.bridge_state,
        Place.COMMAND: topics.command(BRIDGE_ID),
    }
    components = _components(BRIDGE, me, places, topics)
    if options.people.presence:
        components.update(_people(options, sent))
    return _Device(info, components)


def _people(options: DiscoveryOptions, sent: Mapping[str, bytes]) -> dict[str, dict[str, object]]:
    include = set(options.people.include)
    wanted = sorted(user for user in options.persons if not include or user in include)
    found: dict[str, dict[str, object]] = {}
    for user in wanted[:MAX_PEOPLE]:
        shown = options.persons[user] if options.people.names else None
        key = _PERSON + user_level(user)
        found[key] = {
            **PERSON_KEYS,
            "name": _text(shown or "") or _text(user) or key,
            "unique_id": options.topics.device_id(key),
            "state_topic": options.topics.person(user),
        }
    if not options.persons_complete:
        for key, component in _announced_people(options, sent).items():
            if key not in found and len(found) < MAX_PEOPLE:
                found[key] = component
    return found


def _announced_people(
    options: DiscoveryOptions, sent: Mapping[str, bytes]
) -> dict[str, dict[str, object]]:
    allowed = {_PERSON + user_level(user) for user in options.people.include}
    kept: dict[str, dict[str, object]] = {}
    for key, component in _sent_components(sent.get(options.topics.discovery(BRIDGE_ID))).items():
        removed = len(component) == 1
        if key.startswith(_PERSON) and not removed and (not allowed or key in allowed):
            kept[key] = {**component, **PERSON_KEYS}
            if not options.people.names:
                kept[key]["name"] = key.removeprefix(_PERSON)
    return kept


def _components(
    entities: Iterable[Entity], me: str, places: Mapping[Place, str], topics: Topics
) -> dict[str, dict[str, object]]:
    return {entity.key: _component(entity, me, places, topics) for entity in entities}


def _component(
    entity: Entity, me: str, places: Mapping[Place, str], topics: Topics
) -> dict[str, object]:
    component: dict[str, object] = {"platform": entity.platform}
    if entity.registered:
        component["name"] = entity.name
        component["unique_id"] = f"{me}-{entity.key}"
    component.update({key: places[place] for key, place in entity.topics.items()})
    component.update(entity.keys)
    said = {
        "icon": entity.icon,
        "device_class": entity.device_class,
        "entity_category": entity.category,
        "enabled_by_default": None if entity.enabled else False,
    }
    component.update({key: value for key, value in said.items() if value is not None})
    if entity.availability is not Availability.NEVER:
        component["availability"] = [{"topic": topics.bridge_availability}]
    if entity.availability is Availability.BRIDGE_AND_TERMINAL:
        component["availability"] = [
            {"topic": topics.bridge_availability},
            {"topic": places[Place.AVAILABILITY]},
        ]
        component["availability_mode"] = "all"
    return component


def _text(value: str) -> str:
    """Make what a terminal or a person wrote fit for a label."""
    return " ".join("".join(c if c.isprintable() else " " for c in value).split())[:_MAX_TEXT]
