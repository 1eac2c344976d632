"""Whatever is restarted in whatever order: states come back, no event is lost or repeated."""

import json

from tests.ha.conftest import House
from tests.ha.test_entities import count_on

EVENTS = ("event.front_door_punch", "event.front_door_late_punch")
GUARDED = {
    "trigger": "state",
    "entity_id": "event.front_door_punch",
    "not_from": ["unavailable"],
    "not_to": ["unavailable", "unknown"],
}
# What a beginner writes; events that never go unavailable make it harmless too.
PLAIN = {"trigger": "state", "entity_id": list(EVENTS)}


def ours(house: House) -> dict[str, str]:
    """State of each of our enabled entities, by entity id.

    An image's state is when Home Assistant got it; all that counts is that it has one.
    """
    states = {
        entity["entity_id"]: entity["state"]["state"]
        for entity in house.home.entities().values()
        if entity["state"] is not None
    }
    portrait = states["image.front_door_portrait"]
    return states | {"image.front_door_portrait": str(portrait not in {"unknown", "unavailable"})}


def nothing_unavailable(house: House) -> bool:
    return "unavailable" not in ours(house).values() and "False" not in ours(house).values()


def test_a_restart_of_home_assistant_brings_all_states_back(house: House) -> None:
    house.punch("7")
    house.home.wait_state("sensor.front_door_punches_today", "1")
    house.home.wait_state("sensor.front_door_punches_stored", "1")
    house.home.wait_state("device_tracker.zkbridge_ada_lovelace", "home")
    house.home.wait_until(
        lambda: house.home.value("image.front_door_portrait") != "unknown", "portrait"
    )
    before = ours(house)

    house.home.stop()
    house.listener.clear()
    house.home.start()
    house.listener.wait_for(
        lambda rs: any(r.topic == "homeassistant/status" and r.payload == b"online" for r in rs), 60
    )
    house.home.wait_until(lambda: nothing_unavailable(house), "state of everything")

    assert ours(house) == before


def test_a_punch_during_a_restart_arrives_exactly_once(house: House) -> None:
    house.home.automations(
        count_on(GUARDED, "by_event"),
        count_on({"trigger": "tag", "tag_id": "zk-8"}, "by_tag"),
    )
    house.listener.clear()
    house.home.stop()
    house.listener.wait_for(
        lambda rs: any(r.topic == "homeassistant/status" and r.payload == b"offline" for r in rs)
    )

    house.terminal.punch("8")
    house.home.start()

    house.home.wait_state("counter.by_event", "1")
    house.home.wait_state("counter.by_tag", "1")
    sent = [
        json.loads(record.payload) for record in house.listener.on("zkbridge/front_door/punch/#")
    ]
    assert [punch["user_id"] for punch in sent] == ["8"]
    assert house.home.value("counter.by_event") == "1"


def test_stopping_the_terminal_changes_no_event(house: House) -> None:
    house.home.automations(count_on(PLAIN, "other"))
    before = {name: house.home.value(name) for name in EVENTS}

    house.terminal.stop()
    house.home.wait_state("binary_sensor.front_door_online", "off")
    house.home.wait_state("binary_sensor.front_door_problem", "on")
    during = {name: house.home.value(name) for name in EVENTS}
    problem = house.home.state("binary_sensor.front_door_problem")["attributes"]
    house.terminal.start()
    house.home.wait_state("binary_sensor.front_door_online", "on")

    assert during == before
    assert {name: house.home.value(name) for name in EVENTS} == before
    assert house.home.value("counter.other") == "0"
    assert problem["error"] == "unreachable"
    assert problem["text"]
    assert problem["cure"]


def test_stopping_the_bridge_changes_no_event(house: House) -> None:
    house.home.automations(count_on(PLAIN, "other"))
    before = {name: house.home.value(name) for name in EVENTS}

    code = house.bridge.stop()
    house.home.wait_state("binary_sensor.zkbridge_connected", "off")
    house.home.wait_state("binary_sensor.front_door_online", "unavailable")
    during = {name: house.home.value(name) for name in EVENTS}
    house.bridge.start()
    house.home.wait_state("binary_sensor.front_door_online", "on")
    house.home.wait_until(lambda: nothing_unavailable(house), "state of everything")

    assert code == 0
    assert during == before
    assert {name: house.home.value(name) for name in EVENTS} == before
    assert house.home.value("counter.other") == "0"


def test_a_restart_of_the_broker_brings_all_states_back(house: House) -> None:
    before = ours(house)

    house.listener.expect_restart()
    house.broker.restart(kill=True)
    house.listener.wait_ready()
    house.home.wait_until(lambda: nothing_unavailable(house), "state of everything")
    house.home.wait_until(lambda: ours(house) == before, "the same states")

    house.home.automations(count_on(GUARDED, "guarded"))
    house.punch("7")
    house.home.wait_state("counter.guarded", "1")


def test_broker_and_home_assistant_together(house: House) -> None:
    house.home.stop()
    house.listener.expect_restart()
    house.broker.stop()
    house.broker.start()
    house.listener.wait_ready()
    house.home.start()

    house.home.wait_until(
        lambda: nothing_unavailable(house) and len(ours(house)) > 20, "state of everything"
    )


def test_none_of_this_left_a_complaint_of_ours(house: House) -> None:
    # A broker that is gone is Home Assistant's to complain about, not about us.
    complaints = [
        line for line in house.home.complaints() if "mqtt.client" not in line and "paho" not in line
    ]

    assert complaints == []
