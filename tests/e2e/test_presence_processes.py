"""Presence over edges that are real processes, with a real Redis and a real broker, while each of them is killed."""

import asyncio
import contextlib
import json
import signal
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import jwt
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from store.presence_reader import Reader
from support.kafka_broker import KafkaBroker
from support.processes import EdgeProcess
from support.redis_server import RedisServer
from support.waiting import eventually
from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.rig.log_reader import records_of
from touchline_protocol.codecs import JSON
from touchline_protocol.presence.records import decode_presence
from touchline_server.config.redis import RedisSettings
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.presence.shard import SHARDS

CHANGE_S = 3.0
"""A change is seen on all edges within this time."""
DEAD_S = 15.0
"""The clients of a killed edge are out of all counts within this time."""
BUSY_S = 2.0
"""A margin: the machine does other things too."""
STALLED_S = 20.0
SETTLED_S = 6.0
"""After Redis was emptied: a failed report, a pause of 2 s, a whole report, and an answer to it."""
SECRET = "a-secret-of-thirty-two-bytes-or-more"
CONFIG = """\
[redis]
url = "{redis}"
[auth]
hs256_secret = "{secret}"
[presence]
records = true
topic = "{topic}"
grace_s = 0
[feeds.score]
topic = "{events}"
[actions]
topic = "{actions}"
[verdicts]
topic = "{verdicts}"
"""
ROOM = "score:1"


class Fleet:
    """Edges that share a Redis and a broker, and clients in `ROOM`."""

    def __init__(self, kafka: KafkaBroker, redis: RedisServer, folder: Path) -> None:
        self.kafka = kafka
        self.redis = redis
        name = uuid.uuid4().hex[:12]
        self.topic = f"presence-{name}"
        topics = {each: f"{each}-{name}" for each in ("events", "actions", "verdicts")}
        self.topics = [self.topic, *topics.values()]
        self.config = folder / "touchline.toml"
        self.config.write_text(CONFIG.format(redis=redis.url, secret=SECRET, topic=self.topic, **topics))
        self._clients = contextlib.AsyncExitStack()

    @contextlib.asynccontextmanager
    async def edges(self, *names: str) -> AsyncIterator[list[EdgeProcess]]:
        for topic in self.topics:
            await self.kafka.create(topic)
        ports = free_ports(2 * len(names))
        edges = [
            EdgeProcess(name, f"kafka://{self.kafka.address}", self.config, (ports[2 * n], ports[2 * n + 1]))
            for n, name in enumerate(names)
        ]
        try:
            await asyncio.gather(*(edge.start() for edge in edges))
            async with self._clients:
                yield edges
        finally:
            await asyncio.gather(*(edge.stop(signal.SIGKILL) for edge in edges))

    async def watch(self, edge: EdgeProcess, *players: str | None) -> list[ClientConnection]:
        """Put a connection of each player into the room; one without a player asks how many are in it."""
        clients = []
        for player in players:
            client = connect(edge.url, subprotocols=[Subprotocol(JSON.subprotocol)], ping_interval=None)
            clients.append(websocket := await self._clients.enter_async_context(client))
            token = jwt.encode({"sub": player, "watch": ["*"], "exp": int(time.time()) + 600}, SECRET, "HS256")
            hello = {"type": "hello"} | ({"token": token} if player else {})
            room = {"room": ROOM, "occupancy": player is None}
            for message in (hello, {"type": "subscribe", "rooms": [room]}):
                await websocket.send(json.dumps(message))
            while json.loads(await websocket.recv())["type"] != "subscribed":
                pass
        return clients

    async def watcher(self, edge: EdgeProcess) -> "Watcher":
        """A connection that asks how many are in the room."""
        (websocket,) = await self.watch(edge, None)
        return Watcher(websocket)

    async def read(self) -> Reader:
        """What a reader of the topic knows, once no record waits in Redis."""
        connection = RedisConnection(RedisSettings(url=self.redis.url, timeout_s=5))
        outboxes = [f"touchline:{{presence.{shard}}}:outbox" for shard in range(SHARDS)]
        async with asyncio.timeout(DEAD_S):
            while await connection.client.exists(*outboxes):  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.1)
        await connection.close()
        reader = Reader()
        found = [decode_presence(record.value) async for record in records_of(self.kafka.address, [self.topic])]
        reader.read(record for record in found if record is not None)
        return reader


class Watcher:
    """A connection that is told how many are in the room. It is one of them."""

    def __init__(self, websocket: ClientConnection) -> None:
        self.viewers: int | None = None
        """None while the edge does not know all."""
        self._task = asyncio.create_task(self._read(websocket))

    async def _read(self, websocket: ClientConnection) -> None:
        async for text in websocket:
            message = json.loads(text)
            if message["type"] == "occupancy":
                self.viewers = message["viewers"] if message.get("complete", True) else None

    async def sees(self, viewers: int, limit_s: float = CHANGE_S) -> None:
        """Wait until it is told that there are ``viewers``, at most for ``limit_s``."""
        await eventually(lambda: self.viewers == viewers, limit_s + BUSY_S)


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_counts_and_records_are_right_whatever_is_killed(
    kafka: KafkaBroker, redis_factory: Callable[..., RedisServer], tmp_path: Path
) -> None:
    redis = redis_factory()
    fleet = Fleet(kafka, redis, tmp_path)
    async with fleet.edges("one", "two", "three") as (one, two, three):
        on_two, on_three = await fleet.watcher(two), await fleet.watcher(three)
        await fleet.watch(one, "ann", "bob", "cid")
        leaving = await fleet.watch(two, "ann", "dee")
        for watcher in (on_two, on_three):
            await watcher.sees(7)
        await leaving[1].close()
        await on_three.sees(6)

        await one.stop(signal.SIGKILL)
        await on_three.sees(3, DEAD_S)
        await one.start()
        await fleet.watch(one, "bob", "cid")
        await on_three.sees(5)

        two.send_signal(signal.SIGSTOP)
        stopped_s = time.monotonic()
        await on_three.sees(3, DEAD_S)
        await asyncio.sleep(STALLED_S - (time.monotonic() - stopped_s))
        two.send_signal(signal.SIGCONT)
        await on_three.sees(5)
        await on_two.sees(5)
        assert (await fleet.read()).occupied() == {ROOM: {"ann", "bob", "cid"}}

        redis.stop(kill=True)
        redis.start()  # it is empty
        await fleet.watch(three, "eve")
        await on_two.sees(6, SETTLED_S)
        await on_three.sees(6)
        assert (await fleet.read()).occupied() == {ROOM: {"ann", "bob", "cid", "eve"}}
