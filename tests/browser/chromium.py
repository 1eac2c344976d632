"""The system's Chromium, held by Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, sync_playwright

# No sandbox: in containers and as root there is none. The rest keeps it from calling home.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def executable() -> str:
    """Return where the browser is; a clear error beats a skipped test."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    raise FileNotFoundError("no Chromium on this machine: install the package chromium")


@contextmanager
def browser(**options: Any) -> Iterator[Browser]:  # noqa: ANN401 - Playwright's own options
    """Run a headless browser."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=executable(), args=list(ARGUMENTS), **options
        )
        try:
            yield running
        finally:
            running.close()
