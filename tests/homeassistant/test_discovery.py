"""What Home Assistant is told, message by message."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from zkbridge.config import PeopleOptions
from zkbridge.events import DeviceFacts, Mode, Terminal, TerminalState, TerminalView
from zkbridge.homeassistant import DiscoveryOptions, discovery_messages
from zkbridge.mqtt.messages import Message
from zkbridge.mqtt.topics import Topics

GOLDEN = Path(__file__).parent / "golden"
BRIDGE = "homeassistant/device/zkbridge_bridge/config"
FRONT_DOOR = "homeassistant/device/zkbridge_front_door/config"

PLAIN = DiscoveryOptions(version="1.2.3")
EVERYTHING = DiscoveryOptions(
    version="1.2.3",
    topics=Topics("office/zk", "ha"),
    page_url="http://192.0.2.5:8099",
    people=PeopleOptions(photos=True, presence=True, tags=True),
    persons={"7": "Ann", "0042": None, "a/b": "Zoë\x1b[1m"},
)


def a_view(
    *,
    terminal_id: str = "front_door",
    state: TerminalState | None = None,
    facts: DeviceFacts | None = None,
    online: bool | None = True,
) -> TerminalView:
    return TerminalView(
        terminal=Terminal(key="S1", id=terminal_id, name="Front door", serial="AJNE210000001"),
        state=state
        or TerminalState(
            users=3,
            fingerprints=5,
            faces=None,
            punches=10,
            log_used=0.4,
            firmware="Ver 6.60 Apr 28 2017",
            platform="ZMM220_TFT",
            mode=Mode.LIVE,
            synced=True,
        ),
        facts=facts or DeviceFacts(model="K40", mac="00:17:61:c8:ec:17", host="192.0.2.9"),
        online=online,
    )


NEW = TerminalView(terminal=Terminal(key="192.0.2.9:4370", id="front_door", name="Front door"))
FULL = a_view(
    state=TerminalState(
        users=3, fingerprints=5, faces=2, punches=10, log_used=0.4, firmware="Ver 8", platform="Z"
    ),
    facts=DeviceFacts(model="uFace", mac="00:17:61:c8:ec:17", has_alarms=True, has_faces=True),
)


def payload_of(messages: Sequence[Message], topic: str) -> dict[str, Any]:
    (message,) = (m for m in messages if m.topic == topic)
    content = json.loads(message.payload)
    assert isinstance(content, dict)
    return content


def components(messages: Sequence[Message], topic: str) -> dict[str, Any]:
    found = payload_of(messages, topic)["components"]
    assert isinstance(found, dict)
    return found


def remembered(messages: Sequence[Message]) -> Mapping[str, bytes]:
    return {message.topic: message.payload for message in messages}


@pytest.mark.parametrize(
    ("view", "options", "golden"),
    [
        pytest.param(NEW, PLAIN, "never_reached", id="never reached"),
        pytest.param(
            a_view(), PLAIN, "plain", id="fingerprint terminal, options at their defaults"
        ),
        pytest.param(FULL, EVERYTHING, "everything", id="face terminal with all opt-ins"),
    ],
)
def test_messages_are_exactly_these(
    view: TerminalView, options: DiscoveryOptions, golden: str
) -> None:
    expected = json.loads((GOLDEN / f"{golden}.json").read_text())

    messages = discovery_messages([view], options)

    assert all(message.retain and message.qos == 1 for message in messages)
    assert {m.topic: json.loads(m.payload) for m in messages} == expected


def test_the_bridge_is_announced_before_its_terminals() -> None:
    topics = [message.topic for message in discovery_messages([a_view()], PLAIN)]

    assert topics == [BRIDGE, FRONT_DOOR]


def test_the_same_world_makes_the_same_bytes() -> None:
    first = discovery_messages([a_view()], EVERYTHING)

    assert discovery_messages([a_view()], EVERYTHING, remembered(first)) == first


def test_a_renamed_terminal_keeps_every_id() -> None:
    before = components(discovery_messages([a_view()], PLAIN), FRONT_DOOR)
    view = a_view()
    renamed = TerminalView(
        terminal=Terminal(key="S1", id="front_door", name="Entrance"),
        state=view.state,
        facts=view.facts,
        online=True,
    )

    after = components(discovery_messages([renamed], PLAIN), FRONT_DOOR)

    assert after == before


def test_unique_ids_differ_between_all_entities_of_two_terminals() -> None:
    messages = discovery_messages([FULL, a_view(terminal_id="back_door")], EVERYTHING)

    ids = [
        component["unique_id"]
        for message in messages
        for component in json.loads(message.payload)["components"].values()
        if "unique_id" in component
    ]

    assert len(ids) == len(set(ids)) > 40


def test_a_switched_off_option_is_taken_back_by_the_removal_form() -> None:
    first = discovery_messages([FULL], EVERYTHING)
    off = DiscoveryOptions(version="1.2.3", topics=EVERYTHING.topics)
    bridge, terminal = (m.topic for m in first)

    second = discovery_messages([FULL], off, remembered(first))

    assert components(second, terminal)["card"] == {"platform": "tag"}
    assert components(second, terminal)["portrait"] == {"platform": "image"}
    gone = {k: v for k, v in components(second, bridge).items() if k.startswith("people-")}
    assert sorted(gone) == ["people-0042", "people-7", "people-x612f62"]
    assert all(component == {"platform": "device_tracker"} for component in gone.values())


def test_a_removal_is_repeated_until_home_assistant_has_seen_it() -> None:
    first = discovery_messages([FULL], EVERYTHING)
    off = DiscoveryOptions(version="1.2.3", topics=EVERYTHING.topics)
    second = discovery_messages([FULL], off, remembered(first))
    terminal = first[1].topic

    again = discovery_messages([FULL], off, remembered(second))
    settled = discovery_messages([FULL], off, remembered(second), settled=True)

    assert components(again, terminal)["card"] == {"platform": "tag"}
    assert "card" not in components(settled, terminal)


def test_an_option_switched_on_again_replaces_its_removal() -> None:
    first = discovery_messages([FULL], EVERYTHING)
    off = DiscoveryOptions(version="1.2.3", topics=EVERYTHING.topics)
    second = discovery_messages([FULL], off, remembered(first))

    third = discovery_messages([FULL], EVERYTHING, remembered(second))

    assert third == first


def test_a_removed_terminal_gets_an_empty_retained_message_once() -> None:
    first = discovery_messages([a_view()], PLAIN)

    second = discovery_messages([], PLAIN, remembered(first))
    third = discovery_messages([], PLAIN, remembered(second))

    assert [m.topic for m in second] == [BRIDGE, FRONT_DOOR]
    assert second[1] == Message(FRONT_DOOR, b"", qos=1, retain=True)
    assert [m.topic for m in third] == [BRIDGE]


def test_switching_discovery_off_takes_everything_back() -> None:
    first = discovery_messages([a_view()], PLAIN)

    off = discovery_messages(
        [a_view()], DiscoveryOptions(version="1.2.3", enabled=False), remembered(first)
    )

    assert off == [Message(BRIDGE, b"", retain=True), Message(FRONT_DOOR, b"", retain=True)]


@pytest.mark.parametrize("online", [None, False, True])
def test_counts_stay_until_the_terminal_was_read(*, online: bool | None) -> None:
    first = discovery_messages([a_view()], PLAIN)
    told_nothing = a_view(
        state=TerminalState(firmware="Ver 6.60 Apr 28 2017", platform="ZMM220_TFT"), online=online
    )

    messages = discovery_messages([told_nothing], PLAIN, remembered(first))

    assert components(messages, FRONT_DOOR) == components(first, FRONT_DOOR)


def test_a_count_that_an_answering_terminal_does_not_report_is_taken_back() -> None:
    first = discovery_messages([FULL], PLAIN)

    messages = discovery_messages([a_view()], PLAIN, remembered(first))

    assert components(messages, FRONT_DOOR)["faces"] == {"platform": "sensor"}


def test_an_alarm_entity_outlives_a_lost_store() -> None:
    first = discovery_messages([FULL], PLAIN)

    messages = discovery_messages([a_view()], PLAIN, remembered(first))

    assert components(messages, FRONT_DOOR)["alarm"] == components(first, FRONT_DOOR)["alarm"]


@pytest.mark.parametrize(
    "mac",
    [
        pytest.param("00:00:00:00:00:00", id="zero"),
        pytest.param("ff:ff:ff:ff:ff:ff", id="broadcast"),
        pytest.param("not a mac", id="text"),
        pytest.param(None, id="unknown"),
    ],
)
def test_a_mac_that_is_none_never_becomes_a_connection(mac: str | None) -> None:
    messages = discovery_messages([a_view(facts=DeviceFacts(mac=mac))], PLAIN)

    assert "connections" not in payload_of(messages, FRONT_DOOR)["device"]


def test_a_mac_that_two_terminals_tell_joins_no_devices() -> None:
    messages = discovery_messages([a_view(), a_view(terminal_id="back_door")], PLAIN)

    assert all("connections" not in json.loads(m.payload)["device"] for m in messages)


def test_hostile_texts_of_a_terminal_arrive_without_control_characters() -> None:
    view = a_view(
        state=TerminalState(firmware="Ver\x00\x1b[31m\u202e6" + "x" * 500),
        facts=DeviceFacts(model="K40\r\n\ud800"),
    )

    device = payload_of(discovery_messages([view], PLAIN), FRONT_DOOR)["device"]

    assert device["model"] == "K40"
    assert device["sw_version"].startswith("Ver [31m 6x")
    assert len(device["sw_version"]) == 64


def test_only_included_people_get_a_tracker_and_names_can_be_off() -> None:
    options = DiscoveryOptions(
        version="1.2.3",
        people=PeopleOptions(presence=True, names=False, include=("7",)),
        persons={"7": "Ann", "8": "Bob"},
    )

    found = components(discovery_messages([], options), BRIDGE)

    people = {key: value for key, value in found.items() if key.startswith("people-")}
    assert list(people) == ["people-7"]
    assert people["people-7"]["name"] == "7"


@pytest.mark.parametrize(
    "kept",
    [b"", b"{", b"[]", b"null", b'{"components": [1]}', b'{"components": {"a": 1}}', b"\xff"],
)
def test_a_broken_memory_counts_as_nothing_sent(kept: bytes) -> None:
    messages = discovery_messages([a_view()], PLAIN, {FRONT_DOOR: kept})

    assert messages == discovery_messages([a_view()], PLAIN)


def test_what_automations_watch_never_becomes_unavailable() -> None:
    found = components(
        discovery_messages([FULL], EVERYTHING),
        FRONT_DOOR.replace("homeassistant/device/zkbridge", "ha/device/office_zk"),
    )

    watched = [
        component
        for key, component in found.items()
        if component["platform"] in {"event", "device_automation", "tag"} or key.startswith("last_")
    ]

    assert len(watched) == 14
    assert all("availability" not in component for component in watched)


PRESENT = PeopleOptions(presence=True)


def with_people(
    people: PeopleOptions = PRESENT, *, complete: bool = True, **persons: str | None
) -> DiscoveryOptions:
    return DiscoveryOptions(
        version="1.2.3", people=people, persons=persons, persons_complete=complete
    )


def people(messages: Sequence[Message]) -> dict[str, str]:
    return {
        key: component.get("name", "removed")
        for key, component in components(messages, BRIDGE).items()
        if key.startswith("people-")
    }


def test_people_announced_earlier_stay_until_every_terminal_was_asked() -> None:
    before = remembered(discovery_messages([], with_people(ada="Ada", bob="Bob")))

    starting = discovery_messages([], with_people(complete=False), before, settled=True)
    asked = discovery_messages([], with_people(ada="Ada L."), remembered(starting))

    assert remembered(starting) == before
    assert people(asked) == {"people-ada": "Ada L.", "people-bob": "removed"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param(
            PeopleOptions(presence=True, names=False),
            {"people-ada": "ada", "people-bob": "bob"},
            id="names off",
        ),
        pytest.param(
            PeopleOptions(presence=True, include=("bob",)),
            {"people-ada": "removed", "people-bob": "Bob"},
            id="for some only",
        ),
        pytest.param(
            PeopleOptions(), {"people-ada": "removed", "people-bob": "removed"}, id="switched off"
        ),
    ],
)
def test_people_announced_earlier_stay_only_as_the_options_allow(
    options: PeopleOptions, expected: dict[str, str]
) -> None:
    before = remembered(discovery_messages([], with_people(ada="Ada", bob="Bob")))

    messages = discovery_messages([], with_people(options, complete=False), before)

    assert people(messages) == expected
