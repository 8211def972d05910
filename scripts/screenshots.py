#!/usr/bin/env python3
"""Take pictures of the demo's site in a real Chromium, light and dark, on a desktop and on a phone: `make screenshots`.

Recorded matches are played up to a moment at once, and on from there, while spectators watch, cheer and cheat. Without
one, invented matches are played. The picture of the README is one of them. Needs tests/ on the path.
"""

import argparse
import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from heapq import merge
from pathlib import Path

import httpx
from playwright.async_api import Browser, Page, expect

import touchline
from support.browser import launched_browser
from touchline_demo.app import Demo
from touchline_demo.matches.statsbomb import ATTRIBUTION, read_match
from touchline_demo.matches.timeline import Timed
from touchline_demo.schedule import Schedule, invented
from touchline_server.config.settings import Settings

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / ".cache" / "screenshots"
README_PICTURE = ROOT / "docs" / "demo.png"

STARTS_S = (58 * 60, 20 * 60)
"""Where in its own time each recorded match is when the pictures are taken: the first one has had goals by then."""

SPEED = 6.0
"""How many times faster than its own time a match is played: slow enough for all pictures to show its second half."""

SPECTATORS = 41
CHEERS = 3
LOOK_S = 6.0
"""How long a page is open before its picture is taken: bots are caught by then, and the charts have something."""

DEVICES = {
    "desktop": {"viewport": {"width": 1280, "height": 800}, "device_scale_factor": 2},
    "phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True},
}
THEMES = ("light", "dark")


def recorded(files: Sequence[Path]) -> Schedule:
    """Recorded matches, each already under way."""
    timelines = [shifted(file, start_s) for file, start_s in zip(files, STARTS_S, strict=False)]
    newest = read_match(files[0]).match_id
    return Schedule(merge(*timelines, key=lambda item: item.due_s), SPEED, len(timelines), newest, ATTRIBUTION)


def shifted(file: Path, start_s: float) -> Iterator[Timed]:
    """The items of a match; those before ``start_s`` are due at once."""
    for item in read_match(file).timeline:
        yield item._replace(due_s=item.due_s - start_s)


@asynccontextmanager
async def running(schedule: Schedule) -> AsyncIterator[str]:
    """A demo that plays ``schedule``; the address of its page."""
    demo = Demo(Settings(log="sqlite://", port=0, control_port=0), schedule)
    await demo.node.start()
    task = asyncio.create_task(demo.run())
    watching: list[asyncio.Task[None]] = []
    page = f"http://127.0.0.1:{demo.node.control_port}/"
    edge = f"ws://127.0.0.1:{demo.node.edge_port}/ws"
    try:
        async with httpx.AsyncClient(base_url=page) as http, AsyncExitStack() as spectators:
            while len((await http.get("demo.json")).json()["matches"]) < schedule.matches:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            for number in range(SPECTATORS):
                token = (await http.post("demo/token", json={})).json()["token"]
                client = await spectators.enter_async_context(touchline.connect(edge, token=token))
                watching.append(asyncio.create_task(watch(client, f"match:{schedule.newest_match}")))
                for _ in range(CHEERS):
                    await client.act(
                        f"cheer:{schedule.newest_match}", "tap", {"team": "away" if number % 3 else "home"}
                    )
            yield f"{page}#{schedule.newest_match}"
    finally:
        for one in (task, *watching):
            one.cancel()
        await asyncio.gather(task, *watching, return_exceptions=True)
        await demo.node.stop()


async def watch(client: touchline.Client, room: str) -> None:
    """Be in a room, as a spectator is."""
    async for _ in client.subscribe(room):
        pass


async def cheat(page: Page) -> None:
    """Start bots, and wait until one was found out."""
    for name in ("taps like clockwork", "taps too fast"):
        await page.get_by_role("button", name=name).click()
        await asyncio.sleep(1.2)
    await expect(page.locator("#findings li").first).to_be_visible(timeout=60_000)


async def take(browser: Browser, address: str, device: str, theme: str, folder: Path) -> None:
    """Take the pictures of one device and theme. On a phone, the list of matches is one too."""
    context = await browser.new_context(**DEVICES[device], color_scheme=theme)  # type: ignore[arg-type]
    page = await context.new_page()
    if device == "phone":
        await page.goto(address.split("#", maxsplit=1)[0])
        await expect(page.locator(".card").first).to_be_attached()
        await asyncio.sleep(1)
        await page.screenshot(path=folder / f"matches-{device}-{theme}.png")
    await page.goto(address)
    await expect(page.locator("#status")).to_have_text("live")
    if device == "desktop":
        await cheat(page)
    await asyncio.sleep(LOOK_S)
    for _ in range(CHEERS):
        await page.locator("#cheer-home").click()
    await asyncio.sleep(0.25)
    await page.screenshot(path=folder / f"match-{device}-{theme}.png")
    await context.close()


async def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--match", type=Path, action="append", help="a recorded match; name two", metavar="FILE")
    parser.add_argument("--folder", type=Path, default=PICTURES, help="where to write the pictures")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    schedule = recorded(arguments.match) if arguments.match else invented(3, 2.0)
    async with running(schedule) as address, launched_browser() as browser:
        for theme in THEMES:
            for device in DEVICES:
                await take(browser, address, device, theme, arguments.folder)
    shutil.copy(arguments.folder / "match-desktop-light.png", README_PICTURE)


if __name__ == "__main__":
    asyncio.run(main())
