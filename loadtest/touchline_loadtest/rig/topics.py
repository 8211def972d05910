"""The topics of a run: the feeds, what players do, and the verdicts. They have names of the run's own."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import NamedTuple

from touchline_kafka.cluster import Cluster
from touchline_kafka.errors import REQUEST_ERRORS
from touchline_kafka.topic_admin import create_topics, delete_topics, until_led
from touchline_kafka.topics import Topics
from touchline_loadtest.publish.broker import cluster_at, kafka_refusals
from touchline_protocol.errors import LogUnavailable

TOPIC_TIMEOUT_S = 30.0
PARTITIONS = 4
"""The partitions of a feed, and of actions: more than one, so that rooms and players are spread."""
VERDICTS_CONFIG = {"cleanup.policy": "compact"}


class RunTopics(NamedTuple):
    """Names of topics. ``feeds`` maps feeds to theirs; ``prefix`` is the run's own, with which all names begin."""

    prefix: str
    feeds: Mapping[str, str]
    actions: str
    verdicts: str


@contextlib.asynccontextmanager
async def run_topics(address: str, feeds: Sequence[str]) -> AsyncIterator[RunTopics]:
    """Create the topics, and delete them at the end.

    Raises:
        OperatorError: the broker cannot be reached, or refuses.
    """
    prefix = f"touchline-loadtest-{secrets.token_hex(4)}"
    topics = RunTopics(prefix, {feed: f"{prefix}-{feed}" for feed in feeds}, f"{prefix}-actions", f"{prefix}-verdicts")
    cluster = cluster_at(address)
    with kafka_refusals(address):
        client = await cluster.connect()
    try:
        try:
            with kafka_refusals(address):
                await _create_all(cluster, Topics(client), topics)
        finally:
            await client.release()
        yield topics
    finally:
        # Also after an end in the middle of creating them. The broker may be gone, or be about to end anyway.
        with contextlib.suppress(*REQUEST_ERRORS, LogUnavailable):
            await delete_topics(cluster, _names(topics), timeout_s=TOPIC_TIMEOUT_S)


async def _create_all(cluster: Cluster, known: Topics, topics: RunTopics) -> None:
    await _create(cluster, [*topics.feeds.values(), topics.actions], PARTITIONS, {})
    await _create(cluster, [topics.verdicts], 1, VERDICTS_CONFIG)
    async with asyncio.timeout(TOPIC_TIMEOUT_S):
        await until_led(known, _names(topics))


def _names(topics: RunTopics) -> list[str]:
    return [*topics.feeds.values(), topics.actions, topics.verdicts]


async def _create(cluster: Cluster, names: Sequence[str], partitions: int, configs: Mapping[str, str]) -> None:
    await create_topics(
        cluster,
        names,
        partitions=partitions,
        replication=None,
        configs=dict.fromkeys(names, configs),
        timeout_s=TOPIC_TIMEOUT_S,
    )
