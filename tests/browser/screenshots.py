"""``python -m tests.browser.screenshots [folder]``: pictures of the page for the documentation."""

import logging
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, ViewportSize

from tests.browser.chromium import browser
from tests.browser.world import PEOPLE, configuration, fill, late_afternoon, trouble
from tests.web.house import House, punch

WIDE: ViewportSize = {"width": 1280, "height": 860}
PHONE: ViewportSize = {"width": 390, "height": 844}


def main(folder: Path) -> None:
    """Write the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    now = late_afternoon()
    with (
        tempfile.TemporaryDirectory() as place,
        House(Path(place), now=now, config=configuration()) as house,
        browser() as chromium,
    ):
        fill(house, now)
        _log(house)
        for scheme, suffix in (("light", ""), ("dark", "-dark")):
            _shoot(chromium, house, folder / f"page-today{suffix}.png", "today", scheme)
        _shoot(chromium, house, folder / "page-history.png", "history")
        _shoot(chromium, house, folder / "page-phone.png", "today", "light", phone=True)
        _shoot(chromium, house, folder / "page-phone-history.png", "history", "dark", phone=True)
        _shoot(chromium, house, folder / "page-setup.png", "setup")
        _shoot(chromium, house, folder / "page-log.png", "log")
        trouble(house)
        _shoot(chromium, house, folder / "page-terminals.png", "terminals")
        _shoot(chromium, house, folder / "page-terminals-dark.png", "terminals", "dark")


def _log(house: House) -> None:
    logger = logging.getLogger("zkbridge.screenshots")
    logger.addHandler(house.log)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.info("connected to the broker localhost:1883 (MQTT 5)")
    logger.info("terminal front_door: connected, live, serial AAA001")
    logger.info("terminal warehouse: connected, polled every 30 s")
    logger.warning("terminal warehouse: its clock is 3 s behind")
    logger.removeHandler(house.log)


def _shoot(
    chromium: Browser,
    house: House,
    file: Path,
    view: str,
    scheme: str = "light",
    *,
    phone: bool = False,
) -> None:
    context = chromium.new_context(
        viewport=PHONE if phone else WIDE,
        device_scale_factor=2 if phone else 1,
        color_scheme="dark" if scheme == "dark" else "light",
        locale="en-GB",
    )
    try:
        page = context.new_page()
        page.goto(f"{house.server.url}#{view}")
        page.locator(".pill:not(.waiting)").first.wait_for()
        _ready(page, house, view)
        page.wait_for_load_state("load")
        page.screenshot(path=file, animations="disabled")
    finally:
        context.close()


def _ready(page: Page, house: House, view: str) -> None:
    if view == "today":
        page.locator(".row .timeline").first.wait_for()
        if not page.get_by_text("17:41").count():
            moment = late_afternoon() - timedelta(seconds=20)
            house.add([punch("1005", moment, name=PEOPLE[4], code=1)])
            house.deliver()
            page.locator(".latest").get_by_text("17:41:40").first.wait_for()
    if view == "history":
        page.locator("tbody tr").nth(20).wait_for()
    if view == "terminals":
        page.locator(".terminal").nth(2).wait_for()
    if view == "setup":
        page.locator("dl.options").first.wait_for()
    if view == "log":
        page.locator(".lines li").nth(3).wait_for()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/images"))
