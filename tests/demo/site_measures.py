"""Measures the demo's site in a browser, and an empty page in the same way: what the machine itself can do.

Chromium draws in software here, on the cores that the server has too. So a number of frames says little by itself; its
ratio to that of an empty page does.
"""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from statistics import quantiles
from typing import NamedTuple

from playwright.async_api import CDPSession, Page

from demo.scripted_edge import ScriptedEdge
from demo.test_page_live import happened

EVENTS_PER_S = 100

EMPTY_PAGE = "<!doctype html><title>Empty</title><p>Empty</p>"

COUNT_FRAMES = """seconds => new Promise((resolve) => {
  const times = [];
  const end = performance.now() + seconds * 1000;
  requestAnimationFrame(function count(now) {
    times.push(now);
    if (now < end) requestAnimationFrame(count);
    else resolve(times);
  });
})"""

WATCH_SHIFTS = """
  window.shifts = [];
  const isRow = ({ node }) => Boolean(node?.closest?.("#list, #findings"));
  const place = ({ node, previousRect: from, currentRect: to }) =>
    [node?.id || node?.className || String(node), from.x, from.y, to.x, to.y];
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries()) {
      if (!hadRecentInput && !sources.every(isRow)) shifts.push([value, sources.map(place)]);
    }
  }).observe({ type: "layout-shift", buffered: true });
"""
"""Rows of the timeline and of the findings move down as newer ones arrive: that is what such a list is."""

FIRST_PAINT = """() => new Promise((resolve) => {
  new PerformanceObserver((list) => {
    for (const { name, startTime } of list.getEntries()) if (name === "first-contentful-paint") resolve(startTime);
  }).observe({ type: "paint", buffered: true });
})"""


class Frames(NamedTuple):
    """Frames of a page over some seconds."""

    per_s: float
    p99_ms: float
    """The time from one frame to the next; one of a hundred takes longer."""
    busy_ms: float
    """The work of the page's thread per frame."""


async def frames_of(page: Page, seconds: float, meanwhile: Callable[[], Awaitable[None]] | None = None) -> Frames:
    """Count a page's frames, while something goes on that may keep it busy."""
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    busy_s = await _busy_s(devtools)
    counting = asyncio.ensure_future(page.evaluate(COUNT_FRAMES, seconds))
    if meanwhile is not None:
        await meanwhile()
    times: list[float] = await counting
    busy_s = await _busy_s(devtools) - busy_s
    await devtools.detach()
    gaps = [later - earlier for earlier, later in pairwise(times)]
    return Frames(1000 * len(gaps) / sum(gaps), quantiles(gaps, n=100)[-1], 1000 * busy_s / len(times))


async def _busy_s(devtools: CDPSession) -> float:
    """How long the page's thread has been at work so far."""
    metrics = (await devtools.send("Performance.getMetrics"))["metrics"]
    return float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))


async def flood(edge: ScriptedEdge, seconds: float) -> None:
    """Publish events at an even rate: play that moves the ball, so that everything on the page has something to do."""
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    for number in range(round(EVENTS_PER_S * seconds)):
        x, y = number * 7 % 120, number * 13 % 80
        event = happened("Pass", number, location=[x, y]) | {"pass": {"end_location": [120 - x, 80 - y]}}
        await edge.publish("match:1", event)
        await asyncio.sleep(begun_s + number / EVENTS_PER_S - loop.time())


async def first_paint_ms(page: Page, address: str) -> float:
    """Open an address in a new page; the time until something of it is seen."""
    await page.goto(address)
    return float(await page.evaluate(FIRST_PAINT))
