"""Topics of a scenario's own, on the broker that the user named; they are deleted when the scenario ends."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping

from touchline_kafka.errors import REQUEST_ERRORS, describe
from touchline_kafka.topic_admin import create_topics, delete_topics, until_led
from touchline_kafka.topics import Topics
from touchline_loadtest.publish.broker import cluster_at
from touchline_protocol.errors import OperatorError

TOPIC_TIMEOUT_S = 20.0


@contextlib.asynccontextmanager
async def new_topic(address: str, partitions: int, configs: Mapping[str, str] | None = None) -> AsyncIterator[str]:
    """Create a topic, and delete it at the end; yields its name.

    Raises:
        OperatorError: the broker cannot be reached, or refuses.
    """
    name = f"touchline-bench-{secrets.token_hex(4)}"
    cluster = cluster_at(address)
    client = await cluster.connect()
    try:
        try:
            await create_topics(
                cluster,
                [name],
                partitions=partitions,
                replication=1,
                configs={name: configs or {}},
                timeout_s=TOPIC_TIMEOUT_S,
            )
            # A producer that asks before every partition has a leader gets an error.
            async with asyncio.timeout(TOPIC_TIMEOUT_S):
                await until_led(Topics(client), [name])
            yield name
        finally:
            # Also after an end in the middle of creating it.
            await delete_topics(cluster, [name], timeout_s=TOPIC_TIMEOUT_S)
    except REQUEST_ERRORS as error:
        raise OperatorError(f"the topic {name} at {address}: {describe(error)}") from error
    finally:
        await client.release()
