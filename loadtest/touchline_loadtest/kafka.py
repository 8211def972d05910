"""A topic of a scenario's own at the broker that was named, for as long as the scenario takes."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from touchline_protocol.errors import OperatorError

FEED = "match"


TOPIC_TIMEOUT_S = 20.0
POLL_S = 0.05


class Topic(NamedTuple):
    """A topic, and what a server is started with to serve it as the feed `FEED`."""

    name: str
    log: str
    variables: dict[str, str]


def feed_settings(topic: str, key_field: str | None = None) -> dict[str, str]:
    """Let `FEED` be in ``topic``, its events' keys in the field ``key_field`` of their values."""
    feed = {"topic": topic} | ({"key_field": key_field} if key_field else {})
    return {"TOUCHLINE_FEEDS": msgspec.json.encode({FEED: feed}).decode()}


@contextlib.asynccontextmanager
async def new_topic(
    address: str, partitions: int, key_field: str | None = None, configs: Mapping[str, str] | None = None
) -> AsyncIterator[Topic]:
    """Make a topic, and delete it at the end. ``key_field`` is as in `feed_settings`.

    Raises:
        OperatorError: the broker is not there, or refuses.
    """
    name = f"touchline-bench-{secrets.token_hex(4)}"
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    try:
        await admin.start()
        made = await admin.create_topics(
            [NewTopic(name, partitions, 1, topic_configs=dict(configs or {}))], timeout_ms=10_000
        )
        if made.topic_errors[0][1]:
            raise OperatorError(f"the topic {name} could not be made at {address}: {made.topic_errors[0]}")
        await _until_led(admin, name)
        try:
            yield Topic(name, f"kafka://{address}", feed_settings(name, key_field))
        finally:
            await admin.delete_topics([name])
    except KafkaError as error:
        raise OperatorError(f"the broker at {address}: {error}") from error
    finally:
        await admin.close()


async def _until_led(admin: AIOKafkaAdminClient, name: str) -> None:
    """Wait until every partition has a leader: a producer would be told off for asking too early."""
    try:
        async with asyncio.timeout(TOPIC_TIMEOUT_S):
            while True:
                (described,) = await admin.describe_topics([name])
                partitions = described["partitions"]
                if partitions and all(partition["leader"] >= 0 for partition in partitions):
                    return
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise OperatorError(
            f"the broker made the topic {name}, and no leaders for it in {TOPIC_TIMEOUT_S:g} s"
        ) from None
