"""What Home Assistant gets, from the catalogue of entities, the blueprints and the add-on."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import yaml

from zkbridge.config import PeopleOptions
from zkbridge.events import DeviceFacts, Terminal, TerminalState, TerminalView
from zkbridge.homeassistant.entities import BRIDGE, PERSON_KEYS, TERMINAL
from zkbridge.homeassistant.model import Entity
from zkbridge_docs.tables import code, table

_ROOT: Final = Path(__file__).parents[3]
_REPOSITORY: Final = "https://github.com/zkbridge/zkbridge"
# The least and the most that a terminal reports and a configuration allows.
_BARE: Final = TerminalView(terminal=Terminal(key="k", id="t", name="T"))
_NO_PEOPLE: Final = PeopleOptions()
_ALL_COUNTS: Final = TerminalState(
    users=1, fingerprints=1, faces=1, punches=1, punches_capacity=1, log_used=1.0
)
_COUNTING: Final = TerminalView(terminal=_BARE.terminal, state=_ALL_COUNTS)
_ALARMED: Final = TerminalView(terminal=_BARE.terminal, facts=DeviceFacts(has_alarms=True))


def _condition(entity: Entity) -> str:
    if entity.exists(_BARE, _NO_PEOPLE):
        return "" if entity.enabled else "switched off until you enable it"
    for option in ("photos", "presence", "tags"):
        if entity.exists(_BARE, PeopleOptions.model_validate({option: True})):
            return f"with `people.{option}`"
    if entity.exists(_ALARMED, _NO_PEOPLE):
        return "once the terminal sent its first alarm"
    return "where the terminal reports it" if entity.exists(_COUNTING, _NO_PEOPLE) else "sometimes"


def _rows(entities: tuple[Entity, ...]) -> list[tuple[str, ...]]:
    return [
        (
            entity.name or "",
            code(entity.platform),
            code(entity.key),
            code(str(entity.keys.get("unit_of_measurement", ""))),
            "" if entity.category is None else entity.category.value,
            _condition(entity),
        )
        for entity in entities
        if entity.platform != "device_automation"
    ]


_HEAD: Final = ("name", "platform", "key", "unit", "category", "when")


def terminal_entities() -> str:
    """List what each terminal's device has."""
    return table(_HEAD, _rows(TERMINAL))


def bridge_entities() -> str:
    """List what the bridge's device has."""
    person = ("*the person's name*", code(str(PERSON_KEYS["platform"])), code("people-<user>"))
    return table(_HEAD, [*_rows(BRIDGE), (*person, "", "", "with `people.presence`")])


def triggers() -> str:
    """List the device triggers."""
    return table(
        ("type", "subtype"),
        [
            (code(str(entity.keys["type"])), code(str(entity.keys["subtype"])))
            for entity in TERMINAL
            if entity.platform == "device_automation"
        ],
    )


class _Loader(yaml.SafeLoader):
    """Reads blueprints, whose ``!input`` means nothing here."""


_Loader.add_constructor("!input", lambda _loader, node: str(node.value))


def blueprints() -> str:
    """List the blueprints with what they say of themselves."""
    parts = []
    folder = _ROOT / "blueprints/automation/zkbridge"
    for path in sorted(folder.glob("*.yaml")):
        content: Any = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe loader
        told = content["blueprint"]
        address = f"{_REPOSITORY}/blob/main/{path.relative_to(_ROOT)}"
        link = "https://my.home-assistant.io/redirect/blueprint_import/?blueprint_url="
        name = told["name"].removeprefix("zkbridge: ")
        parts += [f"**{name[0].upper()}{name[1:]}** (`{path.name}`,"]
        parts += [f"[import]({link}{quote(address, safe='')}))", ""]
        parts += [told["description"].strip(), ""]
    return "\n".join(parts)


def addon_options() -> str:
    """List the add-on's options as its own pages name them."""
    text = (_ROOT / "ha_addon/translations/en.yaml").read_text(encoding="utf-8")
    told = yaml.safe_load(text)["configuration"]
    rows = []
    for key, words in told.items():
        rows.append((code(key), words["name"], words["description"]))
        rows += [
            (code(f"{key}[].{inner}"), each["name"], each["description"])
            for inner, each in words.get("fields", {}).items()
        ]
    return table(("option", "name", "meaning"), rows)
