"""A server for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """The page as it is by default: for this machine, without a token."""
    with House(tmp_path) as running:
        yield running


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[House]:
    """The page for the whole network, with a token."""
    with House(tmp_path, listen="0.0.0.0:0", token="s3cret-token") as running:
        yield running
