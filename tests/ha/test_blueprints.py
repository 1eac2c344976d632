"""Every blueprint loads and does what it says, and old punches set none of them off."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.bridge import terminal_options
from tests.ha.conftest import House
from zkbridge.simulator import SimulatedPunch, SimulatedTerminal, pack_time

PUNCHES = ["event.front_door_punch"]
COUNT = [{"action": "counter.increment", "target": {"entity_id": "counter.guarded"}}]
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def use(blueprint: str, **chosen: object) -> dict[str, Any]:
    return {
        "alias": blueprint,
        "use_blueprint": {
            "path": f"zkbridge/{blueprint}.yaml",
            "input": {"action": COUNT} | chosen,
        },
    }


def loaded(house: House, *automations: dict[str, Any]) -> None:
    found = house.home.automations(*automations)
    states = {name: entity["state"] for name, entity in found.items()}
    assert set(states.values()) == {"on"}
    assert len(states) == len(automations)
    house.home.call("counter.reset", entity_id="counter.guarded")


def settled_count(house: House, text: str) -> str:
    """The counter once everything before now has been worked off."""
    house.home.call("input_text.set_value", entity_id="input_text.lab_text", value=text)
    house.home.wait_state("input_text.lab_text", text)
    return house.home.value("counter.guarded")


@pytest.fixture(scope="module", autouse=True)
def used_before(house: House) -> None:
    """The first punch ever leads from unknown, which the guards take for a restart."""
    house.punch("7")
    house.terminal.alarm(55)
    house.home.wait_until(
        lambda: (
            house.home.entities().get("zkbridge_front_door-alarm", {"state": None})["state"]
            is not None
        ),
        "alarm entity",
    )

    def heard() -> bool:
        # Home Assistant subscribes a moment after the entity is there.
        house.terminal.alarm(55)
        return house.home.value("event.front_door_alarm") != "unknown"

    house.home.wait_until(heard, "an alarm")


def test_notify_arrival_reacts_to_chosen_people(house: House) -> None:
    loaded(house, use("notify_arrival", punches=PUNCHES, people=["7"]))

    house.punch("8")
    house.punch("7", state=1)
    house.punch("7", state=0)

    house.home.wait_state("counter.guarded", "1")
    assert settled_count(house, "arrival") == "1"


def test_action_on_punch_reacts_in_its_time_window_only(house: House) -> None:
    loaded(
        house,
        use("action_on_punch", punches=PUNCHES, people=["7"], weekdays=EVERY_DAY),
        use("action_on_punch", punches=PUNCHES, people=[], weekdays=EVERY_DAY)
        | {"alias": "nobody"},
        use("action_on_punch", punches=PUNCHES, people=["7"], weekdays=[yesterday()])
        | {"alias": "another day"},
    )

    house.punch("7", state=0)

    house.home.wait_state("counter.guarded", "1")
    assert settled_count(house, "window") == "1"


def yesterday() -> str:
    return EVERY_DAY[(datetime.now(UTC) - timedelta(days=1)).weekday()]


def test_alarm_alert_reacts_to_tampering(house: House) -> None:
    loaded(house, use("alarm_alert", alarms=["event.front_door_alarm"], kinds=["tamper"]))

    house.terminal.alarm(53)
    house.terminal.alarm(55)

    house.home.wait_state("counter.guarded", "1")
    assert settled_count(house, "tamper") == "1"


def test_terminal_health_reacts_to_offline_clock_and_a_full_log(house: House) -> None:
    loaded(
        house,
        use(
            "terminal_health",
            online=["binary_sensor.front_door_online"],
            log_used=["sensor.front_door_log_used"],
            clock_drift=["sensor.front_door_clock_drift"],
            offline_for={"seconds": 1},
        ),
    )

    house.terminal.stop()
    house.home.wait_state("counter.guarded", "1")
    house.terminal.set_clock(600)
    house.terminal.start()
    house.home.wait_state("counter.guarded", "2")
    assert settled_count(house, "health") == "2"

    # Its clock is looked at with every connection.
    house.terminal.set_clock(0)
    house.terminal.stop()
    house.terminal.start()
    house.home.wait_until(
        lambda: house.home.value("sensor.front_door_clock_drift") in {"-1", "0", "1"},
        "right clock",
    )


def test_not_seen_tells_who_is_missing(house: House) -> None:
    house.punch("7", state=0)
    house.punch("8", state=1)
    house.home.wait_state("device_tracker.zkbridge_ada_lovelace", "home")
    house.home.wait_state("device_tracker.zkbridge_grace_hopper", "not_home")
    soon = datetime.now(UTC) + timedelta(seconds=5)
    both = ["device_tracker.zkbridge_ada_lovelace", "device_tracker.zkbridge_grace_hopper"]
    say = {
        "action": "input_text.set_value",
        "target": {"entity_id": "input_text.lab_text"},
        "data": {"value": "{{ missing | join(', ') }}"},
    }

    loaded(
        house,
        use(
            "not_seen",
            people=both,
            online=["binary_sensor.front_door_online"],
            at=soon.strftime("%H:%M:%S"),
            weekdays=EVERY_DAY,
            action=[say],
        ),
    )

    house.home.wait_state("input_text.lab_text", "zkbridge Grace Hopper")


def test_a_year_of_backfill_sets_nothing_off(house: House) -> None:
    loaded(
        house,
        use("notify_arrival", punches=PUNCHES),
        use("action_on_punch", punches=PUNCHES, people=["7", "8"], weekdays=EVERY_DAY),
        use("notify_arrival", punches=["event.back_door_punch"]) | {"alias": "back door"},
    )
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    year = [
        SimulatedPunch("7", pack_time(now - timedelta(days=day, hours=2)), 1, 0, 1)
        for day in range(365, 0, -1)
    ]
    with SimulatedTerminal(serial="AJNE210000002", timezone=UTC) as second:
        second.load_punches(year)
        house.bridge.options["terminals"].append(
            terminal_options(second, name="Back door", backfill="all")
        )
        house.bridge.reload()

        house.listener.wait_count("zkbridge/back_door/punch/late", 365, 60)
        house.home.wait_until(
            lambda: house.home.value("event.back_door_late_punch") != "unknown", "late punches"
        )

    assert house.listener.on("zkbridge/back_door/punch") == []
    assert house.home.value("event.back_door_punch") == "unknown"
    assert settled_count(house, "backfill") == "0"


def test_home_assistant_has_nothing_to_complain_about(house: House) -> None:
    assert house.home.complaints() == []
