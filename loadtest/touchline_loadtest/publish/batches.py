"""Batches: what a feed publishes to one room at one moment, and the two ways to publish them.

A batch stays together: into Kafka it goes as one record batch, so that one flush of the server writes all of its events
to each client at once. Batches that are due together and belong to one partition share a record batch.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import httpx
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from touchline_kafka.errors import REQUEST_ERRORS, describe
from touchline_kafka.partitioner import partition_of
from touchline_protocol.errors import OperatorError
from touchline_protocol.records import headers_for

from .broker import CLIENT_ID, partition_counts

CONNECT_TIMEOUT_S = 5.0
BATCH_BYTES = 512 * 1024
"""The most in one record batch: half of what a broker accepts by default."""
IN_FLIGHT_MAX = 64
"""Record batches that the broker has not confirmed yet. The publisher waits for the oldest one at this number."""
EVENTS_PER_REQUEST_MAX = 1_000
"""The most that a server accepts in one request."""
REQUEST_TIMEOUT_S = 30.0
CONNECTIONS_MAX = 16
"""Connections to the HTTP API. A control plane takes 256, or 40 where few files may be open, and then closes idle ones:
a request that is on its way at that moment fails."""
KEEPALIVE_S = 2.0
"""How long a connection may be idle and still be used. The server closes it after 5 s."""


class KeyedValue(NamedTuple):
    """An event. ``value`` is JSON; ``key`` is None for an event that is not state."""

    key: str | None
    value: bytes


class Batch(NamedTuple):
    """Events of one room, in order. ``at_ms`` is the Unix time at which they are due, and their records' timestamp."""

    at_ms: int
    room: str
    events: Sequence[KeyedValue]


PublishBatches: TypeAlias = Callable[[Sequence[Batch]], Awaitable[None]]
"""Publish batches that are due together, in their order within each room."""


@contextlib.asynccontextmanager
async def kafka_batches(address: str, topics: Mapping[str, str]) -> AsyncIterator[PublishBatches]:
    """Publish into Kafka. When this context ends, the broker has everything.

    ``topics`` has the topic of each feed that is published to. They have to exist.

    Raises:
        OperatorError: the broker cannot be reached, lacks a topic, or refuses; also raised by the publisher.
    """
    partitions = await partition_counts(address, topics, connect_timeout_s=CONNECT_TIMEOUT_S)
    producer = AIOKafkaProducer(
        client_id=CLIENT_ID,
        bootstrap_servers=address,
        acks="all",
        max_batch_size=BATCH_BYTES,
        max_request_size=2 * BATCH_BYTES,
    )
    try:
        await producer.start()
        publisher = _KafkaBatches(producer, address, topics, partitions)
        yield publisher.publish
        await publisher.until_confirmed()
    except REQUEST_ERRORS as error:
        raise OperatorError(f"publishing to {address}: {describe(error)}") from error
    finally:
        await producer.stop()


class _KafkaBatches:
    """The fast path: record batches are built here, not record by record in the producer's own queue."""

    def __init__(
        self, producer: AIOKafkaProducer, address: str, topics: Mapping[str, str], partitions: Mapping[str, int]
    ) -> None:
        self._producer = producer
        self._address = address
        self._topics = topics
        self._partitions = partitions
        self._places: dict[str, tuple[str, int, bytes]] = {}
        self._unconfirmed: deque[tuple[str, asyncio.Future[object]]] = deque()

    async def publish(self, batches: Sequence[Batch]) -> None:
        builders: dict[tuple[str, int], BatchBuilder] = {}
        for batch in batches:
            topic, partition, key = self._places.get(batch.room) or self._place(batch.room)
            for event_key, value in batch.events:
                headers = headers_for(event_key)
                builder = builders.get((topic, partition))
                while (
                    builder is None
                    or builder.append(timestamp=batch.at_ms, key=key, value=value, headers=headers) is None
                ):
                    if builder is not None:
                        await self._send(builder, topic, partition)
                    builder = builders[topic, partition] = self._producer.create_batch()
        for (topic, partition), builder in builders.items():
            await self._send(builder, topic, partition)

    async def until_confirmed(self) -> None:
        while self._unconfirmed:
            await self._confirm_oldest()

    async def _send(self, builder: BatchBuilder, topic: str, partition: int) -> None:
        builder.close()
        if len(self._unconfirmed) >= IN_FLIGHT_MAX:
            await self._confirm_oldest()
        try:
            self._unconfirmed.append((topic, await self._producer.send_batch(builder, topic, partition=partition)))
        except REQUEST_ERRORS as error:
            raise self._failed(topic, error) from error

    async def _confirm_oldest(self) -> None:
        topic, future = self._unconfirmed.popleft()
        try:
            await future
        except REQUEST_ERRORS as error:
            raise self._failed(topic, error) from error

    def _failed(self, topic: str, error: Exception) -> OperatorError:
        return OperatorError(f"publishing to the topic {topic} at {self._address}: {describe(error)}")

    def _place(self, room: str) -> tuple[str, int, bytes]:
        """The topic, partition and record key of a room."""
        feed, _, room_id = room.partition(":")
        topic = self._topics[feed]
        key = room_id.encode()
        place = self._places[room] = (topic, partition_of(key, self._partitions[topic]), key)
        return place


@contextlib.asynccontextmanager
async def http_batches(url: str, api_key: str | None = None) -> AsyncIterator[PublishBatches]:
    """Publish over a server's HTTP API at ``url``, several rooms at once. The server stamps records as it appends them.

    The publisher raises `httpx.HTTPError` if the server cannot be reached, or refuses.
    """
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
    limits = httpx.Limits(
        max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX, keepalive_expiry=KEEPALIVE_S
    )
    async with httpx.AsyncClient(
        base_url=url, timeout=REQUEST_TIMEOUT_S, limits=limits, headers=headers, trust_env=False
    ) as client:

        async def publish_to(room: str, events: Sequence[KeyedValue]) -> None:
            for begin in range(0, len(events), EVENTS_PER_REQUEST_MAX):
                body = _request_body(events[begin : begin + EVENTS_PER_REQUEST_MAX])
                response = await client.post(f"/v1/rooms/{room}/events", content=body)
                response.raise_for_status()

        async def publish(batches: Sequence[Batch]) -> None:
            rooms: dict[str, list[KeyedValue]] = {}
            for batch in batches:
                rooms.setdefault(batch.room, []).extend(batch.events)
            if len(rooms) == 1:
                [(room, events)] = rooms.items()
                await publish_to(room, events)  # without a task, for which the request would have to wait
            else:
                await asyncio.gather(*(publish_to(room, events) for room, events in rooms.items()))

        yield publish


def _request_body(events: Sequence[KeyedValue]) -> bytes:
    listed = b",".join(
        b'{"data":%b}' % value if key is None else b'{"data":%b,"key":%b}' % (value, msgspec.json.encode(key))
        for key, value in events
    )
    return b'{"events":[' + listed + b"]}"
