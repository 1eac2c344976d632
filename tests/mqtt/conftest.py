"""Fixtures of the tests of this package."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mosquitto import Mosquitto, Subscriber
from tests.mqtt.rig import Site, make_publisher, open_store
from zkbridge.mqtt.publisher import Publisher
from zkbridge.store import Store

MakePublisher = Callable[..., Publisher]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def site(store: Store) -> Site:
    made = Site(store)
    made.terminal()
    return made


@pytest.fixture
def subscriber(broker: Mosquitto) -> Iterator[Subscriber]:
    with Subscriber(broker.port) as running:
        yield running


@pytest.fixture
def start(store: Store, broker: Mosquitto) -> Iterator[MakePublisher]:
    """Start publishers; all are stopped at the end."""
    started: list[Publisher] = []

    def make(*arguments: Any, **options: Any) -> Publisher:  # noqa: ANN401 - as make_publisher
        port = options.pop("port", broker.port)
        publisher = make_publisher(store, port, *arguments, **options)
        publisher.start()
        started.append(publisher)
        return publisher

    yield make
    for publisher in started:
        publisher.stop()
    for publisher in started:
        assert publisher.join(10)
