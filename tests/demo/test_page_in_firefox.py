"""The demo's site, as built, in Firefox: the main path of a visitor."""

import asyncio
from pathlib import Path

import pytest

from demo.running_demo import DEADLINE_S, RunningDemo
from support.firefox import FirefoxPage, firefox_page

pytestmark = pytest.mark.long

TEXT = "selector => document.querySelector(selector)?.textContent"
CLICK = "selector => document.querySelector(selector).click()"
ROWS = "() => document.querySelectorAll('#list li').length"


async def until_text(page: FirefoxPage, selector: str, text: str) -> None:
    """Wait until an element contains the text."""
    async with asyncio.timeout(DEADLINE_S):
        while text not in (await page.evaluate(TEXT, selector) or ""):  # noqa: ASYNC110 - the page cannot call
            await asyncio.sleep(0.05)


async def test_a_visitor_watches_a_match_cheers_and_finds_the_cheer_again(demo: RunningDemo, tmp_path: Path) -> None:
    async with firefox_page(tmp_path) as page:
        await page.goto(f"{demo.page}#{demo.match_id}")
        await until_text(page, "#status", "live")
        await until_text(page, "#word", "You play as")
        await page.evaluate(CLICK, "#cheer-home")
        await until_text(page, "#cheer-home .cheer-count", "1")
        assert await page.evaluate(ROWS) > 0
        await page.goto("about:blank")
        await page.goto(f"{demo.page}#{demo.match_id}")
        await until_text(page, "#cheer-home .cheer-count", "1")
