"""The TypeScript SDK in Firefox, and a real node: the main path, judged by the one checker."""

import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import jwt
import pytest
import pytest_asyncio

from js.sdk_page import SdkPage
from support.firefox import FirefoxPage, firefox_page
from support.node_fixture import running_node
from support.published_log import PublishedLog
from touchline_loadtest.checks.comparison.room_traces import check_room
from touchline_loadtest.rig.relay import Relay

pytestmark = pytest.mark.long

SECRET = "a test secret that is long enough"
ROOM = "score:1"


@pytest_asyncio.fixture(loop_scope="session")
async def firefox(tmp_path: Path) -> AsyncIterator[FirefoxPage]:
    async with firefox_page(tmp_path) as page:
        yield page


async def test_a_page_acts_and_has_the_whole_room_after_a_cut_and_a_reload(firefox: FirefoxPage, site: str) -> None:
    client, log, ports = SdkPage(firefox, "Firefox"), PublishedLog(ROOM), [0]
    claims = {"sub": "ada", "rooms": ["*"], "act": ["score:*"], "exp": round(time.time() + 600)}
    token = jwt.encode(claims, SECRET, algorithm="HS256")
    async with (
        running_node(auth={"hs256_secret": SECRET}) as node,
        Relay(ports, random.Random(1)).running() as relay,
    ):
        ports[:] = [node.port]
        await firefox.goto(site)
        await log.publish(node, {"home": 0}, key="score")
        await client.connect(relay.port, token=token, storage=True)
        await client.follow(ROOM)
        await client.until_joined(ROOM)
        await client.until_offset(ROOM, await log.publish(node, "Corner"))
        relay.cut_all()
        await log.publish(node, "Shot", {"x": [0.5, None, "\u00e9"]})
        assert (await client.act(ROOM, "tap", {"n": 1}))["id"] == 1
        await client.until_offset(ROOM, await log.publish(node, {"home": 1}, key="score"))
        await client.collect()
        await firefox.goto(site.replace("sdk_page", "empty"))
        await log.publish(node, "Goal")
        await firefox.goto(site)
        await client.connect(relay.port, token=token, storage=True)
        kept = await client.follow(ROOM)
        assert [event["data"] for event in kept] == [{"home": 1}]
        await client.until_offset(ROOM, await log.publish(node, "End"))
        assert check_room(log.room, [await client.settle(ROOM)]) == []
