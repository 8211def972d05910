"""The TypeScript SDK in a page that really sleeps: frozen by Chromium, or stopped with its whole browser."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from js.sdk_page import SdkPage
from support.node_fixture import RunningNode, running_node
from support.published_log import PublishedLog
from support.sleeping_browser import SleepingBrowser, sleeping_browser
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.rig.relay import Relay

pytestmark = pytest.mark.long

ROOM = "score:1"
HEARTBEAT_S = 0.5
"""A client gives its connection up after two heartbeats of silence."""

COUNT = "() => { window.ticks = 0; setInterval(() => ticks++, 20); }"
LOOK_S = 0.5
"""In this time, a page that is awake and hidden counts at least once, or twenty times if it is shown."""


@pytest_asyncio.fixture(loop_scope="session")
async def sleeper(tmp_path: Path) -> AsyncIterator[SleepingBrowser]:
    async with sleeping_browser(tmp_path) as browser:
        yield browser


@contextlib.asynccontextmanager
async def network(node: RunningNode) -> AsyncIterator[Relay]:
    async with Relay([node.port], random.Random(1)).running() as relay:
        yield relay


async def test_a_page_that_the_browser_froze_has_the_whole_room_when_it_is_shown_again(
    sleeper: SleepingBrowser, site: str
) -> None:
    log = PublishedLog(ROOM)
    async with running_node() as node:
        page = await sleeper.page()
        await page.goto(site)
        client = SdkPage(page)
        await client.connect(node.port)
        await client.follow(ROOM)
        await client.until_joined(ROOM)
        await client.until_offset(ROOM, await log.publish(node, {"home": 0}, key="score"))
        await page.evaluate(COUNT)
        await page.wait_for_function("ticks > 0")
        await sleeper.freeze(page)
        ticks = await page.evaluate("ticks")
        await log.publish(node, "Corner", "Shot")
        await log.publish(node, {"home": 1}, key="score")
        await asyncio.sleep(LOOK_S)
        assert await page.evaluate("[ticks, document.visibilityState]") == [ticks, "hidden"]
        await sleeper.unfreeze(page)
        await page.wait_for_function("ticks => window.ticks > ticks", arg=ticks)
        await client.until_offset(ROOM, await log.publish(node, "Goal"))
        assert (await client.room(ROOM))["restarts"] == 0
        assert check_room(log.room, [await client.settle(ROOM)]) == []


@pytest.mark.parametrize("slept_s", [3 * HEARTBEAT_S, 14 * HEARTBEAT_S], ids=["short", "long"])
@pytest.mark.parametrize("network_is_lost", [False, True], ids=["connected", "cut off"])
async def test_a_page_whose_machine_slept_has_the_whole_room(
    sleeper: SleepingBrowser, site: str, slept_s: float, network_is_lost: bool
) -> None:
    """Both times are longer than the client waits for a heartbeat. After the longer one, it knows that it slept."""
    log = PublishedLog(ROOM)
    async with running_node(heartbeat_s=HEARTBEAT_S) as node, network(node) as relay:
        page = await sleeper.page()
        await page.goto(site)
        client = SdkPage(page)
        await client.connect(relay.port)
        await client.follow(ROOM)
        await client.until_joined(ROOM)
        await client.until_offset(ROOM, await log.publish(node, {"home": 0}, key="score"))
        sleeper.stop()
        silence = asyncio.create_task(relay.silence_one(3600)) if network_is_lost else None
        await log.publish(node, "Corner", "Shot")
        await asyncio.sleep(slept_s)
        await log.publish(node, {"home": 1}, key="score")
        sleeper.go_on()
        await client.until_offset(ROOM, log.offset)
        await client.until_offset(ROOM, await log.publish(node, "Goal"))
        assert (await client.room(ROOM))["restarts"] == 0
        assert check_room(log.room, [await client.settle(ROOM)]) == []
        if silence is not None:
            silence.cancel()
            assert "silent" in {status["reason"]["code"] for status in client.statuses if status.get("reason")}
