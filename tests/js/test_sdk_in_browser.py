"""The TypeScript SDK in a page of Chromium, and a real node: what a page lives through, judged by the one checker."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from js.sdk_page import SdkPage, offset_of
from js.websocket_block import WebSocketBlock
from support.browser import open_page
from support.node_fixture import RunningNode, running_node
from support.published_log import PublishedLog
from support.waiting import DEADLINE_S
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.rig.relay import Relay
from touchline_protocol.verdicts import VERDICT_HEADERS, VerdictRecord, encode_verdict
from touchline_server.core.log import Entry

SECRET = "a test secret that is long enough"
AUTH: dict[str, Any] = {"auth": {"hs256_secret": SECRET, "leeway_s": 0}}
ROOM = "score:1"


def token(player: str) -> str:
    claims = {"sub": player, "rooms": ["*"], "act": ["score:*"], "exp": round(time.time() + 600)}
    return jwt.encode(claims, SECRET, algorithm="HS256")


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, site: str) -> AsyncIterator[Page]:
    async with open_page(browser) as page:
        await page.goto(site)
        yield page


@contextlib.asynccontextmanager
async def network(ports: list[int]) -> AsyncIterator[Relay]:
    async with Relay(ports, random.Random(1)).running() as relay:
        yield relay


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_a_page_has_the_whole_room_after_cuts_a_dead_link_and_a_restart(
    page: Page, tmp_path: Path, codec: str
) -> None:
    settings: dict[str, Any] = {"url": f"sqlite:///{tmp_path}/log.db", "heartbeat_s": 0.5, "drain_s": 1}
    client, log, ports = SdkPage(page), PublishedLog(ROOM), [0]
    async with network(ports) as relay:
        async with running_node(**settings) as node:
            ports[:] = [node.port]
            await log.publish(node, {"home": 0}, key="score")
            await client.connect(relay.port, codec=codec)
            await client.follow(ROOM)
            await client.until_joined(ROOM)
            for number in range(3):
                await log.publish(node, {"n": number, "x": [0.5, None, "\u00e9"]}, "Corner")
                relay.cut_all()
                await log.publish(node, {"home": number}, key="score")
            await client.until_offset(ROOM, log.offset)
            silence = asyncio.create_task(relay.silence_one(3600))
            await asyncio.sleep(0)  # it has begun
            await client.until_offset(ROOM, await log.publish(node, "Shot"))
            silence.cancel()
            await node.stop_edge()
            await log.publish(node, "Goal", {"home": 9})
        async with running_node(**settings) as node:
            ports[:] = [node.port]
            await log.publish(node, None, key="score")
            await client.until_offset(ROOM, await log.publish(node, "End", key="period"))
            assert check_room(log.room, [await client.settle(ROOM)]) == []
    assert [event["data"] for event in (await client.room(ROOM))["state"]] == ["End"]
    assert (await client.room(ROOM))["restarts"] == 0
    reasons = {status["reason"]["code"] for status in client.statuses if status.get("reason")}
    assert {"silent", "goaway"} <= reasons, reasons


async def test_a_page_that_was_offline_is_back_as_soon_as_the_network_is(page: Page) -> None:
    client, log = SdkPage(page), PublishedLog(ROOM)
    async with running_node() as node, network([node.port]) as relay:
        await client.connect(relay.port, backoff={"baseMs": 3_600_000, "maxMs": 3_600_000})
        await client.follow(ROOM)
        await client.until_joined(ROOM)
        await page.context.set_offline(True)
        relay.cut_all()
        await client.until_status(state="waiting")
        await log.publish(node, 1, 2)
        await page.context.set_offline(False)
        await client.until_offset(ROOM, await log.publish(node, 3))
        assert check_room(log.room, [await client.settle(ROOM)]) == []


async def test_a_page_that_wakes_from_a_sleep_finds_its_dead_link_and_catches_up(browser: Browser, site: str) -> None:
    log = PublishedLog(ROOM)
    async with open_page(browser) as page, running_node(heartbeat_s=25) as node, network([node.port]) as relay:
        client = SdkPage(page)
        await page.clock.install()
        await page.goto(site)
        await client.connect(relay.port)
        await client.follow(ROOM)
        await client.until_joined(ROOM)
        await client.until_offset(ROOM, await log.publish(node, 1))
        await page.clock.pause_at(datetime.now() + timedelta(minutes=1))  # asleep from now on
        silence = asyncio.create_task(relay.silence_one(3600))
        await asyncio.sleep(0)  # it has begun
        await log.publish(node, 2, 3)
        await page.clock.fast_forward(8 * 3_600_000)
        async with asyncio.timeout(DEADLINE_S):
            while offset_of((await client.room(ROOM))["cursor"]) < log.offset:
                await page.clock.run_for(100)
        silence.cancel()
        assert check_room(log.room, [await client.settle(ROOM)]) == []
        assert "silent" in {status["reason"]["code"] for status in client.statuses if status.get("reason")}


async def test_a_page_that_is_loaded_again_goes_on_where_it_was(page: Page, site: str) -> None:
    client, log = SdkPage(page), PublishedLog(ROOM)
    async with running_node() as node:
        await log.publish(node, {"home": 0}, key="score")
        await client.connect(node.port, storage=True)
        await client.follow(ROOM)
        await client.until_joined(ROOM)
        await client.until_offset(ROOM, await log.publish(node, "Corner"))
        await client.collect()
        await page.goto(site.replace("sdk_page", "empty"))
        await log.publish(node, "Shot")
        await log.publish(node, {"home": 1}, key="score")
        await page.goto(site)
        await client.connect(node.port, storage=True)
        kept = await client.follow(ROOM)
        assert [event["data"] for event in kept] == [{"home": 0}]
        await client.until_offset(ROOM, await log.publish(node, "Goal"))
        assert (await client.room(ROOM))["recovered"] is True
        assert check_room(log.room, [await client.settle(ROOM)]) == []


async def test_an_action_is_acknowledged_and_a_verdict_about_the_player_arrives(page: Page) -> None:
    client = SdkPage(page)
    async with running_node(**AUTH) as node, network([node.port]) as relay:
        await client.connect(relay.port, token=token("ada"))
        await client.until_status(state="open", player="ada")
        assert (await client.act(ROOM, "tap", {"n": 1}))["id"] == 1
        relay.cut_all()
        assert (await client.act(ROOM, "tap", {"n": 2}))["id"] == 2
        assert await client.act("match:1", "tap") == {"name": "ActionRefused", "code": "action_forbidden"}
        await judge(node, "ada", VerdictRecord(kind="warn", reason="Slow down."))
        await client.until(lambda: client.verdicts)
        assert (client.verdicts[0]["kind"], client.verdicts[0]["reason"]) == ("warn", "Slow down.")
        await judge(node, "ada", VerdictRecord(kind="ban", reason="Too fast."))
        await client.until_status(state="closed", error="banned")


async def judge(node: RunningNode, player: str, verdict: VerdictRecord) -> None:
    topic = node.node.settings.verdicts.topic
    await node.node.log.append(topic, [Entry(player.encode(), encode_verdict(verdict), VERDICT_HEADERS)])


async def test_where_websockets_are_blocked_a_page_watches_by_server_sent_events(page: Page, site: str) -> None:
    client, log = SdkPage(page), PublishedLog(ROOM)
    origin = site.rpartition("/")[0]
    async with running_node(origins=[origin]) as node, WebSocketBlock(node.port).running() as block:
        await client.connect(block.port)
        await client.until_status(state="open", transport="sse")
        await client.follow(ROOM)
        await client.until_joined(ROOM)
        await log.publish(node, {"home": 1}, key="score")
        await client.until_offset(ROOM, await log.publish(node, "Goal"))
        assert check_room(log.room, [await client.settle(ROOM)]) == []


@pytest.mark.long
async def test_ten_tabs_have_the_same_room_after_their_network_was_cut(browser: Browser, site: str) -> None:
    log = PublishedLog(ROOM)
    async with contextlib.AsyncExitStack() as stack:
        node = await stack.enter_async_context(running_node())
        relay = await stack.enter_async_context(network([node.port]))
        first = await stack.enter_async_context(open_page(browser))
        tabs = [first, *[await first.context.new_page() for _ in range(9)]]
        clients = [SdkPage(tab, f"tab {number}") for number, tab in enumerate(tabs)]
        for tab, client in zip(tabs, clients, strict=True):
            await tab.goto(site)
            await client.connect(relay.port, storage=True)
            await client.follow(ROOM)
            await client.until_joined(ROOM)
            await log.publish(node, f"tab {len(client.traces)}")
        for number in range(20):
            await log.publish(node, {"n": number}, key=f"key {number % 3}")
            if number % 5 == 4:
                relay.cut_all()
        assert relay.cuts >= len(clients)
        for client in clients:
            await client.until_offset(ROOM, log.offset)
        assert check_room(log.room, [await client.settle(ROOM) for client in clients]) == []
