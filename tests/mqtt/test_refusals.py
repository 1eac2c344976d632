"""What the broker will not take, and how it says so (contract 5.11)."""

import json
import threading

import pytest

from tests.mqtt.rig import Site, make_publisher, punch, wait_until
from tests.mqtt.scripted import Answer, Close, Published, ScriptedBroker
from zkbridge.mqtt.publisher import Publisher
from zkbridge.store import Store

TOPIC = "zkbridge/door/punch"


def event(published: Published) -> str | None:
    """Return the event's id; None for retained topics."""
    return None if published.retain else str(json.loads(published.payload)["id"])


def run(store: Store, broker: ScriptedBroker, protocol: str = "auto") -> Publisher:
    publisher = make_publisher(store, broker.port, protocol=protocol)
    publisher.start()
    return publisher


def finish(publisher: Publisher) -> None:
    publisher.stop()
    assert publisher.join(10)


@pytest.mark.parametrize("code", [0x80, 0x83, 0x87, 0x90, 0x99])
def test_refused_for_good_is_set_aside_and_the_queue_goes_on(
    site: Site, store: Store, code: int
) -> None:
    events = [punch(number) for number in range(5)]
    bad = events[2].id
    with ScriptedBroker(lambda one: code if event(one) == bad else 0) as broker:
        publisher = run(store, broker)
        site.add(*events)
        wait_until(lambda: store.queue_depth() == 0)
        finish(publisher)
        assert [event(one) for one in broker.on(TOPIC)] == [one.id for one in events]
    assert store.refused_count() == 1


def test_success_codes_are_success(site: Site, store: Store) -> None:
    with ScriptedBroker(lambda _: 0x10) as broker:
        publisher = run(store, broker)
        site.add(punch(1))
        wait_until(lambda: store.queue_depth() == 0)
        finish(publisher)
    assert store.refused_count() == 0


def test_quota_is_waited_for(site: Site, store: Store) -> None:
    answers = iter([0x97, 0x97])
    with ScriptedBroker(lambda one: 0 if event(one) is None else next(answers, 0)) as broker:
        publisher = run(store, broker)
        site.add(punch(1))
        wait_until(lambda: store.queue_depth() == 0)
        finish(publisher)
        assert len(broker.on(TOPIC)) == 3
    assert store.refused_count() == 0


@pytest.mark.parametrize("reason", [None, 0x95, 0x99])
def test_a_message_on_which_the_broker_closes_three_times_is_set_aside(
    site: Site, store: Store, reason: int | None
) -> None:
    bad = punch(1).id

    def answer(one: Published) -> Answer:
        return Close(reason) if event(one) == bad else 0

    with ScriptedBroker(answer) as broker:
        publisher = run(store, broker)
        site.add(punch(1))
        wait_until(lambda: store.queue_depth() == 0)
        site.add(punch(2))
        wait_until(lambda: store.queue_depth() == 0)
        finish(publisher)
        sent = [event(one) for one in broker.on(TOPIC)]
    assert sent == [bad, bad, bad, punch(2).id]
    assert store.refused_count() == 1


def test_the_culprit_is_found_in_a_full_window_and_the_others_arrive_in_order(
    site: Site, store: Store
) -> None:
    events = [punch(number) for number in range(60)]
    bad = events[30].id
    taken: list[str] = []

    def answer(one: Published) -> Answer:
        name = event(one)
        if name == bad:
            return Close()
        if name is not None and name not in taken:
            taken.append(name)
        return 0

    with ScriptedBroker(answer) as broker:
        site.add(*events)
        publisher = run(store, broker)
        wait_until(lambda: store.queue_depth() == 0)
        finish(publisher)
    assert taken == [one.id for one in events if one.id != bad]
    assert store.refused_count() == 1


@pytest.mark.parametrize("reason", [0x8B, 0x98, 0x89])
def test_a_broker_that_goes_down_costs_no_message(site: Site, store: Store, reason: int) -> None:
    left = iter(range(6))

    def answer(one: Published) -> Answer:
        if event(one) is not None and next(left, None) is not None:
            return Close(reason)
        return 0

    with ScriptedBroker(answer) as broker:
        publisher = run(store, broker)
        site.add(punch(1))
        wait_until(lambda: store.queue_depth() == 0)
        finish(publisher)
        assert len(broker.on(TOPIC)) == 7
    assert store.refused_count() == 0


def test_what_is_larger_than_the_broker_takes_is_not_sent(site: Site, store: Store) -> None:
    maximum = b"\x27" + (500).to_bytes(4, "big")
    with ScriptedBroker(connack_properties=maximum) as broker:
        publisher = run(store, broker)
        site.add(punch(1, user_name="x" * 600), punch(2))
        wait_until(lambda: store.queue_depth() == 0)
        finish(publisher)
        assert [event(one) for one in broker.on(TOPIC)] == [punch(2).id]
    assert store.refused_count() == 1


def test_never_more_than_twenty_are_unacknowledged(site: Site, store: Store) -> None:
    answering = threading.Event()

    def answer(one: Published) -> Answer:
        return 0 if event(one) is None or answering.is_set() else None

    with ScriptedBroker(answer) as broker:
        site.add(*[punch(number) for number in range(100)])
        publisher = run(store, broker)
        broker.wait_for(lambda all_: sum(event(one) is not None for one in all_) >= 20)
        publisher.touch()
        wait_until(lambda: publisher._connection.unacknowledged >= 20)
        finish(publisher)
        assert len(broker.on(TOPIC)) == 20
        assert store.queue_depth() == 100


def test_receive_maximum_of_the_broker_is_kept(site: Site, store: Store) -> None:
    with ScriptedBroker(
        lambda one: 0 if event(one) is None else None, connack_properties=b"\x21\x00\x03"
    ) as broker:
        site.add(*[punch(number) for number in range(10)])
        publisher = run(store, broker)
        broker.wait_for(lambda all_: sum(event(one) is not None for one in all_) >= 3)
        wait_until(lambda: publisher._connection.unacknowledged >= 3)
        finish(publisher)
        assert len(broker.on(TOPIC)) == 3


@pytest.mark.parametrize("how", ["code", "close"])
def test_a_broker_without_mqtt_5_gets_3_1_1(site: Site, store: Store, how: str) -> None:
    with ScriptedBroker(refuse_v5=how) as broker:
        publisher = run(store, broker)
        site.add(punch(1))
        wait_until(lambda: store.queue_depth() == 0)
        assert publisher.status.protocol == "3.1.1"
        finish(publisher)
        assert broker.versions == [5, 4]
        assert len(broker.on(TOPIC)) == 1


def test_protocol_5_alone_does_not_fall_back(site: Site, store: Store) -> None:
    with ScriptedBroker(refuse_v5="code") as broker:
        publisher = run(store, broker, protocol="5")
        wait_until(lambda: len(broker.versions) >= 2)
        assert "mqtt.protocol" in str(publisher.status.trouble)
        finish(publisher)
        assert set(broker.versions) == {5}


def test_a_refused_retained_topic_stops_nothing(site: Site, store: Store) -> None:
    site.view()

    def answer(one: Published) -> Answer:
        return Close() if one.topic == "zkbridge/door/state" else 0

    with ScriptedBroker(answer) as broker:
        publisher = run(store, broker)
        site.add(punch(1))
        wait_until(lambda: store.queue_depth() == 0)
        finish(publisher)
        assert 3 <= len(broker.on("zkbridge/door/state")) <= 4


def test_an_answer_for_a_store_that_was_replaced_marks_nothing(site: Site, store: Store) -> None:
    left = iter([True])

    def answer(one: Published) -> Answer:
        if event(one) is not None and next(left, False):
            store._database.epoch += 1  # as replacing a damaged file does
        return 0

    with ScriptedBroker(answer) as broker:
        publisher = run(store, broker)
        site.add(punch(1))
        wait_until(lambda: store.queue_depth() == 0)
        finish(publisher)
        assert [event(one) for one in broker.on(TOPIC)] == [punch(1).id] * 2
