"""Two ways to publish: over the server's HTTP API, and directly into Kafka."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import httpx
from aiokafka import AIOKafkaProducer

FEED = "match"
"""The feed that all scenarios publish to."""
REQUEST_TIMEOUT_S = 30.0

Publish = Callable[[str, Sequence[bytes]], Awaitable[None]]
"""Append events to a room."""


@contextlib.asynccontextmanager
async def http_publisher(control_port: int) -> AsyncIterator[Publish]:
    """Publish over a server's HTTP API, one request at a time for each room."""
    limits = httpx.Limits(keepalive_expiry=REQUEST_TIMEOUT_S)
    base = f"http://127.0.0.1:{control_port}"
    async with httpx.AsyncClient(base_url=base, timeout=REQUEST_TIMEOUT_S, limits=limits, trust_env=False) as client:

        async def publish(room: str, values: Sequence[bytes]) -> None:
            events = b",".join(b'{"data":' + value + b"}" for value in values)
            response = await client.post(
                f"/v1/rooms/{room}/events",
                content=b'{"events":[' + events + b"]}",
                headers={"Content-Type": "application/json"},
            )
            response.raise_for_status()

        yield publish


@contextlib.asynccontextmanager
async def kafka_publisher(address: str, topic: str) -> AsyncIterator[Publish]:
    """Publish into a topic. The broker has all records when this context ends, and possibly not before."""
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
