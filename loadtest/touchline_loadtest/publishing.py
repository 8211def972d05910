"""Publishing at a steady rate: each event says when it was due, so that what comes late is late, whoever is to blame.

Two ways in: over HTTP, with what a server with the embedded log has, and into Kafka. Events that are due within one
tick go out together, as a producer with some traffic would send them.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import httpx
from aiokafka import AIOKafkaProducer

from .wire import event_value

TICK_S = 0.01
"""Above 100 events a second of one room, those of 10 ms are published together."""
EVENTS_PER_REQUEST_MAX = 1_000
REQUEST_TIMEOUT_S = 30.0
NS = 1_000_000_000

Publish = Callable[[str, Sequence[bytes]], Awaitable[None]]
"""Append events to a room."""


@contextlib.asynccontextmanager
async def over_http(control_port: int) -> AsyncIterator[Publish]:
    """Publish over a server's HTTP API, one request after the other for each room."""
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
async def into_kafka(address: str, topic: str) -> AsyncIterator[Publish]:
    """Publish into a topic. What is handed over is with the broker at the latest when this ends."""
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


async def publish_steadily(
    publish: Publish, rooms: Sequence[str], *, rate_hz: float, count: int, size_bytes: int
) -> float:
    """Publish ``count`` events to each room at ``rate_hz`` of each; returns by how many seconds it was late at worst.

    The rooms' events are spread evenly over the time between two events of one room. Where publishing takes longer than
    that time, what has become due meanwhile goes out together, each event with the time when it was due.
    """
    began_ns = time.monotonic_ns()
    per_tick = max(1, round(rate_hz * TICK_S))

    async def publish_to(place: int, room: str) -> int:
        worst_ns = sent = 0
        while sent < count:
            now_ns = time.monotonic_ns()
            due: list[bytes] = []
            while sent + len(due) < count:
                ticks = (sent + len(due)) // per_tick
                due_ns = began_ns + int((ticks * per_tick + place / len(rooms)) * NS / rate_hz)
                if due_ns > now_ns:
                    break
                if not due:
                    worst_ns = max(worst_ns, now_ns - due_ns)
                due.append(event_value(due_ns, size_bytes))
            if due:
                sent += len(due)
                await publish(room, due)
            else:
                await asyncio.sleep((due_ns - now_ns) / NS)
        return worst_ns

    return max(await asyncio.gather(*(publish_to(place, room) for place, room in enumerate(rooms)))) / NS


async def publish_quickly(publish: Publish, rooms: Sequence[str], *, count: int, size_bytes: int) -> None:
    """Publish ``count`` events, shared out among the rooms, as fast as it goes."""
    value = event_value(time.monotonic_ns(), size_bytes)
    left = count
    while left > 0:
        for room in rooms:
            number = min(EVENTS_PER_REQUEST_MAX, left, -(-count // len(rooms)))
            if number:
                await publish(room, [value] * number)
            left -= number
