"""Keepers and edges within a test: one Kafka topic, one Redis, and as many of both as a test asks for."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

from support.kafka_broker import KafkaBroker
from support.kafka_log_harness import KafkaHarness
from support.log_harness import Raw
from support.node_fixture import Client, RunningNode, running_node
from support.redis_server import RedisServer
from support.waiting import eventually
from touchline_protocol.messages import Subscribed
from touchline_server.config.redis import RedisSettings
from touchline_server.config.settings import Settings
from touchline_server.config.tables import FeedSettings, VerdictsSettings
from touchline_server.keeper.keeper import Keeper

State = dict[str | None, Any]


def event(room: str, key: str, value: bytes) -> Raw:
    return Raw(room.encode(), value, [("key", key.encode())])


class Fleet:
    """A topic of its own, and a prefix of its own in Redis."""

    def __init__(self, kafka: KafkaBroker, redis: RedisServer) -> None:
        self.kafka = kafka
        self.harness = KafkaHarness(kafka)
        name = uuid.uuid4().hex[:12]
        self.topic = f"scores-{name}"
        self.ends: dict[int, int] = {}
        """Where each partition's log ends, by what was produced."""
        self.settings: dict[str, Any] = {
            "feeds": {"score": FeedSettings(topic=self.topic)},
            "verdicts": VerdictsSettings(topic=f"verdicts-{name}"),
            "redis": RedisSettings(url=redis.url, prefix=name),
            "window_s": 0.001,  # whatever an edge has not read itself comes from Redis
        }

    async def produce(self, *events: Raw, partition: int | None = None) -> None:
        for written, offset in await self.harness.produce(self.topic, events, partition=partition):
            self.ends[written] = max(self.ends.get(written, 0), offset + 1)

    @contextlib.asynccontextmanager
    async def keeper(self, **settings: Any) -> AsyncIterator[Keeper]:
        """A keeper, until the end of the block."""
        keeper = Keeper(Settings(**{"log": f"kafka://{self.kafka.address}", **self.settings, **settings}))
        stop = asyncio.Event()
        await keeper.start()
        running = asyncio.create_task(keeper.run(stop))
        try:
            yield keeper
        finally:
            stop.set()
            await asyncio.wait([running])
            await keeper.close()
            running.result()

    @contextlib.asynccontextmanager
    async def edge(self, **settings: Any) -> AsyncIterator[RunningNode]:
        async with running_node(url=f"kafka://{self.kafka.address}", **{**self.settings, **settings}) as node:
            yield node

    async def until_kept(self, *keepers: Keeper) -> None:
        """Wait until Redis has all that was produced, by any of these keepers."""

        def kept() -> Mapping[tuple[str, int], int]:
            return {where: offset for keeper in keepers for where, offset in keeper.kept.items()}

        await eventually(lambda: all(kept().get((self.topic, index), -1) >= end for index, end in self.ends.items()))


async def join(node: RunningNode, room: str) -> Subscribed:
    async with node.client() as client:
        return await client.join(room)


async def complete(client: Client, joined: Subscribed | None = None) -> Subscribed:
    """The first answer with the whole state: a busy Redis may miss its deadline."""
    while joined is None or not joined.state_complete:
        joined = await client.expect(Subscribed)
    return joined


def state_of(joined: Subscribed) -> State:
    return {event.key: event.data for event in joined.state}
