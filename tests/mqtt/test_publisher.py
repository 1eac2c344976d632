"""From the store to a subscriber, over a real mosquitto."""

import json
import time
from datetime import UTC, datetime

from tests.mosquitto import Mosquitto, Subscriber
from tests.mqtt.conftest import MakePublisher
from tests.mqtt.rig import PROCESS, Site, alarm, ids, operation, punch, wait_until
from zkbridge.mqtt.grace import Grace
from zkbridge.mqtt.sender import Sender
from zkbridge.mqtt.settings import Hooks, Settings
from zkbridge.store import Store, utc_now


def test_a_fresh_punch_goes_out_whole(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    seen_at = datetime(2026, 3, 1, 8, 0, 1, 234000, tzinfo=UTC)
    event = punch(1, seen_at=seen_at)
    start()
    site.add(event)
    (record,) = subscriber.wait_count("zkbridge/door/punch", 1)
    assert json.loads(record.payload) == {
        "id": event.id,
        "event_type": "check_in",
        "user_id": "7",
        "user_name": "Ada",
        "timestamp": "2026-03-01T08:00:01+00:00",
        "verified_by": "fingerprint",
        "verify_code": 1,
        "punch_code": 0,
        "terminal_id": "door",
        "terminal_name": "Door",
        "serial": "SERIAL1",
        "source": "live",
        "seen_at": "2026-03-01T08:00:01.234+00:00",
    }
    assert (record.qos, record.retain) == (1, False)
    assert record.expiry_s in {3599, 3600}


def test_what_was_stored_before_is_published_in_order_then_marked(
    site: Site, store: Store, subscriber: Subscriber, start: MakePublisher
) -> None:
    events = [punch(number) for number in range(200)]
    site.add(*events)
    start()
    records = subscriber.wait_count("zkbridge/door/punch", 200)
    assert ids(records) == [event.id for event in events]
    wait_until(lambda: store.queue_depth() == 0)


def test_kinds_have_their_topics(site: Site, subscriber: Subscriber, start: MakePublisher) -> None:
    entry, warning = operation(1), alarm(1)
    start()
    site.add(punch(1), entry, warning)
    site.add(punch(2), operation(2), age_s=None)
    subscriber.wait_count("zkbridge/door/punch/late", 1)
    subscriber.wait_count("zkbridge/door/oplog/late", 1)
    (record,) = subscriber.wait_count("zkbridge/door/oplog", 1)
    assert json.loads(record.payload) == {
        "id": entry.id,
        "event_type": "power_on",
        "op_code": 0,
        "timestamp": "2026-03-01T08:00:00+00:00",
        "admin_uid": 0,
        "params": [1, 2, 3, 4],
        "raw": entry.raw.hex(),
        "terminal_id": "door",
        "terminal_name": "Door",
        "serial": "SERIAL1",
        "source": "poll",
        "seen_at": entry.seen_at.isoformat(timespec="milliseconds"),
    }
    (record,) = subscriber.wait_count("zkbridge/door/alarm", 1)
    assert json.loads(record.payload) == {
        "id": warning.id,
        "event_type": "tamper",
        "code": 55,
        "user_id": None,
        "raw": "01ff",
        "terminal_id": "door",
        "terminal_name": "Door",
        "serial": "SERIAL1",
        "seen_at": warning.seen_at.isoformat(timespec="milliseconds"),
    }
    assert len(subscriber.on("zkbridge/door/punch")) == 1


def test_an_alarm_that_is_late_is_dropped(
    site: Site, store: Store, subscriber: Subscriber, start: MakePublisher
) -> None:
    site.add(alarm(1), age_s=500.0)
    start()
    wait_until(lambda: store.queue_depth() == 0)
    site.add(alarm(2))
    assert ids(subscriber.wait_count("zkbridge/door/alarm", 1)) == [alarm(2).id]


def test_a_killed_broker_misses_nothing_and_keeps_the_order(
    site: Site, store: Store, broker: Mosquitto, start: MakePublisher
) -> None:
    events = [punch(number) for number in range(3000)]
    start()
    with Subscriber(broker.port, "zkbridge/door/punch/#") as subscriber:
        site.add(*events)
        subscriber.wait_for(lambda records: len(records) > 100)
        subscriber.expect_restart()
        broker.kill()
        got = ids(subscriber.records)
    broker.start()
    with Subscriber(broker.port, "zkbridge/door/punch/#") as subscriber:
        wait_until(lambda: store.queue_depth() == 0)
        subscriber.publish("zkbridge/door/punch", b'{"id": "end"}')
        records = subscriber.wait_for(
            lambda records: any(b'"end"' in r.payload for r in records[-1:])
        )
        after = ids(records)[:-1]
    expected = [event.id for event in events]
    # The second subscriber may come after the first messages to the new broker, or after all.
    assert after == expected[len(expected) - len(after) :]
    assert got == expected[: len(got)]


def test_clean_stop_says_offline(
    site: Site, broker: Mosquitto, subscriber: Subscriber, start: MakePublisher
) -> None:
    site.view(online=True)
    publisher = start()
    subscriber.wait_count("zkbridge/door/availability", 1)
    publisher.stop()
    assert publisher.join(5)
    subscriber.wait_count("zkbridge/bridge/availability", 2)
    assert [r.payload for r in subscriber.on("zkbridge/door/availability")] == [
        b"online",
        b"offline",
    ]
    assert [r.payload for r in subscriber.on("zkbridge/bridge/availability")] == [
        b"online",
        b"offline",
    ]


def test_stop_within_five_seconds_while_the_broker_hangs(
    site: Site, broker: Mosquitto, subscriber: Subscriber, start: MakePublisher
) -> None:
    publisher = start()
    wait_until(lambda: publisher._ready)
    broker.pause()
    site.add(*[punch(number) for number in range(100)])
    wait_until(lambda: publisher._connection.unacknowledged == 20)
    publisher.stop()
    assert publisher.join(5)
    broker.resume()


def test_what_a_commit_of_the_publisher_carried_along_is_sent_at_once(
    site: Site, subscriber: Subscriber, start: MakePublisher
) -> None:
    # Threads' transactions share commits: whoever comes last commits for all.
    left = [punch(1)]

    def in_its_thread() -> str:
        if left:
            site.add(left.pop())
        return "info"

    start(hooks=Hooks(log_level=in_its_thread))
    subscriber.wait_count("zkbridge/door/punch", 1)


def test_a_punch_that_joins_a_batch_under_way_is_fresh(site: Site, store: Store) -> None:
    sender = Sender(
        store,
        Settings(directions={"door": "state"}),
        Hooks(),
        Grace(0.0),
        PROCESS,
        moved=lambda _: None,
        clock=utc_now,
        monotonic=time.monotonic,
    )
    sender.connected(None)
    sender.begin()

    site.add(punch(1))
    sender.refresh()

    found = sender.next()
    assert found is not None
    assert found[1].topic == "zkbridge/door/punch"
