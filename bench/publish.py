"""A backlog from the store to the broker, beside bare paho with the same window in the same run.

Also the time from a commit to the message at a subscriber, one punch at a time.
"""

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.results import write_section
from tests.mosquitto import Mosquitto, Record, Subscriber
from tests.mqtt.rig import Site, make_publisher, open_store, punch
from zkbridge.mqtt.messages import event_message
from zkbridge.mqtt.topics import Topics
from zkbridge.mqtt.window import SIZE
from zkbridge.store import Store


def bare_paho(port: int, count: int) -> float:
    """Publish as many messages of the same size; return messages per second."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.max_inflight_messages_set(SIZE)
    up, done = threading.Event(), threading.Event()
    left = count

    def published(*_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            done.set()

    client.on_connect = lambda *_: up.set()
    client.on_publish = published
    client.connect("127.0.0.1", port)
    client.loop_start()
    up.wait(10)
    terminal = _terminal()
    payload = event_message(Topics(), terminal, punch(1), late=False).payload
    begin = time.perf_counter()
    for _ in range(count):
        client.publish("zkbridge/door/punch", payload, 1)
    done.wait(600)
    took = time.perf_counter() - begin
    client.disconnect()
    client.loop_stop()
    return count / took


def _terminal():  # type: ignore[no-untyped-def]  # noqa: ANN202 - a literal
    from zkbridge.events import Terminal  # noqa: PLC0415 - only here

    return Terminal(key="SERIAL1", id="door", name="Door", serial="SERIAL1")


def backlog(store: Store, port: int, begin_at: int, count: int) -> float:
    """Publish what waits in the store; return messages per second."""
    site = Site(store)
    site.terminal()
    for first in range(begin_at, begin_at + count, 1000):
        site.add(*[punch(n) for n in range(first, min(first + 1000, begin_at + count))])
    publisher = make_publisher(store, port)
    begin = time.perf_counter()
    publisher.start()
    while store.queue_depth():
        time.sleep(0.02)
    took = time.perf_counter() - begin
    publisher.stop()
    publisher.join(10)
    return count / took


def latency(store: Store, port: int, count: int) -> list[float]:
    """Time single punches from after their commit to a subscriber, in milliseconds."""
    site = Site(store)
    site.terminal()
    publisher = make_publisher(store, port)
    publisher.start()
    arrived = threading.Event()
    taken: list[float] = []

    def on_record(record: Record) -> None:
        if record.topic == "zkbridge/door/punch":
            taken.append(record.arrived_s)
            arrived.set()

    times = []
    with Subscriber(port, "zkbridge/door/punch", on_record=on_record):
        for number in range(count):
            event = punch(1_000_000 + number)
            arrived.clear()
            site.add(event)
            begin = time.monotonic()
            arrived.wait(10)
            times.append((taken[-1] - begin) * 1000)
            time.sleep(0.01)
    publisher.stop()
    publisher.join(10)
    return times


def idle_cpu(store: Store, port: int, seconds: float) -> float:
    """Return per cent of one core that an idle publisher uses."""
    publisher = make_publisher(store, port)
    publisher.start()
    time.sleep(2)
    begin = time.process_time()
    time.sleep(seconds)
    used = time.process_time() - begin
    publisher.stop()
    publisher.join(10)
    return used / seconds * 100


def main() -> None:
    """Run all."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Mosquitto(folder / "broker") as broker:
            store = open_store(folder)
            rounds = 5
            share = count // rounds
            pairs = []
            for number in range(rounds):
                ours = backlog(store, broker.port, number * share, share)
                pairs.append((ours, bare_paho(broker.port, share)))
            ours, bare = (statistics.median(one) for one in zip(*pairs, strict=True))
            print(f"backlog of {count}: {ours:.0f}/s, bare paho {bare:.0f}/s, {ours / bare:.2f} x")
            print("  by round: " + ", ".join(f"{one / other:.2f}" for one, other in pairs))
            times = latency(store, broker.port, 300)
            cuts = statistics.quantiles(times, n=100)
            print(f"commit to subscriber: p50 {cuts[49]:.2f} ms, p99 {cuts[98]:.2f} ms")
            idle = idle_cpu(store, broker.port, 20)
            print(f"idle: {idle:.3f} % of a core")
            store.close()
    section = {
        "messages": count,
        "ours_per_s": ours,
        "bare_paho_per_s": bare,
        "ours_to_bare_paho": ours / bare,
        "by_round": [one / other for one, other in pairs],
        "commit_to_subscriber_p50_ms": cuts[49],
        "commit_to_subscriber_p99_ms": cuts[98],
        "idle_percent_of_a_core": idle,
    }
    write_section("publish", section)


if __name__ == "__main__":
    main()
