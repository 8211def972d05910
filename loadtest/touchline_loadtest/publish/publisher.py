"""Two ways to publish values without keys to one room: over the server's HTTP API, and directly into Kafka."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from aiokafka import AIOKafkaProducer

from .batches import Batch, KeyedValue, http_batches

FEED = "match"
"""The feed that all scenarios publish to."""

Publish = Callable[[str, Sequence[bytes]], Awaitable[None]]
"""Append events to a room."""


@contextlib.asynccontextmanager
async def http_publisher(control_port: int) -> AsyncIterator[Publish]:
    """Publish over a server's HTTP API, one request at a time for each room."""
    async with http_batches(f"http://127.0.0.1:{control_port}") as publish_batches:

        async def publish(room: str, values: Sequence[bytes]) -> None:
            await publish_batches([Batch(0, room, [KeyedValue(None, value) for value in values])])

        yield publish


@contextlib.asynccontextmanager
async def kafka_publisher(address: str, topic: str) -> AsyncIterator[Publish]:
    """Publish into a topic, record by record through the producer's queue, as applications do.

    The broker has all records when this context ends, and possibly not before.
    """
    producer = AIOKafkaProducer(bootstrap_servers=address, acks="all", linger_ms=0)
    await producer.start()
    try:

        async def publish(room: str, values: Sequence[bytes]) -> None:
            key = room.partition(":")[2].encode()
            for value in values:
                await producer.send(topic, value, key=key)

        yield publish
        await producer.flush()
    finally:
        await producer.stop()
