#!/usr/bin/env python3
"""Measure the demo's site beside an empty page: frames while 100 events a second arrive, and the first paint.

Needs tests/ on the path, and a machine that does nothing else.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from statistics import median

from playwright.async_api import Browser

from demo.running_demo import running_demo
from demo.scripted_edge import ScriptedEdge, scripted_edge
from demo.site_measures import EMPTY_PAGE, WATCH_SHIFTS, Frames, first_paint_ms, flood, frames_of
from demo.test_page_live import PHONE
from demo.test_page_quality import show_everything
from support.browser import WIDE, launched_browser, open_page

SIZES = {"desktop": WIDE, "phone": PHONE}


async def frames(browser: Browser, edge: ScriptedEdge, size: str, seconds: float) -> dict[str, Frames]:
    """Frames of an empty page and of the site, each with nothing to do and while events are published."""
    measured = {}
    for name in ("an empty page", "the site"):
        async with open_page(browser) as page:
            await page.set_viewport_size(SIZES[size])  # type: ignore[arg-type]
            if name == "the site":
                await page.goto(f"{edge.url}#1")
                await page.locator("#list li").nth(1).wait_for()
            else:
                await page.set_content(EMPTY_PAGE)
            measured[f"{name}, no events"] = await frames_of(page, seconds)
            measured[f"{name}, 100 events/s"] = await frames_of(page, seconds, lambda: flood(edge, seconds))
    return measured


async def first_paints(browser: Browser, times: int) -> dict[str, list[float]]:
    """First paints of new visitors: of the site, and of a text file of the same server."""
    paints: dict[str, list[float]] = {"a text file": [], "the site": []}
    async with running_demo() as demo:
        for _ in range(times):
            async with open_page(browser) as page:
                paints["a text file"].append(await first_paint_ms(page, f"{demo.page}/assets/licences.txt"))
            async with open_page(browser) as page:
                paints["the site"].append(await first_paint_ms(page, f"{demo.page}/#{demo.match_id}"))
    return paints


async def layout_shift(browser: Browser, size: str, seconds: float) -> float:
    """How much of the site moved that nobody moved, while it loads, plays, and loads again."""
    async with running_demo() as demo, open_page(browser) as page:
        await page.set_viewport_size(SIZES[size])  # type: ignore[arg-type]
        await page.add_init_script(WATCH_SHIFTS)
        await page.goto(f"{demo.page}/#{demo.match_id}")
        await asyncio.sleep(seconds)
        shifts = await page.evaluate("shifts")
        await page.reload()
        await asyncio.sleep(seconds)
        shifts += await page.evaluate("shifts")
        return float(sum(value for value, _ in shifts))


async def report(browser: Browser, rounds: int, seconds: float) -> AsyncIterator[str]:
    """The lines of the report."""
    for size in SIZES:
        measured = []
        for _ in range(rounds):
            async with scripted_edge() as edge:
                await show_everything(edge)
                measured.append(await frames(browser, edge, size, seconds))
        for name in measured[0]:
            per_s, p99_ms, busy_ms = (median(values) for values in zip(*(one[name] for one in measured), strict=True))
            yield f"{size:8} {name:28} {per_s:5.1f} frames/s, p99 {p99_ms:5.1f} ms, busy {busy_ms:5.2f} ms a frame"
    for size in SIZES:
        yield f"{size:8} layout shift {await layout_shift(browser, size, 2 * seconds):.5f}"
    for name, paints in (await first_paints(browser, 5 * rounds)).items():
        yield f"first paint of {name:14} median {median(paints):4.0f} ms, slowest {max(paints):4.0f} ms"


async def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    arguments = parser.parse_args()
    async with launched_browser() as browser:
        async for line in report(browser, arguments.rounds, arguments.seconds):
            print(line, flush=True)  # noqa: T201 - it is a command


if __name__ == "__main__":
    asyncio.run(main())
