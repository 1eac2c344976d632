"""Every entity that Home Assistant gets, as data: one entry each.

An entry says what an entity is, where its value comes from and when it exists;
``discovery.py`` renders all of them with one routine. Keys are for ever: they make
``unique_id``. Source of the model and of Home Assistant's rules: homeassistant.md.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from zkbridge.config import PeopleOptions
from zkbridge.events import Mode, TerminalView
from zkbridge.homeassistant.model import Availability, Category, Entity, Place, Stays
from zkbridge.vocabulary import (
    ALARM_TYPES,
    OPERATIONS,
    OTHER_OPERATION,
    OTHER_PUNCH,
    PUNCH_TYPES,
)

LOG_LEVELS: Final = ("debug", "info", "warning", "error")


_EVERY_PUNCH: Final = (*PUNCH_TYPES, OTHER_PUNCH)
_OPERATION_TYPES: Final = tuple(dict.fromkeys([*OPERATIONS.values(), OTHER_OPERATION]))


def value_of(name: str) -> str:
    """Return the template that reads one field of a JSON payload.

    ``get`` instead of an attribute: a retained state of an earlier version may lack the field,
    and an undefined variable is a warning in Home Assistant's log.
    """
    return f"{{{{ value_json.get('{name}') }}}}"


def attributes_of(**fields: str) -> str:
    """Return the template that makes attributes of some fields of a JSON payload."""
    pairs = ", ".join(f"'{key}': value_json.get('{name}')" for key, name in fields.items())
    return f"{{{{ {{{pairs}}} | tojson }}}}"


def _reports(name: str) -> Callable[[TerminalView, PeopleOptions], bool]:
    return lambda view, people: getattr(view.state, name) is not None  # noqa: ARG005 - one signature


def _count(key: str, name: str, icon: str, **more: object) -> Entity:
    return Entity(
        key=key,
        platform="sensor",
        name=name,
        icon=icon,
        category=Category.DIAGNOSTIC,
        availability=Availability.BRIDGE,
        topics={"state_topic": Place.STATE},
        keys={
            "value_template": value_of(key),
            "unit_of_measurement": key,
            "state_class": "measurement",
            **more,
        },
        exists=_reports(key),
        stays=Stays.UNTIL_READ,
    )


def _trigger(punch_type: str) -> Entity:
    # The event entity has the key "punch" already.
    return Entity(
        key="other_punch" if punch_type == OTHER_PUNCH else punch_type,
        platform="device_automation",
        topics={"topic": Place.PUNCH},
        keys={
            "automation_type": "trigger",
            "type": punch_type,
            "subtype": "punch",
            "value_template": value_of("event_type"),
            "payload": punch_type,
        },
    )


_EVENTS: Final = (
    Entity(
        key="punch",
        platform="event",
        name="Punch",
        icon="mdi:fingerprint",
        topics={"state_topic": Place.PUNCH},
        keys={"event_types": _EVERY_PUNCH},
    ),
    Entity(
        key="late_punch",
        platform="event",
        name="Late punch",
        icon="mdi:clock-alert-outline",
        category=Category.DIAGNOSTIC,
        topics={"state_topic": Place.PUNCH_LATE},
        keys={"event_types": _EVERY_PUNCH},
    ),
    Entity(
        key="operation",
        platform="event",
        name="Operation",
        icon="mdi:clipboard-text-clock-outline",
        category=Category.DIAGNOSTIC,
        enabled=False,
        topics={"state_topic": Place.OPLOG},
        keys={"event_types": _OPERATION_TYPES},
    ),
    Entity(
        key="alarm",
        platform="event",
        name="Alarm",
        icon="mdi:shield-alert-outline",
        topics={"state_topic": Place.ALARM},
        keys={"event_types": ALARM_TYPES},
        exists=lambda view, people: view.facts.has_alarms,  # noqa: ARG005 - one signature
        stays=Stays.FOR_EVER,
    ),
    Entity(
        key="card",
        platform="tag",
        topics={"topic": Place.TAG},
        exists=lambda view, people: people.tags,  # noqa: ARG005 - one signature
    ),
)

_HEALTH: Final = (
    Entity(
        key="online",
        platform="binary_sensor",
        name="Online",
        device_class="connectivity",
        category=Category.DIAGNOSTIC,
        availability=Availability.BRIDGE,
        topics={"state_topic": Place.AVAILABILITY},
        keys={"payload_on": "online", "payload_off": "offline"},
    ),
    Entity(
        key="problem",
        platform="binary_sensor",
        name="Problem",
        device_class="problem",
        category=Category.DIAGNOSTIC,
        availability=Availability.BRIDGE,
        topics={"state_topic": Place.STATE, "json_attributes_topic": Place.STATE},
        keys={
            "value_template": "{{ 'OFF' if value_json.get('error') is none else 'ON' }}",
            "json_attributes_template": attributes_of(
                error="error", text="error_text", cure="error_cure"
            ),
        },
    ),
    Entity(
        key="clock_drift",
        platform="sensor",
        name="Clock drift",
        icon="mdi:clock-check-outline",
        device_class="duration",
        category=Category.DIAGNOSTIC,
        availability=Availability.BRIDGE,
        topics={"state_topic": Place.STATE},
        keys={
            "value_template": value_of("clock_drift"),
            "unit_of_measurement": "s",
            "state_class": "measurement",
            "suggested_display_precision": 0,
        },
    ),
    Entity(
        key="firmware",
        platform="sensor",
        name="Firmware",
        icon="mdi:chip",
        category=Category.DIAGNOSTIC,
        enabled=False,
        availability=Availability.BRIDGE,
        topics={"state_topic": Place.STATE},
        keys={"value_template": value_of("firmware")},
    ),
    Entity(
        key="mode",
        platform="sensor",
        name="Mode",
        icon="mdi:access-point",
        device_class="enum",
        category=Category.DIAGNOSTIC,
        enabled=False,
        availability=Availability.BRIDGE,
        topics={"state_topic": Place.STATE},
        keys={"value_template": value_of("mode"), "options": tuple(mode.value for mode in Mode)},
    ),
)

_PEOPLE_AND_LOG: Final = (
    Entity(
        key="last_punch",
        platform="sensor",
        name="Last punch",
        icon="mdi:clock-outline",
        device_class="timestamp",
        topics={"state_topic": Place.STATE, "json_attributes_topic": Place.STATE},
        keys={
            "value_template": value_of("last_punch"),
            "json_attributes_template": attributes_of(
                user="last_user", user_id="last_user_id", type="last_type", method="last_method"
            ),
        },
    ),
    Entity(
        key="last_user",
        platform="sensor",
        name="Last user",
        icon="mdi:account-clock-outline",
        topics={"state_topic": Place.STATE},
        keys={"value_template": value_of("last_user")},
    ),
    Entity(
        key="punches_today",
        platform="sensor",
        name="Punches today",
        icon="mdi:counter",
        availability=Availability.BRIDGE,
        topics={"state_topic": Place.STATE},
        keys={
            "value_template": value_of("punches_today"),
            "unit_of_measurement": "punches",
            "state_class": "total",
            # Nothing for an unknown midnight: an empty text is ignored, "None" is a warning.
            "last_reset_value_template": "{{ value_json.get('today_from') or '' }}",
        },
    ),
    _count("users", "Users", "mdi:account-group-outline"),
    _count("fingerprints", "Fingerprints", "mdi:fingerprint"),
    _count("faces", "Faces", "mdi:face-recognition"),
    _count("punches", "Punches stored", "mdi:database-outline"),
    _count(
        "log_used",
        "Log used",
        "mdi:database-alert-outline",
        unit_of_measurement="%",
        suggested_display_precision=0,
    ),
    Entity(
        key="portrait",
        platform="image",
        name="Portrait",
        icon="mdi:account-box-outline",
        availability=Availability.BRIDGE_AND_TERMINAL,
        topics={"image_topic": Place.PORTRAIT},
        keys={"content_type": "image/jpeg"},
        exists=lambda view, people: people.photos,  # noqa: ARG005 - one signature
    ),
)

_BUTTONS: Final = (
    Entity(
        key="poll",
        platform="button",
        name="Poll",
        icon="mdi:refresh",
        category=Category.DIAGNOSTIC,
        availability=Availability.BRIDGE_AND_TERMINAL,
        topics={"command_topic": Place.COMMAND},
        keys={"payload_press": '{"command": "poll"}'},
    ),
    Entity(
        key="replay_today",
        platform="button",
        name="Replay today",
        icon="mdi:replay",
        category=Category.DIAGNOSTIC,
        availability=Availability.BRIDGE_AND_TERMINAL,
        topics={"command_topic": Place.COMMAND},
        keys={
            # Without an offset: the day as the terminal's clock has it.
            "command_template": '{"command": "replay", "from": "{{ now().date() }}T00:00:00",'
            ' "to": "{{ now().date() }}T23:59:59"}',
        },
    ),
)

TERMINAL: Final[tuple[Entity, ...]] = (
    *_EVENTS,
    *(_trigger(punch_type) for punch_type in _EVERY_PUNCH),
    *_HEALTH,
    *_PEOPLE_AND_LOG,
    *_BUTTONS,
)

BRIDGE: Final[tuple[Entity, ...]] = (
    Entity(
        key="connected",
        platform="binary_sensor",
        name="Connected",
        device_class="connectivity",
        category=Category.DIAGNOSTIC,
        topics={"state_topic": Place.AVAILABILITY},
        keys={"payload_on": "online", "payload_off": "offline"},
    ),
    Entity(
        key="queue",
        platform="sensor",
        name="Queue",
        icon="mdi:tray-full",
        category=Category.DIAGNOSTIC,
        availability=Availability.BRIDGE,
        topics={"state_topic": Place.STATE},
        keys={
            "value_template": value_of("queue"),
            "unit_of_measurement": "messages",
            "state_class": "measurement",
        },
    ),
    Entity(
        key="version",
        platform="sensor",
        name="Version",
        icon="mdi:tag-outline",
        category=Category.DIAGNOSTIC,
        topics={"state_topic": Place.STATE},
        keys={"value_template": value_of("version")},
    ),
    Entity(
        key="log_level",
        platform="select",
        name="Log level",
        icon="mdi:math-log",
        category=Category.CONFIG,
        availability=Availability.BRIDGE,
        topics={"state_topic": Place.STATE, "command_topic": Place.COMMAND},
        keys={
            "value_template": value_of("log_level"),
            "command_template": '{"command": "log_level", "level": "{{ value }}"}',
            "options": LOG_LEVELS,
        },
    ),
)

# Someone's presence: an entity per person on the bridge's device, rendered by discovery.py.
PERSON_KEYS: Final[Mapping[str, object]] = MappingProxyType(
    {"platform": "device_tracker", "source_type": "router", "icon": "mdi:account-outline"}
)
