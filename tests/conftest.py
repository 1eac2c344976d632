"""What every test starts from."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _logging_stays_as_it_was() -> Iterator[None]:
    """Undo what a test, or an entry point that it calls, configures for the whole process."""
    root, own = logging.getLogger(), logging.getLogger("zkbridge")
    before = (root.level, list(root.handlers), own.level)
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    own.setLevel(before[2])
