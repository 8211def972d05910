"""Starts what a load test runs against, and ends it: Kafka, topics, Redis, keepers, edges, the relay."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from touchline_loadtest.redis_server import KEEP_DATA, RedisServer, running_redis
from touchline_loadtest.runs.writer import RunWriter

from .child import Child, ChildFailed, child
from .edge_config import server_config
from .edges import Edge
from .kafka.local import LocalKafka
from .keepers import Keeper
from .relay import Relay
from .server_process import ServerProcess
from .settings import LoadTest
from .topics import RunTopics, run_topics


class Servers(NamedTuple):
    """All servers. ``kafka`` is the address of the brokers; ``own_kafka`` is None if they were running before.

    ``port`` is where users connect.
    """

    kafka: str
    own_kafka: LocalKafka | None
    topics: RunTopics
    edges: Sequence[Edge]
    keepers: Sequence[Keeper]
    redis: RedisServer | None
    relay: Relay | None
    port: int

    @property
    def pids(self) -> Mapping[str, int]:
        """The processes that run, by their names."""
        found = {} if self.own_kafka is None else dict(self.own_kafka.pids)
        for edge in self.edges:
            found |= edge.pids
        found |= {keeper.name: keeper.pid for keeper in self.keepers if keeper.pid is not None}
        if self.redis is not None and self.redis.pid is not None:
            found["redis"] = self.redis.pid
        return found

    def failures(self) -> list[Exception]:
        """The errors of all servers that have ended by themselves."""
        processes: list[ServerProcess] = [*self.edges, *self.keepers]
        found: list[Exception] = [each.failure() for each in processes if each.ended]
        if self.redis is not None and self.redis.ended:
            found.append(ChildFailed(f"redis-server has ended: see {self.redis.log_file}"))
        brokers = () if self.own_kafka is None else self.own_kafka.brokers
        found += [ChildFailed(f"a Kafka broker has ended: see {each.folder}") for each in brokers if each.ended]
        return found


@contextlib.asynccontextmanager
async def servers(test: LoadTest, feeds: Sequence[str], secret: str, run: RunWriter) -> AsyncIterator[Servers]:
    """Run the servers for the length of the block. Enter it in the main thread: Kafka and Redis end with the thread.

    Raises:
        OperatorError: something is missing on this machine, or Kafka cannot be reached.
        ChildFailed: a server did not start.
    """
    async with contextlib.AsyncExitStack() as stack:
        own_kafka = None
        if test.kafka is None:
            own_kafka = await stack.enter_async_context(LocalKafka(run.folder / "kafka", test.brokers).running())
        kafka = own_kafka.address if own_kafka is not None else str(test.kafka)
        topics = await stack.enter_async_context(run_topics(kafka, feeds))
        redis = None
        if test.keepers:  # it has its data again after it was killed
            redis = stack.enter_context(running_redis(run.folder / "redis", flags=KEEP_DATA))
        url = None if redis is None else redis.url
        config = write_config(run, server_config(topics, secret, redis_url=url, drain_s=test.drain_s))
        keepers = await stack.enter_async_context(running_keepers(test.keepers, kafka, config, run))
        edges = await stack.enter_async_context(running_edges(test.edges, kafka, config, run, workers=test.workers))
        relay = None
        if test.relayed:
            chance = random.Random(test.seed)  # noqa: S311 - not a secret
            relay = await stack.enter_async_context(Relay([edge.port for edge in edges], chance).running())
        port = edges[0].port if relay is None else relay.port
        yield Servers(kafka, own_kafka, topics, edges, keepers, redis, relay, port)


def write_config(run: RunWriter, config: str) -> Path:
    """Write the configuration of all edges and keepers; returns the file."""
    file = run.folder / "touchline.toml"
    file.write_text(config, encoding="utf-8")
    return file


@contextlib.asynccontextmanager
async def running_keepers(count: int, kafka: str, config: Path, run: RunWriter) -> AsyncIterator[Sequence[Keeper]]:
    """Run ``count`` keepers. At the end they stop; after an error they are killed."""
    keepers = [Keeper(f"keeper-{number}", kafka, config, run) for number in range(1, count + 1)]
    async with _running(keepers):
        yield keepers


@contextlib.asynccontextmanager
async def running_edges(
    count: int, kafka: str, config: Path, run: RunWriter, *, workers: int = 1
) -> AsyncIterator[Sequence[Edge]]:
    """Run ``count`` edges. At the end they drain; after an error they are killed."""
    edges = [Edge(f"edge-{number}", kafka, config, run, workers=workers) for number in range(1, count + 1)]
    async with _running(edges):
        yield edges


@contextlib.asynccontextmanager
async def _running(processes: Sequence[ServerProcess]) -> AsyncIterator[None]:
    try:
        await asyncio.gather(*(each.start() for each in processes))
        yield
        await asyncio.gather(*(each.stop() for each in processes))
    finally:
        await asyncio.shield(asyncio.gather(*(each.kill() for each in processes)))


def cheatwatch_command(python: str, kafka: str, topics: RunTopics) -> list[str]:
    """The command that judges what players do, from the beginning of their topic."""
    feeds = ",".join(f"{feed}={topic}" for feed, topic in topics.feeds.items())
    named = ("--actions-topic", topics.actions, "--verdicts-topic", topics.verdicts, "--group", topics.actions)
    watch = ("watch", "--log", f"kafka://{kafka}", "--feeds", feeds, "--start", "beginning", *named)
    return [python, "-m", "touchline_cheatwatch", *watch]


@contextlib.asynccontextmanager
async def cheatwatch(python: str, servers: Servers, run: RunWriter) -> AsyncIterator[Child]:
    """Run the cheat detector for the length of the block."""
    command = cheatwatch_command(python, servers.kafka, servers.topics)
    async with child("cheatwatch", command, run.folder / "cheatwatch.log") as running:
        yield running
