"""The page in a real browser: what people see and do."""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.proxy import PrefixProxy
from tests.browser.watch import Watch
from tests.browser.world import configuration
from tests.web.house import House, punch, replaced
from tests.web.test_setup import logger_into
from zkbridge.events import Mode, Trouble

HOSTILE = "<img src=x onerror=alert(1)>\u202egnp.\x07<script>alert(2)</script>"


def this_morning(hours: float = 0) -> datetime:
    """A moment of today, so that the page shows it."""
    start = datetime.now(UTC).replace(hour=6, minute=0, second=0, microsecond=0)
    return start + timedelta(hours=hours)


def open_page(page: Page, house: House, view: str = "today") -> None:
    """Load a view and wait until it is live."""
    page.goto(f"{house.server.url}#{view}")
    expect(page.locator(".glance .pill")).not_to_have_class("pill waiting")


def test_live_punch_appears_without_reload(page: Page, house: House) -> None:
    house.add([punch("17", this_morning(), name="Ana Petrović")])
    open_page(page, house)
    expect(page.locator(".rows .row:not(.head)")).to_have_count(1)
    page.evaluate("window.loadedOnce = true")

    house.add([punch("18", this_morning(2), name="Boris Novák", code=0)])

    expect(page.locator(".latest li").first).to_contain_text("Boris Novák")
    expect(page.locator(".rows .row:not(.head)")).to_have_count(2)
    expect(page.locator(".tile").first).to_contain_text("2")
    assert page.evaluate("window.loadedOnce")


def test_second_punch_of_a_person_makes_a_day(page: Page, house: House) -> None:
    house.add([punch("17", this_morning(2), name="Ana")])
    open_page(page, house)

    house.add([punch("17", this_morning(9.5), name="Ana", code=1)])

    row = page.locator(".rows .row:not(.head)")
    expect(row.locator(".first")).to_have_text("08:00")
    expect(row.locator(".last")).to_have_text("15:30")
    expect(row.locator(".timeline .mark")).to_have_count(2)
    expect(row.locator(".timeline")).to_have_attribute(
        "aria-label", "Check in 08:00, Check out 15:30"
    )


def test_day_can_be_seen_by_terminal(page: Page, house: House) -> None:
    house.add([punch("1", this_morning(), key="BBB002")], key="BBB002")
    open_page(page, house)

    page.get_by_role("button", name="By terminal").click()

    row = page.locator(".row[data-terminal=warehouse]")
    expect(row.locator(".count")).to_have_text("1")
    expect(row.locator(".heat span:not(.none)")).to_have_count(1)


def test_another_day_can_be_chosen(page: Page, house: House) -> None:
    yesterday = this_morning() - timedelta(days=1)
    house.add([punch("1", yesterday, name="Yesterday's guest")])
    open_page(page, house)
    expect(page.locator(".rows")).to_contain_text("Nobody yet")

    page.get_by_label("Day").fill(yesterday.date().isoformat())

    expect(page.locator(".rows .row:not(.head)")).to_contain_text("Yesterday's guest")


def test_page_comes_back_with_the_bridge_and_misses_nothing(
    page: Page, tmp_path: Path, watch: Watch
) -> None:
    with House(tmp_path / "bridge") as before:
        before.add([punch("4", this_morning(), name="Before")])
        open_page(page, before)
        expect(page.locator(".latest")).to_contain_text("Before")
        page.evaluate("window.loadedOnce = true")
        port = before.server.port
    expect(page.locator(".glance")).to_contain_text("Connection lost")

    with House(tmp_path / "bridge", listen=f"127.0.0.1:{port}") as after:
        after.add([punch("5", this_morning(1), name="Meanwhile")])
        expect(page.locator(".latest")).to_contain_text("Meanwhile", timeout=20_000)
        expect(page.locator(".glance")).not_to_contain_text("Connection lost")
        assert page.evaluate("window.loadedOnce")
        page.goto("about:blank")
    # The browser notes every connection that failed.
    watch.complaints[:] = [line for line in watch.complaints if "net::ERR_" not in line]


def test_glance_says_what_is_wrong_and_what_to_do(page: Page, house: House) -> None:
    open_page(page, house)
    expect(page.locator(".glance")).to_contain_text("Everything works")

    house.set_view("BBB002", online=False, mode=Mode.OFFLINE, error=Trouble.UNREACHABLE)
    replaced(house, broker_connected=False, broker_error="connection refused")

    expect(page.locator(".glance")).to_contain_text("2 things need attention")
    expect(page.locator("#problems")).to_contain_text("Warehouse")
    expect(page.locator("#problems")).to_contain_text("Check that it is powered")
    expect(page.locator("#problems")).to_contain_text("Nothing is lost")


def test_waiting_events_are_counted(page: Page, house: House) -> None:
    open_page(page, house)
    expect(page.locator(".queue")).to_have_text("Nothing waiting")

    house.add([punch("1", this_morning())])
    expect(page.locator(".queue")).to_contain_text("1 waiting")

    house.deliver()
    expect(page.locator(".queue")).to_have_text("Nothing waiting")


def test_terminals_show_how_full_they_are(page: Page, house: House) -> None:
    house.set_view("AAA001", punches=96_900, punches_capacity=100_000, clock_drift=-7260.0)
    open_page(page, house, "terminals")

    card = page.locator("[data-terminal=front_door]")
    expect(card).to_contain_text("96,900 of 100,000")
    expect(card).to_contain_text("97 %")
    expect(card).to_contain_text("2 h behind")


def test_history_is_filtered_and_continued(page: Page, house: House) -> None:
    start = this_morning() - timedelta(days=1)
    house.add([punch(str(n % 3), start + timedelta(seconds=n)) for n in range(150)])
    open_page(page, house, "history")
    expect(page.locator("tbody tr")).to_have_count(100)

    page.get_by_role("button", name="Show older").click()
    expect(page.locator("tbody tr")).to_have_count(150)

    page.get_by_role("searchbox").fill("2")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(50)

    page.get_by_label("Terminal").select_option("warehouse")
    expect(page.locator("tbody tr")).to_have_count(0)
    expect(page.locator(".foot")).to_contain_text("No punches")


@pytest.mark.parametrize("form", ["CSV", "JSON"])
def test_what_is_filtered_can_be_downloaded(
    page: Page, house: House, tmp_path: Path, form: str
) -> None:
    house.add([punch(str(n % 2), this_morning() + timedelta(seconds=n)) for n in range(10)])
    open_page(page, house, "history")
    page.get_by_role("searchbox").fill("1")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(5)

    with page.expect_download() as waiting:
        page.get_by_role("link", name=form).click()
    file = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(file)

    text = file.read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(text.splitlines())) if form == "CSV" else json.loads(text)
    assert file.name == f"punches.{form.lower()}"
    assert [row["user_id"] for row in rows] == ["1"] * 5


@pytest.mark.parametrize("view", ["today", "history", "terminals", "setup"])
def test_hostile_name_is_only_text(page: Page, house: House, view: str) -> None:
    house.config = {"terminals": [{"name": HOSTILE, "host": "h"}]}
    house.add_terminal("evil", HOSTILE, "EVIL01")
    house.add([punch("66", this_morning(), key="EVIL01", name=HOSTILE)], key="EVIL01")

    open_page(page, house, view)

    shown = page.locator("#view bdi").get_by_text("<img src=x onerror=alert(1)>").first
    expect(shown).to_be_visible()
    expect(page.locator("#view .odd").first).to_have_text("U+202E")
    assert "\u202e" not in page.locator("#view").inner_text()
    assert page.locator("#view img, #view script").count() == 0


def test_setup_tries_an_address_and_gives_the_lines_to_add(page: Page, house: House) -> None:
    house.config = configuration()
    house.trial = {
        "status": "ok",
        "serial": "BJ4F2",
        "firmware": "Ver 6.60",
        "reads": {"users": True, "faces": "refused"},
    }
    open_page(page, house, "setup")
    expect(page.locator(".options").first).to_be_visible()
    for secret in ("hunter2", "70713", "tell-nobody"):
        assert secret not in page.content()

    page.get_by_label("Address").fill("192.168.1.77")
    page.get_by_label("Comm key").fill("4711")
    page.get_by_role("button", name="Try it").click()

    expect(page.locator(".result")).to_contain_text("It answers")
    expect(page.locator(".result")).to_contain_text("BJ4F2")
    expect(page.locator(".reads .bad")).to_contain_text("refused")
    expect(page.locator(".yaml")).to_contain_text("host: 192.168.1.77")
    assert "4711" not in page.locator(".result").inner_text()


def test_setup_says_why_an_address_is_not_tried(page: Page, house: House, watch: Watch) -> None:
    open_page(page, house, "setup")

    page.get_by_label("Address").fill("8.8.8.8")
    page.get_by_role("button", name="Try it").click()

    expect(page.locator(".result")).to_contain_text("private networks")
    # The browser notes every answer that is an error.
    assert len(watch.complaints) == 1
    assert "400" in watch.complaints.pop()


def test_log_is_shown(page: Page, house: House) -> None:
    with logger_into(house) as logger:
        logger.warning("terminal <b>warehouse</b> is away")

    open_page(page, house, "log")

    expect(page.locator(".lines li").first).to_contain_text("terminal <b>warehouse</b> is away")


def test_everything_works_below_a_prefix(page: Page, house: House) -> None:
    house.add([punch("17", this_morning(), name="Ana")])

    with PrefixProxy(house.server.port, "/deep/down/zk/") as proxy:
        page.goto(proxy.url)
        expect(page.locator(".latest")).to_contain_text("Ana")
        house.add([punch("18", this_morning(1), name="Boris")])
        expect(page.locator(".latest")).to_contain_text("Boris")
        for view in ("Terminals", "History", "Setup", "Log", "Today"):
            page.get_by_role("link", name=view, exact=True).click()
            expect(page.locator("h1")).to_have_text(view)
        page.goto("about:blank")
        assert [path for path in proxy.outside if path != "/favicon.ico"] == []


def test_ingress_works_from_an_address_without_the_last_slash(page: Page, tmp_path: Path) -> None:
    prefix = "/api/hassio_ingress/t0ken/"
    headers = {"X-Ingress-Path": prefix.rstrip("/")}
    with (
        House(tmp_path / "addon", ingress=True, listen="0.0.0.0:0") as addon,
        PrefixProxy(addon.server.port, prefix, headers) as proxy,
    ):
        addon.add([punch("17", this_morning(), name="Ana")])
        page.goto(proxy.url)

        expect(page.locator(".latest")).to_contain_text("Ana")
        assert page.evaluate("document.baseURI") == proxy.url
        page.goto("about:blank")


def test_token_in_the_address_opens_the_page_once(
    page: Page, context: BrowserContext, tmp_path: Path
) -> None:
    with House(tmp_path / "guarded", listen="0.0.0.0:0", token="s3cret") as house:
        page.goto(f"{house.server.url}?token=s3cret")
        expect(page.locator(".glance")).to_contain_text("Everything works")
        assert "token" not in page.url

        page.goto(house.server.url)
        expect(page.locator(".glance")).to_contain_text("Everything works")
        assert page.evaluate("document.cookie") == ""
        page.goto("about:blank")


def test_token_can_be_typed(page: Page, tmp_path: Path, watch: Watch) -> None:
    with House(tmp_path / "guarded", listen="0.0.0.0:0", token="s3cret") as house:
        page.goto(house.server.url)
        page.get_by_label("Token").fill("s3cret")
        page.get_by_role("button", name="Open").click()

        expect(page.locator(".glance")).to_contain_text("Everything works")
        page.goto("about:blank")
    watch.complaints[:] = [line for line in watch.complaints if "401" not in line]


@pytest.mark.parametrize("view", ["today", "terminals", "history", "setup", "log"])
def test_phone_needs_no_sideways_scrolling(page: Page, house: House, view: str) -> None:
    house.config = configuration()
    house.add([punch("17", this_morning(), name="A" * 60), punch("17", this_morning(8), code=1)])
    page.set_viewport_size({"width": 360, "height": 740})

    open_page(page, house, view)
    expect(page.locator("h1")).to_be_visible()

    widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert widths[0] <= widths[1]


def test_dark_mode_follows_the_system(chromium: Browser, house: House) -> None:
    shades = {}
    for scheme in ("light", "dark"):
        context = chromium.new_context(color_scheme="dark" if scheme == "dark" else "light")
        try:
            page = context.new_page()
            open_page(page, house)
            colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
            shades[scheme] = sum(int(part) for part in colour[4:-1].split(","))
        finally:
            context.close()

    assert shades["dark"] < 150
    assert shades["light"] > 600


def test_every_view_can_be_reached_by_keyboard(page: Page, house: House) -> None:
    open_page(page, house)

    page.get_by_role("link", name="Today").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    expect(page.locator("h1")).to_have_text("Terminals")


def test_many_people_come_in_pages(page: Page, house: House) -> None:
    house.add([punch(str(n), this_morning() + timedelta(seconds=n)) for n in range(150)])
    open_page(page, house)
    rows = page.locator(".rows .row:not(.head)")
    expect(rows).to_have_count(100)

    page.get_by_role("button", name="Show 50 people more").click()

    expect(rows).to_have_count(150)
    expect(page.get_by_role("button", name="more")).to_have_count(0)
