"""The built documentation: complete, without dead links, without strangers."""

import inspect
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.docs.pages import DOCS, Pages
from zkbridge import zk
from zkbridge.cli.application import app
from zkbridge.config import Options
from zkbridge.events import Trouble
from zkbridge.homeassistant.entities import BRIDGE, TERMINAL
from zkbridge.homeassistant.model import Place
from zkbridge.metrics import CountingMetrics, Readings, TerminalReading
from zkbridge.mqtt.topics import Topics
from zkbridge.troubles import TROUBLES
from zkbridge.vocabulary import ALARM_TYPES, OPERATIONS, PUNCH_TYPES, VERIFY_METHODS
from zkbridge.web.routes import endpoint_paths

pytestmark = pytest.mark.slow

WRITTEN = sorted(path.stem for path in DOCS.glob("*.md"))


@pytest.mark.parametrize("name", WRITTEN)
def test_every_link_leads_somewhere(pages: Pages, name: str) -> None:
    assert pages.broken_links(f"{name}.html") == []


def test_a_dead_link_would_be_found(pages: Pages) -> None:
    page = pages["index.html"]
    page.links += ["nowhere.html", "topics.html#nowhere"]
    try:
        assert pages.broken_links("index.html") == ["nowhere.html", "topics.html#nowhere"]
    finally:
        del page.links[-2:]


def test_pages_load_nothing_from_other_hosts(pages: Pages) -> None:
    for name in pages.names():
        strangers = [each for each in pages[name].loaded if "//" in each]

        assert strangers == [], name


def test_no_page_says_the_same_heading_twice_in_a_row(pages: Pages) -> None:
    for name in WRITTEN:
        headings = pages[f"{name}.html"].headings

        assert headings, name
        assert all(a != b for a, b in pairwise(headings)), name


# Complete


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[’']", "'", text).split())  # noqa: RUF001 - as it is typeset


def _option_paths(schema: dict[str, object], prefix: str = "") -> list[str]:
    definitions = Options.model_json_schema()["$defs"]
    found: list[str] = []
    for name, field in schema["properties"].items():  # type: ignore[attr-defined]  # JSON schema
        reference = re.search(r"#/\$defs/(\w+)", str(field))
        if reference and reference[1] != "Backfill":
            found += _option_paths(definitions[reference[1]], f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


OPTIONS = _option_paths(Options.model_json_schema())


def test_the_list_of_options_is_whole() -> None:
    assert len(OPTIONS) > 40
    assert {"mqtt.tls.verify", "terminals.backfill", "late_after", "people.include"} <= set(OPTIONS)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_documented(pages: Pages, option: str) -> None:
    page = pages["configuration.html"]
    section, _, key = option.rpartition(".")

    assert key in page.codes
    if section:
        assert {f"{section}.…"} <= page.codes
    if not section.startswith("terminals"):
        assert f"ZKBRIDGE_{option.upper().replace('.', '__')}" in page.codes


def test_every_description_is_shown_whole(pages: Pages) -> None:
    schema = Options.model_json_schema()
    models = [schema, *schema["$defs"].values()]
    told = [
        field["description"]
        for model in models
        for field in model["properties"].values()
        if "description" in field and "$ref" not in field
    ]
    text = _plain(pages["configuration.html"].text)

    assert len(told) > 40
    assert [each for each in told if _plain(each) not in text] == []


def test_every_option_of_the_addon_is_documented(pages: Pages, root: Path) -> None:
    page = pages["home-assistant.html"]
    addon = yaml.safe_load((root / "ha_addon/config.yaml").read_text(encoding="utf-8"))
    names = set(addon["schema"]) | {f"terminals[].{key}" for key in addon["schema"]["terminals"][0]}

    assert names <= page.codes
    assert "the tag zk-<user id>" in page.text


@pytest.mark.parametrize("entity", [*TERMINAL, *BRIDGE], ids=lambda each: each.key)
def test_every_entity_is_documented(pages: Pages, entity: object) -> None:
    page = pages["home-assistant.html"]
    key, name = getattr(entity, "key"), getattr(entity, "name")  # noqa: B009 - a union's attributes

    assert key in page.codes or key == "other_punch"
    assert name is None or name in page.text


@pytest.mark.parametrize("trouble", Trouble)
def test_every_trouble_of_a_terminal_is_documented(pages: Pages, trouble: Trouble) -> None:
    page = pages["troubleshooting.html"]

    assert trouble.value in page.codes
    assert f"trouble-{trouble.value.replace('_', '-')}" in page.ids
    said = TROUBLES[trouble].text.replace("'", "’")  # noqa: RUF001 - as it is typeset
    assert said in page.headings


def test_every_topic_is_documented(pages: Pages) -> None:
    page, topics = pages["topics.html"], Topics()
    made: set[str] = set()
    for name, member in inspect.getmembers(Topics):
        if name.startswith("_") or name in {"base", "discovery_prefix", "object_prefix"}:
            continue
        if isinstance(member, property):
            made.add(getattr(topics, name))
        elif name in {"punch", "oplog"}:
            made |= {getattr(topics, name)("<id>", late=late) for late in (False, True)}
        elif name == "person":
            made.add(topics.person("USER").replace("USER", "<user>"))
        elif name not in {"command_target", "device_id"}:
            made.add(getattr(topics, name)("<id>"))
    made.discard(topics.commands)  # a filter of our own

    assert len(made) >= 14
    assert made <= page.codes


def test_every_word_in_payloads_is_documented(pages: Pages) -> None:
    words = {*PUNCH_TYPES, *VERIFY_METHODS.values(), *OPERATIONS.values(), *ALARM_TYPES}

    assert words <= pages["topics.html"].codes


def test_the_shown_states_have_every_field_that_an_entity_reads(pages: Pages) -> None:
    payloads = [json.loads(shown) for shown in pages["topics.html"].shown if shown.startswith("{")]
    terminal = next(payload for payload in payloads if "clock_drift" in payload)
    bridge = next(payload for payload in payloads if "instance" in payload)

    for catalogue, state in ((TERMINAL, terminal), (BRIDGE, bridge)):
        reading = [each for each in catalogue if each.topics.get("state_topic") is Place.STATE]
        templates = " ".join(str(value) for each in reading for value in each.keys.values())
        fields = set(re.findall(r"value_json\.get\('(\w+)'\)", templates))

        assert fields
        assert fields <= set(state)


def test_every_field_of_the_payloads_is_documented(pages: Pages) -> None:
    page = pages["topics.html"]
    payloads = [json.loads(shown) for shown in page.shown if shown.startswith("{")]
    fields = {name for payload in payloads for name in payload}

    assert len(payloads) == 6
    assert {"user_id", "raw_time", "params", "clock_drift", "instance"} <= fields
    assert fields <= page.codes


@pytest.mark.parametrize("path", [path for path, _ in endpoint_paths()])
def test_every_address_is_documented(pages: Pages, path: str) -> None:
    page = pages["http.html"]

    known = {heading.partition(" ")[2] for heading in page.headings}
    assert path in known or f"GET {path.replace('{name}', '…')}" in page.codes


def test_every_metric_is_documented(pages: Pages) -> None:
    reading = TerminalReading(
        terminal_id="x", up=True, clock_drift_s=0, log_used=0, users=0, punches=0
    )
    readings = Readings(version="1", broker_connected=True, refused=0, terminals=(reading,))
    text = CountingMetrics(lambda: readings).exposition()[0].decode()
    families = list(text_string_to_metric_families(text))
    own = {f"{f.name}{'_total' * (f.type == 'counter')}" for f in families}
    own = {name for name in own if name.startswith("zkbridge_")}

    assert len(own) > 15
    assert own <= pages["metrics.html"].codes


@pytest.mark.parametrize("name", zk.__all__)
def test_every_public_name_is_documented(pages: Pages, name: str) -> None:
    assert f"zkbridge.zk.{name}" in pages["python.html"].ids


def test_every_command_is_documented(pages: Pages) -> None:
    page = pages["command-line.html"]
    names = {
        each.name or each.callback.__name__ for each in app.registered_commands if each.callback
    }

    assert len(names) > 10
    assert {f"command-{name}" for name in names} <= page.ids


def test_sources_of_protocol_facts_stay_in_the_code(pages: Pages) -> None:
    for name in pages.names():
        assert not re.search(r"protocol\.md|contract \d", pages[name].text), name
