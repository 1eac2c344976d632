"""One Chromium for all tests; a page of its own for each, which must stay without fault."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.chromium import browser
from tests.browser.watch import Watch
from tests.web.house import House


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser; ends with this folder, since Playwright holds an event loop open."""
    with browser() as running:
        yield running


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A web server with a store behind it."""
    with House(tmp_path) as running:
        yield running


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser that has seen nothing yet."""
    opened = chromium.new_context(viewport={"width": 1280, "height": 860}, locale="en-GB")
    opened.set_default_timeout(15_000)
    yield opened
    opened.close()


@pytest.fixture
def watch() -> Watch:
    """Sees what pages ask for and complain about."""
    return Watch()


@pytest.fixture
def page(context: BrowserContext, watch: Watch) -> Iterator[Page]:
    """A page without a complaint, and without a request to anywhere else."""
    opened = context.new_page()
    watch.over(opened)
    yield opened
    opened.close()
    assert watch.complaints == []
    assert watch.hosts <= {"127.0.0.1"}
