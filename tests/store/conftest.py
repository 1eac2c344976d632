"""A store in a temporary folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.making import FakeClock
from zkbridge.store import Store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "zkbridge.db"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(path: Path, clock: FakeClock) -> Iterator[Store]:
    with Store(path, clock=clock) as store:
        yield store
