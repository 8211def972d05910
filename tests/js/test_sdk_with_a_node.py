"""The TypeScript SDK in Node, and a real node: over networks that fail, drains, and blocked WebSockets."""

import asyncio
import contextlib
import json
import os
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from js.package import WITH_NODE
from js.websocket_block import WebSocketBlock
from support.node_fixture import DEADLINE_S, RunningNode, running_node
from touchline_loadtest.rig.relay import Relay

SCRIPT = Path(__file__).with_name("sdk_client.mjs")
SECRET = "a test secret that is long enough"
SETTINGS: dict[str, Any] = {"auth": {"hs256_secret": SECRET, "leeway_s": 0}}
ROOM = "score:1"


def token(player: str = "ada", life_s: float = 600) -> str:
    claims = {"sub": player, "rooms": ["*"], "act": ["score:*"], "members": ["*"], "exp": round(time.time() + life_s)}
    return jwt.encode(claims, SECRET, algorithm="HS256")


class SdkClient:
    """The client in its process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._commands, self._reports = process.stdin, process.stdout
        self.events: list[dict[str, Any]] = []

    def tell(self, *command: Any) -> None:
        self._commands.write(json.dumps(command).encode() + b"\n")

    async def next(self, what: str) -> Any:
        """The next report of this kind. Events before it are kept in ``events``; other reports are dropped."""
        async with asyncio.timeout(DEADLINE_S):
            while line := await self._reports.readline():
                report = json.loads(line)
                if report["what"] == "event":
                    self.events.append(report["value"])
                if report["what"] == what:
                    return report["value"]
        raise AssertionError("the client has ended")

    async def until_status(self, **fields: Any) -> None:
        """Wait for a status with these fields."""
        while not fields.items() <= (await self.next("status")).items():
            pass

    async def until_events(self, count: int) -> list[Any]:
        """Wait until there are so many events, and return their data."""
        while len(self.events) < count:
            await self.next("event")
        return [event["data"] for event in self.events]


@contextlib.asynccontextmanager
async def sdk_client(package: Path, port: int, **options: Any) -> AsyncIterator[SdkClient]:
    url = f"ws://127.0.0.1:{port}/ws"
    process = await asyncio.create_subprocess_exec(
        WITH_NODE, "node", SCRIPT, package, url, json.dumps(options), stdin=-1, stdout=-1, env=os.environ, limit=1 << 24
    )
    try:
        yield SdkClient(process)
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(DEADLINE_S):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@contextlib.asynccontextmanager
async def relayed(node: RunningNode) -> AsyncIterator[Relay]:
    async with Relay([node.port], random.Random(1)).running() as relay:
        yield relay


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_events_arrive_in_order_and_once_across_lost_connections(package: Path, codec: str) -> None:
    async with (
        running_node() as node,
        relayed(node) as relay,
        sdk_client(package, relay.port, codec=codec) as client,
    ):
        await node.publish(ROOM, {"home": 0}, key="score")
        client.tell("subscribe", ROOM, {})
        joined = await client.next("joined")
        assert [event["data"] for event in joined["state"]] == [{"home": 0}]
        for first in range(0, 30, 10):
            await node.publish(ROOM, *[{"n": n, "x": [0.5, None, "\u00e9"]} for n in range(first, first + 5)])
            relay.cut_all()
            await node.publish(ROOM, *[{"n": n, "x": [0.5, None, "\u00e9"]} for n in range(first + 5, first + 10)])
            data = await client.until_events(first + 10)
            assert [each["n"] for each in data] == list(range(first + 10))
        await node.publish(ROOM, {"home": 1}, key="score")
        await client.until_events(31)
        client.tell("state", ROOM)
        state = await client.next("state")
        assert state["state"] == {"score": {"home": 1}}
        assert (state["restarts"], state["gaps"]) == (0, 0)


async def test_actions_are_acknowledged_once_across_lost_connections(package: Path) -> None:
    async with (
        running_node(**SETTINGS) as node,
        relayed(node) as relay,
        sdk_client(package, relay.port, token=token()) as client,
    ):
        await client.until_status(state="open", player="ada")
        for n in range(20):
            client.tell("act", ROOM, "tap", {"n": n})
            if n % 7 == 6:
                relay.cut_all()
        assert [(await client.next("receipt"))["id"] for _ in range(20)] == list(range(1, 21))
        client.tell("act", "match:1", "tap", None)
        assert await client.next("refusal") == {"code": "action_forbidden", "name": "ActionRefused"}


async def test_a_refused_room_and_a_refused_token_are_final(package: Path) -> None:
    async with running_node(**SETTINGS) as node:
        async with sdk_client(package, node.port) as client:
            client.tell("subscribe", "nowhere:1", {})
            assert await client.next("refused") == {"room": "nowhere:1", "code": "unknown_feed"}
        async with sdk_client(package, node.port, token="not.a.token") as client:
            await client.until_status(state="closed", error="token_malformed")


async def test_a_drain_sends_the_client_away_and_a_new_node_goes_on_from_its_cursor(
    package: Path, tmp_path: Path
) -> None:
    log = f"sqlite:///{tmp_path}/log.db"
    async with running_node(url=log) as node:
        port = node.port
        async with sdk_client(package, port) as client:
            client.tell("subscribe", ROOM, {})
            await client.next("joined")
            await node.publish(ROOM, 1, 2)
            assert await client.until_events(2) == [1, 2]
            await node.stop_edge()
            await client.until_status(state="waiting")
            await node.publish(ROOM, 3)
            await node.node.stop()
            async with running_node(url=log, port=port) as again:
                assert (await client.next("joined"))["recovered"]
                await again.publish(ROOM, 4)
                assert await client.until_events(4) == [1, 2, 3, 4]


async def test_where_websockets_are_blocked_rooms_are_watched_by_server_sent_events(package: Path) -> None:
    async with (
        running_node(**SETTINGS) as node,
        WebSocketBlock(node.port).running() as block,
        sdk_client(package, block.port, token=token()) as client,
    ):
        await client.until_status(state="open", transport="sse")
        client.tell("subscribe", ROOM, {"occupancy": True})
        await client.next("joined")
        await node.publish(ROOM, {"home": 1}, key="score")
        await node.publish(ROOM, "Goal")
        assert await client.until_events(2) == [{"home": 1}, "Goal"]
        client.tell("act", ROOM, "tap", None)
        assert (await client.next("refusal"))["code"] == "watching_only"
        client.tell("subscribe", "nowhere:1", {})
        assert await client.next("refused") == {"room": "nowhere:1", "code": "unknown_feed"}
