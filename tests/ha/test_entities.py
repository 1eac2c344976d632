"""What Home Assistant makes of a terminal, and that a punch sets off automations."""

import json
from typing import Any

import pytest

from tests.ha.conftest import PICTURE, House

DIAGNOSTIC = "diagnostic"
# Unique id: entity id, category, enabled, state; None: any.
TERMINAL: dict[str, tuple[str, str | None, bool, str | None]] = {
    "punch": ("event.front_door_punch", None, True, "unknown"),
    "late_punch": ("event.front_door_late_punch", DIAGNOSTIC, True, "unknown"),
    "operation": ("event.front_door_operation", DIAGNOSTIC, False, None),
    "online": ("binary_sensor.front_door_online", DIAGNOSTIC, True, "on"),
    "problem": ("binary_sensor.front_door_problem", DIAGNOSTIC, True, "off"),
    "clock_drift": ("sensor.front_door_clock_drift", DIAGNOSTIC, True, None),
    "firmware": ("sensor.front_door_firmware", DIAGNOSTIC, False, None),
    "mode": ("sensor.front_door_mode", DIAGNOSTIC, False, None),
    "last_punch": ("sensor.front_door_last_punch", None, True, None),
    "last_user": ("sensor.front_door_last_user", None, True, None),
    "punches_today": ("sensor.front_door_punches_today", None, True, "0"),
    "users": ("sensor.front_door_users", DIAGNOSTIC, True, "2"),
    "fingerprints": ("sensor.front_door_fingerprints", DIAGNOSTIC, True, "0"),
    "faces": ("sensor.front_door_faces", DIAGNOSTIC, True, "0"),
    "punches": ("sensor.front_door_punches_stored", DIAGNOSTIC, True, "0"),
    "log_used": ("sensor.front_door_log_used", DIAGNOSTIC, True, None),
    "portrait": ("image.front_door_portrait", None, True, "unknown"),
    "poll": ("button.front_door_poll", DIAGNOSTIC, True, "unknown"),
    "replay_today": ("button.front_door_replay_today", DIAGNOSTIC, True, "unknown"),
}
BRIDGE: dict[str, tuple[str, str | None, bool, str | None]] = {
    "bridge-connected": ("binary_sensor.zkbridge_connected", DIAGNOSTIC, True, "on"),
    "bridge-queue": ("sensor.zkbridge_queue", DIAGNOSTIC, True, "0"),
    "bridge-version": ("sensor.zkbridge_version", DIAGNOSTIC, True, None),
    "bridge-log_level": ("select.zkbridge_log_level", "config", True, "debug"),
}
EXPECTED = {f"zkbridge_front_door-{key}": value for key, value in TERMINAL.items()} | {
    f"zkbridge_{key}": value for key, value in BRIDGE.items()
}


def count_on(trigger: dict[str, Any], counter: str) -> dict[str, Any]:
    return {
        "alias": counter,
        "triggers": [trigger],
        "actions": [{"action": "counter.increment", "target": {"entity_id": f"counter.{counter}"}}],
        "mode": "queued",
        "max": 100,
    }


def test_every_entity_is_there_with_the_right_state_and_category(house: House) -> None:
    found = {key: e for key, e in house.home.entities().items() if "people-" not in key}

    seen = {
        key: (
            entity["entity_id"],
            entity["entity_category"],
            entity["disabled_by"] is None,
            (entity["state"] or {}).get("state") if EXPECTED[key][3] is not None else None,
        )
        for key, entity in found.items()
    }
    assert seen == EXPECTED


def test_the_device_page_is_complete(house: House) -> None:
    devices = house.home.devices()

    assert set(devices) == {"zkbridge_bridge", "zkbridge_front_door"}
    device = devices["zkbridge_front_door"]
    assert device["name"] == "Front door"
    assert device["manufacturer"] == "ZKTeco"
    assert device["model"] == "Simulated"
    assert device["sw_version"] == "Ver 6.60 Apr 28 2017"
    assert device["hw_version"] == "ZMM220_TFT"
    assert device["serial_number"] == "AJNE210000001"
    assert device["connections"] == [["mac", "00:17:61:00:00:01"]]
    assert device["via_device_id"] == devices["zkbridge_bridge"]["id"]


def test_every_entity_belongs_to_its_device(house: House) -> None:
    devices = house.home.devices()

    for key, entity in house.home.entities().items():
        owner = "zkbridge_front_door" if key.startswith("zkbridge_front") else "zkbridge_bridge"
        assert entity["device_id"] == devices[owner]["id"], key


def test_a_punch_sets_off_automations_by_entity_device_and_tag(house: House) -> None:
    device = house.home.devices()["zkbridge_front_door"]["id"]
    house.home.automations(
        count_on(
            {
                "trigger": "event.received",
                "target": {"entity_id": "event.front_door_punch"},
                "options": {"event_type": ["check_in"]},
            },
            "by_event",
        ),
        count_on(
            {
                "trigger": "device",
                "domain": "mqtt",
                "device_id": device,
                "type": "check_in",
                "subtype": "punch",
            },
            "by_device",
        ),
        count_on({"trigger": "tag", "tag_id": "zk-7"}, "by_tag"),
    )

    house.punch("7", state=0)
    house.punch("8", state=1)

    house.home.wait_state("counter.by_event", "1")
    house.home.wait_state("counter.by_device", "1")
    house.home.wait_state("counter.by_tag", "1")
    house.home.wait_state("sensor.front_door_punches_today", "2")
    house.home.wait_state("device_tracker.zkbridge_ada_lovelace", "home")
    house.home.wait_state("device_tracker.zkbridge_grace_hopper", "not_home")
    attributes = house.home.state("event.front_door_punch")["attributes"]
    assert attributes["event_type"] == "check_out"
    assert attributes["user_name"] == "Grace Hopper"
    assert house.home.value("sensor.front_door_last_user") == "Grace Hopper"


def test_the_last_persons_portrait_is_shown(house: House) -> None:
    house.punch("7")

    house.home.wait_until(
        lambda: house.home.value("image.front_door_portrait") != "unknown", "portrait"
    )
    assert house.home.picture("image.front_door_portrait") == PICTURE


def test_an_alarm_makes_its_entity(house: House) -> None:
    assert "zkbridge_front_door-alarm" not in house.home.entities()

    house.terminal.alarm(55)

    house.home.wait_until(
        lambda: "zkbridge_front_door-alarm" in house.home.entities(), "alarm entity"
    )


@pytest.mark.parametrize("level", ["info", "debug"])
def test_the_log_level_can_be_chosen(house: House, level: str) -> None:
    house.home.call("select.select_option", entity_id="select.zkbridge_log_level", option=level)

    house.home.wait_state("select.zkbridge_log_level", level)


def test_the_poll_button_asks_the_terminal(house: House) -> None:
    before = len(house.listener.on("zkbridge/front_door/command"))

    house.home.call("button.press", entity_id="button.front_door_poll")

    (*_, record) = house.listener.wait_count("zkbridge/front_door/command", before + 1)
    assert json.loads(record.payload) == {"command": "poll"}


def test_the_replay_button_sends_today_again_on_the_late_topic(house: House) -> None:
    house.punch("7")
    before = len(house.listener.on("zkbridge/front_door/punch/late"))

    house.home.call("button.press", entity_id="button.front_door_replay_today")

    records = house.listener.wait_count("zkbridge/front_door/punch/late", before + 3)
    replayed = [json.loads(record.payload) for record in records[before:]]
    assert {punch["source"] for punch in replayed} == {"replay"}


def test_home_assistant_has_nothing_to_complain_about(house: House) -> None:
    assert house.home.complaints() == []
    assert house.home.dump()["issues"] == []
