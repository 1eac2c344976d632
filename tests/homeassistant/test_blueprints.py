"""The blueprints as files; what they do is shown with a real Home Assistant."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "blueprints" / "automation" / "zkbridge"
BLUEPRINTS = sorted(FOLDER.glob("*.yaml"))
SOURCE = "https://github.com/zkbridge/zkbridge/blob/main/blueprints/automation/zkbridge/"


class _Input(str):
    __slots__ = ()


class _Loader(yaml.SafeLoader):
    """Knows Home Assistant's ``!input``."""


def _input(loader: yaml.SafeLoader, node: yaml.Node) -> _Input:
    assert isinstance(node, yaml.ScalarNode)
    return _Input(loader.construct_scalar(node))


_Loader.add_constructor("!input", _input)


def load(path: Path) -> dict[str, Any]:
    content = yaml.load(path.read_text(), _Loader)  # noqa: S506 - a safe loader with one more tag
    assert isinstance(content, dict)
    return content


def inputs_used(content: object) -> set[str]:
    if isinstance(content, _Input):
        return {str(content)}
    if isinstance(content, dict):
        return set().union(*map(inputs_used, content.values()))
    if isinstance(content, list):
        return set().union(*map(inputs_used, content))
    return set()


by_name = pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)


def test_these_blueprints_exist() -> None:
    assert [path.stem for path in BLUEPRINTS] == [
        "action_on_punch",
        "alarm_alert",
        "not_seen",
        "notify_arrival",
        "terminal_health",
    ]


@by_name
def test_every_input_is_used_and_every_used_one_exists(path: Path) -> None:
    content = load(path)

    assert inputs_used(content) == set(content["blueprint"]["input"])


@by_name
def test_it_says_where_it_comes_from(path: Path) -> None:
    head = load(path)["blueprint"]

    assert head["source_url"] == SOURCE + path.name
    assert head["domain"] == "automation"
    assert head["name"].startswith("zkbridge: ")


@by_name
def test_every_state_trigger_ignores_coming_and_going(path: Path) -> None:
    for trigger in load(path)["triggers"]:
        if trigger["trigger"] == "state":
            assert trigger["not_from"] == ["unavailable", "unknown"]
            assert trigger.get("not_to") == ["unavailable", "unknown"] or trigger["to"] == "off"


@pytest.mark.parametrize("name", ["action_on_punch", "alarm_alert", "notify_arrival"])
def test_old_events_are_left_alone(name: str) -> None:
    conditions = load(FOLDER / f"{name}.yaml")["conditions"]

    assert any("<= max_age | float" in each.get("value_template", "") for each in conditions)


def test_the_documentation_has_an_import_link_for_each() -> None:
    docs = (Path(__file__).parents[2] / "ha_addon" / "DOCS.md").read_text()

    linked = re.findall(r"blueprint_url=\S+%2F(\w+)\.yaml\)", docs)

    assert sorted(linked) == [path.stem for path in BLUEPRINTS]
