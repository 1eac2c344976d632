"""What is no longer wanted disappears from Home Assistant."""

from datetime import UTC

from tests.bridge import terminal_options
from tests.ha.conftest import PEOPLE, House
from zkbridge.simulator import SimulatedTerminal


def test_switched_off_options_take_their_entities_along(house: House) -> None:
    gone = {
        "zkbridge_front_door-portrait",
        "zkbridge_people-7",
        "zkbridge_people-8",
    }
    house.punch("7")
    house.punch("8")
    house.home.wait_until(lambda: gone <= set(house.home.entities()), "everything announced")

    house.bridge.options["people"] = {"photos": False, "presence": False, "tags": False}
    house.bridge.reload()

    house.home.wait_until(lambda: not gone & set(house.home.entities()), "removal")
    assert "zkbridge_front_door-punch" in house.home.entities()


def test_a_renamed_terminal_keeps_its_entities(house: House) -> None:
    before = {key: entity["entity_id"] for key, entity in house.home.entities().items()}

    house.bridge.options["terminals"][0] |= {"name": "Entrance"}
    house.bridge.reload()
    house.home.wait_until(
        lambda: house.home.devices()["zkbridge_front_door"]["name"] == "Entrance", "new name"
    )

    assert {key: entity["entity_id"] for key, entity in house.home.entities().items()} == before


def test_what_is_removed_while_home_assistant_is_away_disappears_too(house: House) -> None:
    house.bridge.options["people"] = PEOPLE
    with SimulatedTerminal(serial="AJNE210000003", timezone=UTC) as second:
        house.bridge.options["terminals"].append(terminal_options(second, name="Side door"))
        house.bridge.reload()
        gone = {
            "zkbridge_front_door-portrait",
            "zkbridge_people-7",
            "zkbridge_side_door-punch",
            "zkbridge_side_door-users",
        }
        house.home.wait_until(lambda: gone <= set(house.home.entities()), "everything announced")
        house.home.stop()
        house.listener.clear()

        house.bridge.options["people"] = {"photos": False, "presence": False, "tags": False}
        house.bridge.options["terminals"].pop()
        house.bridge.reload()
        house.listener.wait_for(
            lambda rs: any(r.topic.endswith("zkbridge_side_door/config") for r in rs)
        )
    house.home.start()
    assert gone & set(house.home.entities())

    house.home.wait_until(lambda: not gone & set(house.home.entities()), "removal")
    assert "zkbridge_side_door" not in house.home.devices()
    assert "zkbridge_front_door-punch" in house.home.entities()
    house.home.wait_state("binary_sensor.front_door_online", "on")


def test_a_removed_terminals_device_disappears(house: House) -> None:
    house.bridge.options["terminals"] = []
    house.bridge.reload()

    house.home.wait_until(
        lambda: set(house.home.devices()) == {"zkbridge_bridge"}, "removal of the device"
    )
    assert all(key.startswith("zkbridge_bridge") for key in house.home.entities())


def test_a_terminal_that_comes_back_is_announced_again(house: House) -> None:
    house.bridge.options["terminals"] = [terminal_options(house.terminal)]
    house.bridge.reload()

    house.home.wait_until(
        lambda: "zkbridge_front_door" in house.home.devices(), "device of the terminal"
    )
    house.home.wait_state("binary_sensor.front_door_online", "on")
    assert house.home.complaints() == []
