"""The connection against a real mosquitto, and against brokers that misbehave."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from tests.mosquitto import Mosquitto, Subscriber, free_port
from zkbridge.mqtt.broker import Acknowledged, Broker, ConnectionEvent, Down, Received, Tls, Up
from zkbridge.mqtt.causes import Trouble
from zkbridge.mqtt.connection import Connection
from zkbridge.mqtt.messages import Message

T = TypeVar("T")
WILL = Message("t/bridge/availability", b"offline", retain=True)


def quick() -> Iterator[float]:
    while True:
        yield 0.05


def connection(port: int, **options: object) -> Connection:
    broker = Broker(host="127.0.0.1", port=port, client_id="us", **options)  # type: ignore[arg-type]  # test options
    return Connection(broker, WILL, delays=quick)


def until(
    link: Connection, predicate: Callable[[list[ConnectionEvent]], object], timeout: float = 20.0
) -> list[ConnectionEvent]:
    events: list[ConnectionEvent] = []
    end = time.monotonic() + timeout
    while not predicate(events):
        assert time.monotonic() < end, events
        events += link.wait(1.0)
    return events


def first(events: list[ConnectionEvent], kind: type[T]) -> T | None:
    return next((event for event in events if isinstance(event, kind)), None)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as running:
        yield running


@pytest.fixture
def link(broker: Mosquitto) -> Iterator[Connection]:
    made = connection(broker.port)
    made.open()
    yield made
    made.close()


def test_connects_with_mqtt_5_and_publishes(broker: Mosquitto, link: Connection) -> None:
    with Subscriber(broker.port, "t/#") as subscriber:
        up = first(until(link, lambda events: first(events, Up)), Up)
        assert up is not None
        assert up.protocol == "5"
        link.publish(Message("t/x", b"hello", expiry_s=3600), "key")
        events = until(link, lambda events: first(events, Acknowledged))
        assert events == [Acknowledged("key", 0, "")]
        record = subscriber.wait_count("t/x", 1)[0]
        assert (record.payload, record.qos, record.retain) == (b"hello", 1, False)
        assert record.expiry_s in {3599, 3600}


def test_last_will_says_offline_when_the_process_vanishes(
    broker: Mosquitto, link: Connection
) -> None:
    with Subscriber(broker.port, "t/#") as subscriber:
        until(link, lambda events: first(events, Up))
        sock = link._client.socket() if link._client else None
        assert sock is not None
        link._unwatch()
        sock.close()
        record = subscriber.wait_count("t/bridge/availability", 1)[0]
        assert (record.payload, record.qos) == (b"offline", 1)


def test_close_says_goodbye_so_that_no_will_is_sent(broker: Mosquitto) -> None:
    link = connection(broker.port)
    link.open()
    with Subscriber(broker.port, "t/#") as subscriber:
        until(link, lambda events: first(events, Up))
        link.close()
        subscriber.publish("t/end", b"")
        subscriber.wait_count("t/end", 1)
        assert subscriber.on("t/bridge/availability") == []


def test_what_was_not_acknowledged_comes_back_and_is_not_sent_again(
    broker: Mosquitto, link: Connection
) -> None:
    until(link, lambda events: first(events, Up))
    broker.pause()
    for number in range(3):
        link.publish(Message("t/x", b"%d" % number), number)
    assert link.unacknowledged == 3
    broker.kill()
    down = first(until(link, lambda events: first(events, Down)), Down)
    assert down is not None
    assert down.was_up
    assert down.unacknowledged == (0, 1, 2)
    assert down.cause.trouble is Trouble.LOST
    broker.start()
    with Subscriber(broker.port, "t/#") as subscriber:
        until(link, lambda events: first(events, Up))
        link.publish(Message("t/x", b"new"), "new")
        until(link, lambda events: first(events, Acknowledged))
        assert [record.payload for record in subscriber.wait_count("t/x", 1)] == [b"new"]


def test_subscriptions_receive_with_their_retain_flag(broker: Mosquitto, link: Connection) -> None:
    with Subscriber(broker.port, "none") as other:
        other.publish("t/kept", b"old", retain=True)
        until(link, lambda events: first(events, Up))
        link.subscribe(["t/#"])
        until(link, lambda events: first(events, Received))
        other.publish("t/kept", b"live")
        events = until(link, lambda events: first(events, Received))
        assert first(events, Received) == Received("t/kept", b"live", retained=False)


def test_wake_ends_a_wait_from_another_thread(broker: Mosquitto, link: Connection) -> None:
    until(link, lambda events: first(events, Up))
    link.wait(0.0)
    link.wake()
    assert link.wait(None) == []


def test_wrong_password_is_named(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker", users={"anna": "right"}) as broker:
        link = connection(broker.port, username="anna", password="wrong")
        link.open()
        down = first(until(link, lambda events: first(events, Down)), Down)
        link.close()
    assert down is not None
    assert down.cause.trouble is Trouble.PASSWORD
    assert "mqtt.username and mqtt.password" in down.cause.text
    assert "wrong" not in down.cause.text


def test_right_password_is_taken(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker", users={"anna": "right"}) as broker:
        link = connection(broker.port, username="anna", password="right")
        link.open()
        until(link, lambda events: first(events, Up))
        link.close()


def test_nobody_listening_is_named_and_tried_again(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path / "broker")
    link = connection(broker.port)
    link.open()
    down = first(until(link, lambda events: first(events, Down)), Down)
    assert down is not None
    assert down.cause.trouble is Trouble.UNREACHABLE
    assert "refused the connection" in down.cause.text
    with broker:
        until(link, lambda events: first(events, Up))
        link.close()


def test_unknown_host_is_named() -> None:
    broker = Broker(host="no-such-host.invalid", port=free_port(), client_id="us")
    link = Connection(broker, WILL, delays=quick)
    link.open()
    down = first(until(link, lambda events: first(events, Down)), Down)
    link.close()
    assert down is not None
    assert down.cause.text == "no such host as 'no-such-host.invalid'; check mqtt.host"


def test_password_is_in_no_repr() -> None:
    assert "secret" not in repr(Broker(host="h", client_id="c", password="secret"))


# TLS


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)  # noqa: S603, S607 - fixed words


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    folder = tmp_path / "certificates"
    folder.mkdir()
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        folder, "req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=our ca"
    )
    for name, alternative in (("broker", "IP:127.0.0.1"), ("client", "DNS:client")):
        (folder / f"{name}.ext").write_text(f"subjectAltName={alternative}\n")
        openssl(
            folder,
            "req",
            *new,
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.csr",
            "-subj",
            f"/CN={name}",
        )
        openssl(
            folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem",
        )  # fmt: skip
    return folder


@pytest.fixture
def tls_broker(tmp_path: Path, certificates: Path) -> Iterator[Mosquitto]:
    lines = (
        f"cafile {certificates}/ca.pem",
        f"certfile {certificates}/broker.pem",
        f"keyfile {certificates}/broker.key",
        "require_certificate true",
    )
    with Mosquitto(tmp_path / "broker", listener=lines) as running:
        yield running


def test_tls_with_a_client_certificate(tls_broker: Mosquitto, certificates: Path) -> None:
    tls = Tls(
        ca_file=f"{certificates}/ca.pem",
        cert_file=f"{certificates}/client.pem",
        key_file=f"{certificates}/client.key",
    )
    link = connection(tls_broker.port, tls=tls)
    link.open()
    until(link, lambda events: first(events, Up))
    for number in range(50):
        link.publish(Message("t/x", b"x" * 1000), number)
    until(link, lambda events: sum(isinstance(event, Acknowledged) for event in events) == 50)
    link.close()


def test_untrusted_certificate_is_named(tls_broker: Mosquitto) -> None:
    link = connection(tls_broker.port, tls=Tls())
    link.open()
    down = first(until(link, lambda events: first(events, Down)), Down)
    link.close()
    assert down is not None
    assert down.cause.trouble is Trouble.TLS
    assert "mqtt.tls.ca_file" in down.cause.text


def test_tls_against_a_plain_listener_is_named(broker: Mosquitto) -> None:
    link = connection(broker.port, tls=Tls(verify=False))
    link.open()
    down = first(until(link, lambda events: first(events, Down)), Down)
    link.close()
    assert down is not None
    assert down.cause.trouble in {Trouble.TLS, Trouble.UNREACHABLE}


def test_missing_certificate_file_is_named(broker: Mosquitto) -> None:
    link = connection(broker.port, tls=Tls(ca_file="/no/such/ca.pem"))
    link.open()
    down = first(until(link, lambda events: first(events, Down)), Down)
    link.close()
    assert down is not None
    assert down.cause.trouble is Trouble.TLS


def test_websockets(tmp_path: Path) -> None:
    with Mosquitto(tmp_path / "broker", websockets=True) as running:
        link = connection(running.websockets_port, transport="websockets")
        link.open()
        with Subscriber(running.port, "t/#") as subscriber:
            until(link, lambda events: first(events, Up))
            for number in range(100):
                link.publish(Message("t/x", b"%d" % number), number)
            until(
                link, lambda events: sum(isinstance(event, Acknowledged) for event in events) == 100
            )
            payloads = [record.payload for record in subscriber.wait_count("t/x", 100)]
            assert payloads == [b"%d" % number for number in range(100)]
        link.close()
