"""Home Assistant going and coming (contract 5.8), over a real mosquitto."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from tests.mosquitto import Mosquitto, Subscriber
from tests.mqtt.conftest import MakePublisher
from tests.mqtt.rig import Site, ids, punch, wait_until
from zkbridge.events import Source, Terminal, TerminalView
from zkbridge.mqtt.announcer import Announcer
from zkbridge.mqtt.broker import Received
from zkbridge.mqtt.inbox import Inbox
from zkbridge.mqtt.messages import Message, event_message
from zkbridge.mqtt.publisher import Publisher
from zkbridge.mqtt.settings import Hooks, Settings
from zkbridge.mqtt.topics import Topics
from zkbridge.store import Lane, Store

STATUS = "homeassistant/status"
PUNCH = "zkbridge/door/punch"
LATE = "zkbridge/door/punch/late"


def settings(grace_s: float = 90.0) -> Settings:
    return Settings(directions={"door": "state"}, restart_grace_s=grace_s)


def say(subscriber: Subscriber, status: str, publisher: Publisher) -> None:
    """Publish a status and wait until the publisher has taken it."""
    subscriber.publish(STATUS, status)
    wait_until(lambda: publisher._inbox.grace.status == status)


def test_a_fresh_punch_waits_for_home_assistant(
    site: Site, store: Store, subscriber: Subscriber, start: MakePublisher
) -> None:
    publisher = start(settings())
    wait_until(lambda: publisher._ready)
    say(subscriber, "offline", publisher)
    site.add(punch(1))
    site.add(punch(2), age_s=None, terminal_id="door")
    wait_until(lambda: not publisher._sender._outbox.empty(Lane.NORMAL))
    subscriber.publish("marker", b"")
    subscriber.wait_count("marker", 1)
    assert subscriber.on(PUNCH) == []
    # Behind the held one in its terminal's order.
    assert subscriber.on(LATE) == []
    say(subscriber, "online", publisher)
    assert ids(subscriber.wait_count(PUNCH, 1)) == [punch(1).id]
    assert ids(subscriber.wait_count(LATE, 1)) == [punch(2).id]


def test_somebody_forgotten_while_waiting_is_not_published(
    site: Site, store: Store, subscriber: Subscriber, start: MakePublisher
) -> None:
    publisher = start(settings())
    wait_until(lambda: publisher._ready)
    say(subscriber, "offline", publisher)
    site.add(punch(1))
    other = punch(2, user_id="8")
    site.add(other)
    wait_until(lambda: not publisher._sender._outbox.empty(Lane.NORMAL))
    store.forget_user("7")
    say(subscriber, "online", publisher)
    assert ids(subscriber.wait_count(PUNCH, 1)) == [other.id]
    wait_until(lambda: store.queue_depth() == 0)
    assert len(subscriber.on(PUNCH)) == 1


def test_late_events_of_other_terminals_do_not_wait(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    site.terminal("gate", "SERIAL2")
    publisher = start(Settings(directions={"door": "state", "gate": "state"}))
    wait_until(lambda: publisher._ready)
    say(subscriber, "offline", publisher)
    site.add(punch(1))
    site.add(punch(2, key="SERIAL2"), terminal_id="gate", age_s=None)
    subscriber.wait_count("zkbridge/gate/punch/late", 1)
    assert subscriber.on(PUNCH) == []


def test_after_the_grace_everybody_else_gets_it_and_home_assistant_once_it_is_back(
    site: Site, store: Store, subscriber: Subscriber, start: MakePublisher
) -> None:
    publisher = start(settings(grace_s=0.2))
    publisher._announcer._jitter = lambda _low, _high: 0.05
    wait_until(lambda: publisher._ready)
    site.view()
    subscriber.wait_count("zkbridge/door/state", 1)
    say(subscriber, "offline", publisher)
    event = punch(1)
    site.add(event)
    subscriber.wait_count(PUNCH, 1)
    wait_until(lambda: store.queue_depth() == 0)
    subscriber.clear()
    say(subscriber, "online", publisher)
    (record,) = subscriber.wait_count(LATE, 1)
    assert json.loads(record.payload)["source"] == "replay"
    assert ids([record]) == [event.id]
    assert record.expiry_s is None
    topics = [one.topic for one in subscriber.records]
    assert topics.index("zkbridge/door/state") < topics.index(LATE)
    assert topics.index("zkbridge/door/availability") < topics.index(LATE)
    assert subscriber.on(PUNCH) == []


def test_nothing_waits_where_no_status_was_ever_seen(
    site: Site, broker: Mosquitto, start: MakePublisher
) -> None:
    publisher = start(settings())
    wait_until(lambda: publisher._ready)
    broker.restart()
    with Subscriber(broker.port) as subscriber:
        wait_until(lambda: publisher._ready)
        site.add(punch(1))
        subscriber.wait_count(PUNCH, 1)


def test_after_our_own_reconnect_fresh_punches_wait_for_the_next_online(
    site: Site, broker: Mosquitto, start: MakePublisher
) -> None:
    publisher = start(settings())
    with Subscriber(broker.port) as subscriber:
        wait_until(lambda: publisher._ready)
        say(subscriber, "online", publisher)
    broker.kill()
    wait_until(lambda: not publisher._ready)
    broker.start()
    with Subscriber(broker.port) as subscriber:
        wait_until(lambda: publisher._ready)
        site.add(punch(1))
        wait_until(lambda: not publisher._sender._outbox.empty(Lane.NORMAL))
        subscriber.publish("marker", b"")
        subscriber.wait_count("marker", 1)
        assert subscriber.on(PUNCH) == []
        subscriber.publish(STATUS, "online")
        assert ids(subscriber.wait_count(PUNCH, 1)) == [punch(1).id]


def test_a_start_after_offline_waits_and_a_start_after_online_does_not(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    publisher = start(settings())
    wait_until(lambda: publisher._ready)
    say(subscriber, "offline", publisher)
    publisher.stop()
    assert publisher.join(5)
    site.add(punch(1))
    publisher = start(settings())
    wait_until(lambda: publisher._ready)
    wait_until(lambda: not publisher._sender._outbox.empty(Lane.NORMAL))
    subscriber.publish("marker", b"")
    subscriber.wait_count("marker", 1)
    assert subscriber.on(PUNCH) == []
    say(subscriber, "online", publisher)
    subscriber.wait_count(PUNCH, 1)
    publisher.stop()
    assert publisher.join(5)
    start(settings())
    site.add(punch(2))
    subscriber.wait_count(PUNCH, 2)


def test_a_reboot_of_the_host_counts_as_an_absence(site: Site, store: Store) -> None:
    def inbox(boot: str) -> Inbox:
        announcer = Announcer.__new__(Announcer)
        made = Inbox(
            store, settings(), Hooks(), announcer, monotonic=lambda: 100.0, boot=lambda: boot
        )
        made.start()
        return made

    first = inbox("one")
    first._status(_received("online"))
    again = inbox("one")
    again.connected(again=False)
    assert not again.grace.holding(101.0)
    rebooted = inbox("two")
    rebooted.connected(again=False)
    assert rebooted.grace.holding(101.0)


def _received(status: str) -> Received:
    return Received(STATUS, status.encode(), retained=False)


def test_birth_gets_discovery_and_states_again_after_a_moment(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    topics = Topics()
    config = Message(topics.discovery("door"), b'{"a":1}', retain=True)
    calls: list[tuple[dict[str, bytes], bool]] = []

    def discovery(
        views: Sequence[TerminalView],
        previous: Mapping[str, bytes],
        settled: bool,  # noqa: FBT001 - the hook's signature
    ) -> list[Message]:
        calls.append((dict(previous), settled))
        return [config]

    site.view()
    publisher = start(settings(), Hooks(discovery=discovery))
    publisher._announcer._jitter = lambda _low, _high: 0.05
    subscriber.wait_count(config.topic, 1)
    subscriber.wait_count("zkbridge/door/state", 1)
    subscriber.wait_count("zkbridge/bridge/state", 1)
    subscriber.publish(STATUS, "online")
    subscriber.wait_count(config.topic, 2)
    subscriber.wait_count("zkbridge/door/state", 2)
    assert calls[0] == ({}, True)
    assert calls[-1] == ({config.topic: config.payload}, True)


def test_discovery_of_an_earlier_run_is_read_back_from_the_broker(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    topics = Topics()
    previous: list[dict[str, bytes]] = []

    def discovery(payload: bytes) -> Hooks:
        def make(
            views: Sequence[TerminalView],
            before: Mapping[str, bytes],
            settled: bool,  # noqa: FBT001 - the hook's signature
        ) -> list[Message]:
            previous.append(dict(before))
            return [Message(topics.discovery("door"), payload, retain=True)]

        return Hooks(discovery=make)

    publisher = start(settings(), discovery(b"old"))
    subscriber.wait_count(topics.discovery("door"), 1)
    publisher.stop()
    assert publisher.join(5)
    previous.clear()
    start(settings(), discovery(b"new"))
    subscriber.wait_count(topics.discovery("door"), 2)
    assert previous[0] == {topics.discovery("door"): b"old"}


def test_a_replay_says_so() -> None:
    event = punch(1, seen_at=datetime(2026, 3, 1, tzinfo=UTC))
    terminal = Terminal(key="k", id="door", name="Door")
    message = event_message(Topics(), terminal, event, late=True, source=Source.REPLAY)
    assert json.loads(message.payload)["source"] == "replay"
    assert message.expiry_s is None
