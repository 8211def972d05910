"""Starts what a load test runs against, and ends it: Kafka, topics, edges, the relay."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from touchline_loadtest.runs.writer import RunWriter

from .child import Child, child
from .edges import Edge, edge_config
from .local_kafka import local_kafka
from .relay import Relay
from .settings import LoadTest
from .topics import RunTopics, run_topics


class Servers(NamedTuple):
    """All servers. ``kafka_pid`` is None for a broker that was running before; ``port`` is where users connect."""

    kafka: str
    kafka_pid: int | None
    topics: RunTopics
    edges: Sequence[Edge]
    relay: Relay | None
    port: int


@contextlib.asynccontextmanager
async def servers(test: LoadTest, feeds: Sequence[str], secret: str, run: RunWriter) -> AsyncIterator[Servers]:
    """Run the servers for the length of the block. Enter it in the main thread: Kafka ends with the thread.

    Raises:
        OperatorError: something is missing on this machine, or Kafka cannot be reached.
        ChildFailed: an edge did not start.
    """
    async with contextlib.AsyncExitStack() as stack:
        kafka, kafka_pid = await stack.enter_async_context(_kafka(test, run))
        topics = await stack.enter_async_context(run_topics(kafka, feeds))
        edges = await stack.enter_async_context(running_edges(test.edges, kafka, topics, secret, run))
        relay = None
        if test.relayed:
            chance = random.Random(test.seed)  # noqa: S311 - not a secret
            relay = await stack.enter_async_context(Relay([edge.port for edge in edges], chance).running())
        port = edges[0].port if relay is None else relay.port
        yield Servers(kafka, kafka_pid, topics, edges, relay, port)


@contextlib.asynccontextmanager
async def _kafka(test: LoadTest, run: RunWriter) -> AsyncIterator[tuple[str, int | None]]:
    """The broker that the user named, or one of our own; yields its address, and its process id if it is ours."""
    if test.kafka is not None:
        yield test.kafka, None
    else:
        async with local_kafka(run.folder / "kafka") as (address, pid):
            yield address, pid


@contextlib.asynccontextmanager
async def running_edges(
    count: int, kafka: str, topics: RunTopics, secret: str, run: RunWriter
) -> AsyncIterator[Sequence[Edge]]:
    """Run ``count`` edges. At the end they drain; after an error they are killed."""
    config = run.folder / "touchline.toml"
    config.write_text(edge_config(topics, secret), encoding="utf-8")
    edges = [Edge(f"edge-{number}", kafka, config, run) for number in range(1, count + 1)]
    try:
        await asyncio.gather(*(edge.start() for edge in edges))
        yield edges
        await asyncio.gather(*(edge.stop() for edge in edges))
    finally:
        await asyncio.shield(asyncio.gather(*(edge.kill() for edge in edges)))


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
