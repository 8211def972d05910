"""Topics of a scenario's own, on the broker that the user named; they are deleted when the scenario ends."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from touchline_protocol.errors import OperatorError

TOPIC_TIMEOUT_S = 20.0
POLL_S = 0.05


@contextlib.asynccontextmanager
async def new_topic(address: str, partitions: int, configs: Mapping[str, str] | None = None) -> AsyncIterator[str]:
    """Create a topic, and delete it at the end; yields its name.

    Raises:
        OperatorError: the broker cannot be reached, or refuses.
    """
    name = f"touchline-bench-{secrets.token_hex(4)}"
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    try:
        await admin.start()
        created = await admin.create_topics(
            [NewTopic(name, partitions, 1, topic_configs=dict(configs or {}))], timeout_ms=10_000
        )
        if created.topic_errors[0][1]:
            raise OperatorError(f"cannot create the topic {name} at {address}: {created.topic_errors[0]}")
        await _until_led(admin, name)
        try:
            yield name
        finally:
            await admin.delete_topics([name])
    except KafkaError as error:
        raise OperatorError(f"the broker at {address}: {error}") from error
    finally:
        await admin.close()


async def _until_led(admin: AIOKafkaAdminClient, name: str) -> None:
    """Wait until every partition has a leader: a producer that asks before that gets an error."""
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
            f"the broker created the topic {name}, but its partitions had no leaders after {TOPIC_TIMEOUT_S:g} s"
        ) from None
