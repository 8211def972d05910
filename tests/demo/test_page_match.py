"""The demo's site, as built, over a whole match, a restart of its server, and a network that blocks WebSockets."""

import asyncio
from contextlib import suppress
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, Route, expect

from demo.running_demo import DEADLINE_S, RunningDemo, running_demo
from js.websocket_block import WebSocketBlock
from matches.known import MADE_UP
from support.browser import open_page
from touchline_demo.app import Demo
from touchline_demo.matches.statsbomb import read_match
from touchline_demo.schedule import Schedule
from touchline_server.config.settings import Settings

SPEED = 1_500.0
"""A match of 93 minutes takes four seconds."""
SIDES = ("home", "away")

expect.set_options(timeout=DEADLINE_S * 1000)


async def state_of(http: httpx.AsyncClient, room: str) -> dict[str, Any]:
    """The newest data of each key of a room, as the log has it."""
    answer = await http.get(f"/v1/rooms/{room}")
    assert answer.status_code == 200, answer.text
    return {event["key"]: event["data"] for event in answer.json()["state"]}


async def test_a_match_that_is_watched_from_its_kick_off_ends_with_the_score_of_the_log(page: Page) -> None:
    match = read_match(MADE_UP.path)
    schedule = Schedule(iter(match.timeline), SPEED, 1, match.match_id)
    demo = Demo(Settings(log="sqlite://", port=0, control_port=0), schedule)
    await demo.node.start()
    try:
        address = f"http://127.0.0.1:{demo.node.control_port}"
        await page.goto(f"{address}#{match.match_id}")
        await expect(page.locator("#status")).to_have_text("live")
        async with asyncio.timeout(DEADLINE_S):
            await demo.run()  # until the match is over
        async with httpx.AsyncClient(base_url=address) as http:
            score = (await state_of(http, f"score:{match.match_id}"))["score"]
        scorers = [team for team, _ in MADE_UP.goals]
        assert [score[side]["goals"] for side in SIDES] == [scorers.count(MADE_UP.home), scorers.count(MADE_UP.away)]
        card = page.locator(".card")
        await expect(card.locator(".goals")).to_have_text([str(score[side]["goals"]) for side in SIDES])
        await expect(card.locator(".team")).to_have_text([score[side]["name"] for side in SIDES])
        await expect(page.locator("#gaps")).to_have_text("0")
    finally:
        await demo.node.stop()


@pytest.mark.long
async def test_the_site_is_live_again_after_its_server_was_restarted(page: Page) -> None:
    async with running_demo() as demo:
        ports = {"port": demo.demo.node.edge_port, "control_port": demo.demo.node.control_port}
        await page.goto(f"{demo.page}#{demo.match_id}")
        await expect(page.locator("#status")).to_have_text("live")
        await expect(page.locator("#list li").first).to_be_visible()
    await expect(page.locator("#status")).not_to_have_text("live")
    async with running_demo(**ports) as demo:
        await expect(page.locator("#status")).to_have_text("live")
        await shows_the_scores_of_the_log(page, demo)


@pytest.mark.long
async def test_the_site_is_live_where_websockets_are_blocked(browser: Browser) -> None:
    async with (
        running_demo() as demo,
        WebSocketBlock(demo.demo.node.edge_port).running() as block,
        open_page(browser, bypass_csp=True) as page,
    ):

        async def through_the_block(route: Route) -> None:
            answer = await route.fetch()
            await route.fulfill(json=await answer.json() | {"ws_port": block.port})

        await page.route("**/demo.json", through_the_block)
        await page.goto(f"{demo.page}#{demo.match_id}")
        await expect(page.locator("#status")).to_have_text("live")
        await expect(page.locator("#list li").first).to_be_visible()
        await shows_the_scores_of_the_log(page, demo)
        await page.unroute_all(behavior="ignoreErrors")


async def shows_the_scores_of_the_log(page: Page, demo: RunningDemo) -> None:
    """Wait until a card shows what the log has, which goes on meanwhile."""
    goals = page.locator(f"#card-{demo.match_id} .goals")
    async with asyncio.timeout(DEADLINE_S):
        while True:
            score = (await state_of(demo.http, f"score:{demo.match_id}"))["score"]
            with suppress(AssertionError):
                await expect(goals).to_have_text([str(score[side]["goals"]) for side in SIDES], timeout=1000)
                return
