"""Pages in a real browser: headless Chromium, driven by Playwright.

The fixture ``browser`` is one browser for all tests of a worker. It belongs to the event loop that started it, so those
tests share one loop too (``loop_scope="session"``). Each test opens its page in a new context, so nothing remains from
the test before. `launched_browser` is for tests that run in another kind of loop.
"""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE = {"width": 1280, "height": 800}


def browser_path() -> str:
    """Where the browser is. Without one, the test fails."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    pytest.fail(f"tests of pages need a browser, one of {', '.join(BROWSERS)}: install Debian's package chromium")


@asynccontextmanager
async def launched_browser(*flags: str) -> AsyncIterator[Browser]:
    """Launch a browser in this event loop, until the end of the block. ``flags`` are added to the usual ones."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=browser_path(), args=[*BROWSER_FLAGS, *flags])
        yield browser
        await browser.close()


@asynccontextmanager
async def open_page(browser: Browser, *, bypass_csp: bool = False) -> AsyncIterator[Page]:
    """Open a page on a wide screen. A script error, or a violation of the content security policy, fails the test.

    ``bypass_csp``: the page may connect to other servers than the one that it comes from.
    """
    errors: list[str] = []
    context = await browser.new_context(viewport=WIDE, bypass_csp=bypass_csp)  # type: ignore[arg-type]
    page = await context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if "Content Security" in line.text else None)
    try:
        yield page
    finally:
        await context.close()
    assert errors == []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests that run in the session's event loop."""
    async with launched_browser() as browser:
        yield browser
