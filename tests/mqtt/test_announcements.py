"""Retained topics: said when they change, said again when needed, cleared when unwanted."""

import json

from tests.mosquitto import Mosquitto, Subscriber
from tests.mqtt.conftest import MakePublisher
from tests.mqtt.rig import STARTED, Site, alarm, punch, wait_until
from zkbridge.config import PeopleOptions
from zkbridge.mqtt.messages import Message
from zkbridge.mqtt.settings import Hooks, Settings
from zkbridge.mqtt.topics import Topics
from zkbridge.people import Portrait
from zkbridge.store import Lane, Store

PRESENCE = PeopleOptions(presence=True)


def settings(
    *terminals: str, base: str = "zkbridge", people: PeopleOptions | None = None
) -> Settings:
    return Settings(
        topics=Topics(base),
        directions=dict.fromkeys(terminals or ("door",), "state"),
        people=people or PeopleOptions(),
    )


def test_availability_and_state_are_retained_and_whole(
    site: Site, broker: Mosquitto, subscriber: Subscriber, start: MakePublisher
) -> None:
    site.view(users=12, log_used=3.5, clock_drift=-1.0, last_punch="2026-03-01T08:00:00+00:00")
    start()
    subscriber.wait_count("zkbridge/door/state", 1)
    with Subscriber(broker.port) as later:
        (record,) = later.wait_count("zkbridge/door/availability", 1)
        assert (record.payload, record.qos, record.retain) == (b"online", 1, True)
        (record,) = later.wait_count("zkbridge/door/state", 1)
        assert record.retain
        assert json.loads(record.payload) == {
            "users": 12,
            "fingerprints": None,
            "faces": None,
            "punches": None,
            "op_log": None,
            "users_capacity": None,
            "fingerprints_capacity": None,
            "faces_capacity": None,
            "punches_capacity": None,
            "log_used": 3.5,
            "firmware": None,
            "serial": None,
            "platform": None,
            "clock_drift": -1.0,
            "mode": "live",
            "synced": False,
            "error": None,
            "undecodable": 0,
            "last_punch": "2026-03-01T08:00:00+00:00",
            "error_text": None,
            "error_cure": None,
            "last_user": None,
            "last_user_id": None,
            "last_type": None,
            "last_method": None,
            "punches_today": None,
            "today_from": None,
        }


def test_bridge_state_is_whole(
    site: Site, store: Store, subscriber: Subscriber, start: MakePublisher
) -> None:
    site.view()
    start(settings("door", "gate"), Hooks(log_level=lambda: "debug"))
    (record,) = subscriber.wait_count("zkbridge/bridge/state", 1)
    assert json.loads(record.payload) == {
        "version": "1.2.3",
        "instance": store.instance,
        "started_at": STARTED.isoformat(timespec="milliseconds"),
        "terminals": 2,
        "terminals_online": 1,
        "queue": 0,
        "refused": 0,
        "log_level": "debug",
    }


def test_a_change_is_said_and_only_that(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    site.view(users=1)
    start()
    subscriber.wait_count("zkbridge/bridge/state", 1)
    subscriber.clear()
    site.view(users=1)
    site.view(users=2)
    subscriber.wait_count("zkbridge/door/state", 1)
    site.view(users=2, online=False)
    subscriber.wait_count("zkbridge/door/availability", 1)
    assert [record.topic for record in subscriber.records] == [
        "zkbridge/door/state",
        "zkbridge/door/availability",
    ]


def test_everything_is_said_again_to_a_broker_that_forgot(
    site: Site, broker: Mosquitto, start: MakePublisher
) -> None:
    site.view()
    publisher = start()
    wait_until(lambda: publisher._ready)
    broker.kill()
    wait_until(lambda: not publisher._ready)
    (broker.folder / "mosquitto.db").unlink(missing_ok=True)
    broker.start()
    with Subscriber(broker.port) as subscriber:
        subscriber.wait_count("zkbridge/bridge/availability", 1)
        subscriber.wait_count("zkbridge/door/availability", 1)
        subscriber.wait_count("zkbridge/door/state", 1)


def test_topics_of_a_removed_terminal_and_of_an_old_base_are_cleared(
    site: Site, store: Store, broker: Mosquitto, start: MakePublisher
) -> None:
    site.view("door")
    site.view("gate")
    publisher = start(settings("door", "gate", base="old"))
    wait_until(lambda: {"old/gate/state", "old/bridge/state"} <= store.sent_topics())
    publisher.stop()
    assert publisher.join(5)
    publisher = start(settings("door"))
    wait_until(lambda: not any(topic.startswith("old/") for topic in store.sent_topics()))
    with Subscriber(broker.port) as subscriber:
        subscriber.wait_count("zkbridge/door/state", 1)
        assert {record.topic.split("/")[0] for record in subscriber.records} == {"zkbridge"}
        assert subscriber.on("zkbridge/gate/#") == []
    assert "zkbridge/door/state" in store.sent_topics()


def test_a_reload_without_a_terminal_clears_its_topics_and_no_others(
    site: Site, store: Store, subscriber: Subscriber, start: MakePublisher
) -> None:
    site.view("door")
    site.view("gate")
    publisher = start(settings("door", "gate"))
    subscriber.wait_count("zkbridge/gate/state", 1)
    subscriber.wait_count("zkbridge/bridge/state", 1)
    subscriber.clear()
    publisher.configure(settings("door"))
    wait_until(lambda: "zkbridge/gate/state" not in store.sent_topics())
    subscriber.wait_count("zkbridge/gate/state", 1)
    cleared = [(record.topic, record.payload) for record in subscriber.records]
    assert ("zkbridge/gate/availability", b"") in cleared
    assert ("zkbridge/gate/state", b"") in cleared
    assert subscriber.on("zkbridge/door/#") == []


def test_a_terminal_that_has_not_answered_yet_keeps_its_topics(
    site: Site, store: Store, subscriber: Subscriber, start: MakePublisher
) -> None:
    store.remember_topic(["zkbridge/gate/state", "homeassistant/device/zkbridge_gate/config"])
    start(settings("door", "gate"))
    subscriber.wait_count("zkbridge/bridge/state", 1)
    assert {
        "zkbridge/gate/state",
        "homeassistant/device/zkbridge_gate/config",
    } <= store.sent_topics()


def test_an_idle_publisher_says_nothing(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    site.view()
    publisher = start()
    subscriber.wait_count("zkbridge/bridge/state", 1)
    wait_until(lambda: publisher._announcer.due is None)
    assert publisher._sender.due is None
    assert not publisher._announcer.retained


# People


def test_presence_follows_the_newest_punch(
    site: Site, store: Store, subscriber: Subscriber, start: MakePublisher
) -> None:
    topic = "zkbridge/people/7/state"
    start(settings(people=PRESENCE))
    site.add(punch(10, punch_code=0))
    subscriber.wait_count(topic, 1)
    site.add(punch(20, punch_code=1))
    subscriber.wait_count(topic, 2)
    site.add(punch(15, punch_code=0), age_s=None)
    site.add(punch(30, punch_code=9))
    wait_until(lambda: store.queue_depth() == 0)
    site.add(punch(40, punch_code=3))
    records = subscriber.wait_count(topic, 3)
    assert [record.payload for record in records] == [b"home", b"not_home", b"home"]
    assert all(record.qos == 1 for record in records)


def test_presence_is_known_after_a_restart_and_cleared_when_switched_off(
    site: Site, store: Store, broker: Mosquitto, start: MakePublisher
) -> None:
    publisher = start(settings(people=PRESENCE))
    site.add(punch(10, user_id="a/b"))
    wait_until(store.presence)
    wait_until(lambda: "zkbridge/people/x612f62/state" in store.sent_topics())
    publisher.stop()
    assert publisher.join(5)
    publisher = start(settings(people=PRESENCE))
    wait_until(lambda: publisher._ready)
    with Subscriber(broker.port, "zkbridge/people/#") as subscriber:
        subscriber.wait_count("zkbridge/people/x612f62/state", 1)
        publisher.configure(settings())
        records = subscriber.wait_count("zkbridge/people/x612f62/state", 2)
        assert records[-1].payload == b""
    wait_until(lambda: "zkbridge/people/x612f62/state" not in store.sent_topics())


def test_news_of_people_are_announced_once_and_only_when_they_are_news(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    topic = "homeassistant/device/zkbridge_bridge/config"
    people = ["7"]

    def discovery(*_: object) -> list[Message]:
        return [Message(topic, json.dumps(people).encode(), retain=True)]

    publisher = start(settings(people=PRESENCE), Hooks(discovery=discovery))
    subscriber.wait_count(topic, 1)
    wait_until(lambda: publisher._announcer.due is None)

    people.append("8")
    publisher.people_changed()
    publisher.people_changed()

    (_, record) = subscriber.wait_count(topic, 2)
    assert json.loads(record.payload) == ["7", "8"]
    publisher.people_changed()
    wait_until(lambda: publisher._announcer.due is not None)
    wait_until(lambda: publisher._announcer.due is None)
    assert len(subscriber.on(topic)) == 2


def test_a_fresh_punch_scans_a_tag_and_a_late_one_does_not(
    site: Site, store: Store, subscriber: Subscriber, start: MakePublisher
) -> None:
    start(settings(people=PeopleOptions(tags=True, include=("7", "8"))))
    site.add(punch(1, user_id="7"), punch(2, user_id="9"))
    site.add(punch(3, user_id="8"), age_s=None)
    site.add(punch(4, user_id="8"))
    records = subscriber.wait_count("zkbridge/door/tag", 2)
    wait_until(lambda: store.queue_depth() == 0)
    assert [record.payload for record in records] == [b"zk-7", b"zk-8"]
    assert [record.retain for record in records] == [False, False]


def test_names_that_are_switched_off_do_not_go_out_though_they_are_stored(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    site.add(punch(1, user_name="Ada"))
    start(settings(people=PeopleOptions(names=False)))
    (record,) = subscriber.wait_count("zkbridge/door/punch", 1)
    assert json.loads(record.payload)["user_name"] is None


def test_portraits_only_of_those_they_are_for(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    portraits = {"door": Portrait("9", b"nine")}
    publisher = start(
        settings(people=PeopleOptions(photos=True, include=("7",))),
        Hooks(portraits=lambda: portraits),
    )
    subscriber.wait_count("zkbridge/bridge/state", 1)
    portraits["door"] = Portrait("7", b"seven")
    publisher.touch()
    (record,) = subscriber.wait_count("zkbridge/door/portrait", 1)
    assert record.payload == b"seven"


def test_forgetting_a_person_clears_their_topics(
    site: Site, store: Store, subscriber: Subscriber, start: MakePublisher
) -> None:
    start(settings(people=PRESENCE))
    site.add(punch(1))
    subscriber.wait_count("zkbridge/people/7/state", 1)
    wait_until(lambda: store.queue_depth() == 0)
    store.forget_user("7")
    site.view()
    records = subscriber.wait_count("zkbridge/people/7/state", 2)
    assert records[-1].payload == b""


def test_forgetting_a_person_takes_the_portrait_away_for_good(
    site: Site, store: Store, subscriber: Subscriber, start: MakePublisher
) -> None:
    portraits = {"door": Portrait("7", b"JPEG")}
    hooks = Hooks(portraits=lambda: dict(portraits), forgotten=lambda _portrait: portraits.clear())
    start(settings(people=PeopleOptions(photos=True)), hooks=hooks)
    topic = "zkbridge/door/portrait"
    subscriber.wait_count(topic, 1)
    site.add(punch(1))
    wait_until(lambda: store.queue_depth() == 0)
    store.forget_user("7")
    site.view()
    assert subscriber.wait_count(topic, 2)[-1].payload == b""
    site.view(users=5)
    subscriber.wait_for(lambda rs: any(b'"users":5' in r.payload for r in rs))
    assert len(subscriber.on(topic)) == 2
    assert portraits == {}


# Fairness


def test_a_backlog_of_one_terminal_does_not_hold_up_the_others(
    site: Site, store: Store, subscriber: Subscriber, start: MakePublisher
) -> None:
    site.terminal("gate", "SERIAL2")
    site.add(*[punch(number) for number in range(2000)], age_s=None)
    site.add(punch(1, key="SERIAL2"), alarm(1, key="SERIAL2"), terminal_id="gate")
    start(settings("door", "gate"))
    subscriber.wait_count("zkbridge/gate/alarm", 1)
    assert len(subscriber.on("zkbridge/door/punch/late")) < 200
    subscriber.wait_count("zkbridge/door/punch/late", 2000)


def test_replays_come_behind_everything_fresh(
    site: Site, store: Store, subscriber: Subscriber, start: MakePublisher
) -> None:
    site.add(*[punch(number) for number in range(50)], lane=Lane.REPLAY)
    site.add(*[punch(number) for number in range(100, 150)])
    start()
    subscriber.wait_count("zkbridge/door/punch/late", 50)
    topics = [r.topic for r in subscriber.records if "/punch" in r.topic]
    assert topics == ["zkbridge/door/punch"] * 50 + ["zkbridge/door/punch/late"] * 50
    assert {json.loads(r.payload)["source"] for r in subscriber.on("zkbridge/door/punch/late")} == {
        "replay"
    }


def test_a_message_can_be_compared() -> None:
    assert Message("t", b"x") == Message("t", b"x", 1, retain=False)
