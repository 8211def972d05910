"""Appending records: aiokafka's idempotent producer, bounded in time and unable to create a topic.

Rules:

1. Each append ends within `APPEND_TIMEOUT_S`. aiokafka's idempotent producer never gives a batch up, and sends it
   whenever Kafka is back. So after a failure the whole producer is released with all it holds: what was reported as
   failed is not appended later. (Only a request that was out just then can have got through: no client can tell.)
2. Its metadata requests create topics where the broker allows it, except those that ask for all topics, and they ask
   for all as long as no topic was named to the producer's client. So none is: `send` is called only for topics whose
   metadata the client has.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.partitioner import murmur2

from touchline_protocol.errors import LogUnavailable
from touchline_protocol.limits import EVENT_VALUE_BYTES_MAX

from .cluster import Cluster
from .errors import REQUEST_ERRORS, describe
from .repairs import Producer, retrieve
from .topics import NoSuchTopic, Topics

APPEND_TIMEOUT_S = 5.0
"""The longest that a caller waits to hear that Kafka is away; a broker's restart takes about as long."""
TOPIC_CHECK_S = 0.25
"""How often a topic is looked at while an append waits: aiokafka would retry for ever if it was deleted."""
TOPIC_AGE_S_MAX = 5.0
"""Partitions that were added are used after this time at the latest."""
METADATA_PAUSE_S = 0.02
"""Between questions for the metadata of a topic that the producer does not know yet."""
RECORD_BYTES_MAX = max(1 << 20, 2 * EVENT_VALUE_BYTES_MAX)
"""Kafka's own default for a record; an event's value with its key and headers must fit."""
BATCH_BYTES = 64 * 1024
"""Records that wait while a batch is out go into one batch of this size. A larger record has a batch of its own."""
STOP_TIMEOUT_S = 10.0
"""How long the release of all producers may take at the end."""


_POSITIVE = 0x7FFF_FFFF
"""Kafka drops the sign of a hash with this mask, where others would take the absolute value."""


class NewRecord(Protocol):
    """A record to append. ``timestamp`` is Unix milliseconds; None is now."""

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...

    @property
    def timestamp(self) -> int | None: ...


class Written(NamedTuple):
    """Where a record was appended."""

    partition: int
    offset: int


class ProduceFailed(LogUnavailable):
    """Not all records could be appended. The first ``written`` of them are in the topic, in order; the rest may be."""

    def __init__(self, message: str, written: int) -> None:
        super().__init__(message)
        self.written = written


def partition_of(key: bytes, partitions: int) -> int:
    """The partition, of that many, that a key belongs to: the choice of Java's default partitioner and most others."""
    hashed: int = murmur2(key)
    return (hashed & _POSITIVE) % partitions


class BoundedProducer:
    """Appends to any topic; connects when first used."""

    def __init__(self, cluster: Cluster, topics: Topics) -> None:
        self._cluster = cluster
        self._topics = topics
        self._producer: Producer | None = None
        self._starting = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def append(self, topic: str, records: Sequence[NewRecord]) -> list[Written]:
        """Append records in order; returns once they are durable. Java's default partitioner chooses the partitions.

        Raises:
            NoSuchTopic: there is no such topic.
            ProduceFailed: Kafka did not take them all.
        """
        self._under_way += 1
        self._idle.clear()
        try:
            return await self._append(topic, records)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def close(self) -> None:
        """Finish the appends under way, which takes at most `APPEND_TIMEOUT_S`, and release the producer."""
        await self._idle.wait()
        if self._producer is not None:
            self._drop(self._producer)
        if self._stopping:
            await asyncio.wait(self._stopping, timeout=STOP_TIMEOUT_S)

    async def _append(self, topic: str, records: Sequence[NewRecord]) -> list[Written]:
        futures: list[asyncio.Future[Any]] = []
        producer: Producer | None = None
        try:
            async with asyncio.timeout(APPEND_TIMEOUT_S):
                producer = await self._ready(topic)
                await self._send(producer, topic, records, futures)
                await self._wait(topic, futures)
                return [_written(future) for future in futures]
        except NoSuchTopic:
            if producer is not None and futures:
                self._drop(producer)
            raise
        except REQUEST_ERRORS as error:
            if producer is not None:
                self._drop(producer)
            reason = error
        written = _count_written(futures)
        count = f"{written} of {len(records)} records" if written else "nothing"
        raise ProduceFailed(f"{count} could be appended to {topic}: {describe(reason)}", written) from reason

    async def _send(
        self, producer: Producer, topic: str, records: Sequence[NewRecord], futures: list[asyncio.Future[Any]]
    ) -> None:
        for record in records:
            if producer.client.cluster.partitions_for_topic(topic) is None:  # see rule 2
                raise NoSuchTopic(topic)
            try:
                future = await producer.send(
                    topic, record.value, record.key, timestamp_ms=record.timestamp, headers=list(record.headers)
                )
            except MessageSizeTooLargeError:
                await self._wait(topic, futures)
                raise
            future.add_done_callback(retrieve)
            futures.append(future)

    async def _wait(self, topic: str, futures: Sequence[asyncio.Future[Any]]) -> None:
        pending = set(futures)
        while pending:
            done, pending = await asyncio.wait(pending, timeout=TOPIC_CHECK_S, return_when=asyncio.FIRST_EXCEPTION)
            if any(future.exception() for future in done):
                return  # the result of the first one that failed says why
            if pending:
                with contextlib.suppress(*REQUEST_ERRORS):
                    (await self._topics.describe([topic]))[topic].usable()

    async def _ready(self, name: str) -> Producer:
        """A producer that knows the topic as it is now."""
        topic = (await self._topics.topic(name, age_s_max=TOPIC_AGE_S_MAX)).usable()
        async with self._starting:
            producer = self._producer
            if producer is None:
                producer = self._producer = await self._cluster.producer(
                    max_batch_size=BATCH_BYTES, max_request_size=RECORD_BYTES_MAX
                )
                producer.client.follow_leaders(self._topics.leaders)
        while producer.client.cluster.partitions_for_topic(name) != topic.leaders.keys():
            await producer.client.force_metadata_update()
            topic = (await self._topics.describe([name]))[name].usable()
            await asyncio.sleep(METADATA_PAUSE_S)
        return producer

    def _drop(self, producer: Producer) -> None:
        """Have the next append start another producer, and release this one in the background."""
        if self._producer is producer:
            self._producer = None
            task = asyncio.create_task(producer.release(), name="kafka-producer-release")
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)


def _written(future: asyncio.Future[Any]) -> Written:
    metadata = future.result()
    return Written(metadata.partition, metadata.offset)


def _count_written(futures: Sequence[asyncio.Future[Any]]) -> int:
    """How many of the first records are written, up to the first one that failed or has no answer yet."""
    for count, future in enumerate(futures):
        if not future.done() or future.exception():
            return count
    return len(futures)
