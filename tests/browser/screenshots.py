"""``python -m tests.browser.screenshots [folder]``: pictures of the page for the documentation."""

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
        for scheme, suffix in (("light", ""), ("dark", "-dark")):
            _shoot(chromium, house, folder / f"page-today{suffix}.png", "today", scheme)
        _shoot(chromium, house, folder / "page-history.png", "history")
        _shoot(chromium, house, folder / "page-phone.png", "today", "light", phone=True)
        _shoot(chromium, house, folder / "page-setup.png", "setup")
        trouble(house)
        _shoot(chromium, house, folder / "page-terminals.png", "terminals")


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


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/images"))
