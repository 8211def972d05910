"""The demo's page after a real sleep: frozen by the browser, or stopped with its whole browser."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import expect

from demo.scripted_edge import ScriptedEdge
from demo.test_page_live import goal, happened, kick_off, score
from support.sleeping_browser import sleeping_browser

pytestmark = pytest.mark.long

HEARTBEAT_MS = 500
SLEEP_S = 3.0
"""Longer than the page waits for a heartbeat."""


@pytest.mark.parametrize("is_frozen", [True, False], ids=["frozen", "stopped"])
async def test_a_page_that_slept_shows_all_that_happened_meanwhile(
    edge: ScriptedEdge, tmp_path: Path, is_frozen: bool
) -> None:
    await kick_off(edge, "1")
    await edge.publish("match:1", happened("Carry", 1))
    async with sleeping_browser(tmp_path) as browser:
        page = await browser.page()
        await page.goto(edge.url)
        await expect(page.locator("#list .minute")).to_have_text(["1'"])
        edge.heartbeat_ms = HEARTBEAT_MS
        await edge.disconnect()
        await edge.until(lambda: edge.connected == 2 and len(edge.subscribes("match:1")) == 2)
        edge.heartbeat_ms = 25_000
        await browser.freeze(page) if is_frozen else browser.stop()
        for minute in (2, 3, 4):
            await edge.publish("match:1", happened("Carry", minute))
        await edge.publish("score:1", score(1, 1), key="score")
        await edge.publish("score:1", goal(1, 1), key="last_goal")
        await asyncio.sleep(SLEEP_S)
        await browser.unfreeze(page) if is_frozen else browser.go_on()
        await expect(page.locator("#list .minute")).to_have_text(["4'", "3'", "2'", "1'"])
        await expect(page.locator(".card .goals")).to_have_text(["1", "1"])
        await expect(page.locator("#status")).to_have_text("live")
        await edge.publish("match:1", happened("Carry", 5))
        await expect(page.locator("#list .minute")).to_have_text(["5'", "4'", "3'", "2'", "1'"])
        await expect(page.locator("#gaps")).to_have_text("0")
