"""What is taken back while Home Assistant is away is taken back once more after its birth."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.mosquitto import Mosquitto, Record, Subscriber
from tests.mqtt.conftest import MakePublisher
from tests.mqtt.rig import Site, wait_until
from tests.mqtt.test_home_assistant_status import say
from zkbridge.events import TerminalView
from zkbridge.homeassistant import DiscoveryOptions, discovery_messages
from zkbridge.mqtt.departed import Departed
from zkbridge.mqtt.messages import Message
from zkbridge.mqtt.publisher import Publisher
from zkbridge.mqtt.settings import Hooks, Settings
from zkbridge.store import Store

BRIDGE = "homeassistant/device/zkbridge_bridge/config"
DOOR = "homeassistant/device/zkbridge_door/config"
GATE = "homeassistant/device/zkbridge_gate/config"
FULL = {"platform": "sensor", "name": "Ada", "unique_id": "u-a", "state_topic": "t"}
OTHER = {"platform": "button", "name": "B", "unique_id": "u-b", "command_topic": "c"}
GONE = {"platform": "sensor"}


def settings(*terminals: str) -> Settings:
    return Settings(directions=dict.fromkeys(terminals, "state"))


def payload(**components: object) -> bytes:
    content = {"device": {"name": "D"}, "origin": {"name": "o"}, "components": components}
    return json.dumps(content).encode()


def discovery(
    views: Sequence[TerminalView],
    previous: Mapping[str, bytes],
    settled: bool,  # noqa: FBT001 - the hook's signature
) -> Sequence[Message]:
    return discovery_messages(views, DiscoveryOptions(version="1"), previous, settled=settled)


def started(start: MakePublisher, *terminals: str) -> Publisher:
    publisher = start(settings(*terminals), Hooks(discovery=discovery))
    publisher._announcer._jitter = lambda _low, _high: 0.05
    wait_until(lambda: publisher._ready)
    return publisher


def born(subscriber: Subscriber, publisher: Publisher) -> None:
    say(subscriber, "online", publisher)
    wait_until(lambda: publisher._announcer._listening)


def live(records: Sequence[Record], topic: str) -> list[dict[str, Any] | None]:
    found = [record.payload for record in records if record.topic == topic]
    return [json.loads(one) if one else None for one in found]


def test_a_terminal_removed_meanwhile_is_shown_and_removed_after_the_birth(
    site: Site, store: Store, broker: Mosquitto, subscriber: Subscriber, start: MakePublisher
) -> None:
    site.view("door")
    site.view("gate")
    publisher = started(start, "door", "gate")
    subscriber.wait_count(GATE, 1)
    say(subscriber, "offline", publisher)
    publisher.configure(settings("door"))
    wait_until(lambda: GATE not in store.sent_topics())
    # What is to be done outlives a restart.
    publisher.stop()
    assert publisher.join(5)
    publisher = started(start, "door")
    subscriber.clear()

    born(subscriber, publisher)

    shown, removed = live(subscriber.wait_count(GATE, 2), GATE)
    assert removed is None
    assert shown is not None
    assert "punch" in shown["components"]
    assert not any("name" in component for component in shown["components"].values())
    with Subscriber(broker.port) as later:
        later.wait_count(DOOR, 1)
        assert later.on(GATE) == []
    wait_until(lambda: store.noted("taken_back") == "")
    say(subscriber, "offline", publisher)
    subscriber.clear()
    born(subscriber, publisher)
    subscriber.wait_count(DOOR, 1)
    wait_until(lambda: publisher._announcer.due is None)
    assert subscriber.on(GATE) == []


def test_what_is_removed_while_home_assistant_listens_is_removed_once(
    site: Site, store: Store, subscriber: Subscriber, start: MakePublisher
) -> None:
    site.view("door")
    site.view("gate")
    publisher = started(start, "door", "gate")
    subscriber.wait_count(GATE, 1)
    born(subscriber, publisher)

    publisher.configure(settings("door"))

    wait_until(lambda: GATE not in store.sent_topics())
    assert not store.noted("taken_back")


def test_components_come_in_full_and_then_as_removals_beside_what_stays(store: Store) -> None:
    departed = Departed(store, clock=lambda: datetime.now(UTC))
    departed.note(BRIDGE, payload(a=FULL, b=OTHER), payload(a=GONE, b=OTHER))
    departed.save()
    again = Departed(store, clock=lambda: datetime.now(UTC))
    again.load()

    in_full, removals = again.messages({BRIDGE: payload(b=OTHER)})

    nameless = {key: value for key, value in FULL.items() if key != "name"}
    assert [(m.topic, m.retain, json.loads(m.payload)["components"]) for m in in_full] == [
        (BRIDGE, False, {"a": nameless})
    ]
    assert [json.loads(m.payload)["components"] for m in removals] == [{"a": GONE}]


def test_what_came_back_is_left_alone(store: Store) -> None:
    departed = Departed(store, clock=lambda: datetime.now(UTC))
    departed.note(BRIDGE, payload(a=FULL), b"")
    assert departed.messages({BRIDGE: payload(a=FULL)}) == ([], [])


def test_a_month_later_nothing_is_left(store: Store) -> None:
    now = datetime.now(UTC)
    departed = Departed(store, clock=lambda: now)
    departed.note(BRIDGE, payload(a=FULL), b"")
    departed.save()
    later = Departed(store, clock=lambda: now + timedelta(days=31))
    later.load()
    assert later.messages({}) == ([], [])


def test_what_the_store_keeps_for_it_can_be_anything(store: Store) -> None:
    for text in ("{", "[]", '{"t": 1}', '{"t": {"at": "x"}}', '{"t": {"at": "2026-03-01"}}'):
        store.note("taken_back", text)
        departed = Departed(store, clock=lambda: datetime.now(UTC))
        departed.load()
        assert departed.messages({}) == ([], [])
