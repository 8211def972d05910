"""A Chromium that can sleep: pages that the browser freezes, and a whole browser that the machine stops.

Playwright keeps its own browsers awake: it makes each of their pages believe that somebody looks at it, and such a page
is never frozen. So this one is a process of its own, to which Playwright only attaches, without its defaults.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, CDPSession, Page, async_playwright

from support.browser import BROWSER_FLAGS, browser_path
from support.waiting import DEADLINE_S

PORT_FILE = "DevToolsActivePort"
"""In the browser's profile: the port that it listens on for developer tools, in its first line."""


class SleepingBrowser:
    """A browser that a test can freeze a page of, or stop and continue as a whole."""

    def __init__(self, process: asyncio.subprocess.Process, browser: Browser) -> None:
        self._process = process
        self._browser = browser

    async def page(self) -> Page:
        """The first page of the browser."""
        (context,) = self._browser.contexts
        return context.pages[0] if context.pages else await context.new_page()

    async def freeze(self, page: Page) -> None:
        """Minimize the window and freeze its page: the page gets its events, and then no more time."""
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Browser.setWindowBounds", await self._window(devtools, "minimized"))
        await devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
        await devtools.detach()

    async def unfreeze(self, page: Page) -> None:
        """Let the page go on, and show its window again."""
        devtools = await page.context.new_cdp_session(page)
        await devtools.send("Page.setWebLifecycleState", {"state": "active"})
        await devtools.send("Browser.setWindowBounds", await self._window(devtools, "normal"))
        await devtools.detach()

    def stop(self) -> None:
        """Stop all processes of the browser without a word to them, like a machine that goes to sleep."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Wake the browser up."""
        os.killpg(self._process.pid, signal.SIGCONT)

    async def _window(self, devtools: CDPSession, state: str) -> dict[str, Any]:
        window = await devtools.send("Browser.getWindowForTarget")
        return {"windowId": window["windowId"], "bounds": {"windowState": state}}


@asynccontextmanager
async def sleeping_browser(profile: Path) -> AsyncIterator[SleepingBrowser]:
    """Start a browser whose profile is a new folder. It ends with the block, awake or not."""
    flags = ("--headless", "--remote-debugging-port=0", f"--user-data-dir={profile}", *BROWSER_FLAGS)
    null = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        browser_path(), *flags, "about:blank", start_new_session=True, stdout=null, stderr=null
    )
    try:
        port = await debugging_port(profile)
        async with async_playwright() as playwright:
            address = f"http://127.0.0.1:{port}"
            yield SleepingBrowser(process, await playwright.chromium.connect_over_cdp(address, no_defaults=True))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def debugging_port(profile: Path) -> int:
    """Wait until the browser listens."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            if (file := profile / PORT_FILE).exists() and (lines := file.read_text("ascii").split()):
                return int(lines[0])
            await asyncio.sleep(0.02)
