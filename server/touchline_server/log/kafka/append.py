"""Appending records: aiokafka's idempotent producer, bounded in time and unable to create a topic.

Rules:

1. Each append ends within `APPEND_TIMEOUT_S`. aiokafka's idempotent producer never gives a batch up and sends it
   whenever Kafka is back: after a failure the whole producer is thrown away with all it holds, so that what was
   reported as failed is not appended later. (Only a request that was out just then can have got through: no client
   can tell.)
2. Its metadata requests create topics where the broker allows it, except those that ask for all topics, and they ask
   for all as long as no topic was named to the producer's client. So none is: `send` is called only for topics whose
   metadata the client has.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, MessageSizeTooLargeError

from touchline_protocol.limits import EVENT_VALUE_BYTES_MAX
from touchline_server.core.log import AppendFailed, Entry, Position, UnknownTopic

from .client import OUTAGES, in_words
from .topics import INVALID_TOPIC, TOPIC_FORBIDDEN, UNKNOWN_TOPIC, Topic, Topics

APPEND_TIMEOUT_S = 5.0
"""The longest that somebody waits to be told that Kafka is away; a broker's restart takes about as long."""
GONE_CHECK_S = 0.25
"""While an append waits, so often the topic is looked at: aiokafka would try for ever where it was deleted."""
TOPIC_AGE_S_MAX = 5.0
"""Partitions that were added are used after this time at the latest."""
METADATA_PAUSE_S = 0.02
"""Between questions for the metadata of a topic that the producer does not know yet."""
RECORD_BYTES_MAX = max(1 << 20, 2 * EVENT_VALUE_BYTES_MAX)
"""Kafka's own default for a record; an event's value with its key and headers must fit."""
BATCH_BYTES = 64 * 1024
"""Records that wait while a batch is out go in one batch of this size. A larger record has a batch of its own."""
REQUEST_OUT_S = 2.0
"""For an answer to what is out when a producer is thrown away; then its connection is closed."""
STOP_TIMEOUT_S = 10.0
"""For all producers that are being thrown away when the log closes."""


class Appender:
    """Appends to any topic; connects when first used."""

    def __init__(self, options: dict[str, Any], topics: Topics) -> None:
        self._options = options
        self._topics = topics
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._stopping: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def append(self, name: str, entries: Sequence[Entry]) -> list[Position]:
        """See `core.log.Log.append`."""
        self._under_way += 1
        self._idle.clear()
        try:
            return await self._append(name, entries)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def close(self) -> None:
        """Finish the appends under way, which takes at most `APPEND_TIMEOUT_S`, and let go of the producer."""
        await self._idle.wait()
        if self._producer is not None:
            self._throw_away(self._producer)
        if self._stopping:
            await asyncio.wait(self._stopping, timeout=STOP_TIMEOUT_S)

    async def _append(self, name: str, entries: Sequence[Entry]) -> list[Position]:
        futures: list[asyncio.Future[Any]] = []
        producer: AIOKafkaProducer | None = None
        try:
            async with asyncio.timeout(APPEND_TIMEOUT_S):
                producer = await self._ready(name)
                await self._send(producer, name, entries, futures)
                await self._wait(name, futures)
                return [_position(future) for future in futures]
        except UnknownTopic:
            if producer is not None and futures:
                self._throw_away(producer)
            raise
        except OUTAGES as error:
            if producer is not None:
                self._throw_away(producer)
            why = error
        done = _first_done(futures)
        count = f"{len(done)} of {len(entries)} records" if done else "nothing"
        raise AppendFailed(f"{count} could be appended to {name}: {in_words(why)}", len(done)) from why

    async def _send(
        self, producer: AIOKafkaProducer, name: str, entries: Sequence[Entry], futures: list[asyncio.Future[Any]]
    ) -> None:
        for entry in entries:
            if producer.client.cluster.partitions_for_topic(name) is None:  # see rule 2
                raise UnknownTopic(_unknown(name))
            try:
                future = await producer.send(
                    name, entry.value, entry.key, timestamp_ms=entry.timestamp, headers=list(entry.headers)
                )
            except MessageSizeTooLargeError:
                await self._wait(name, futures)
                raise
            future.add_done_callback(_seen)
            futures.append(future)

    async def _wait(self, name: str, futures: Sequence[asyncio.Future[Any]]) -> None:
        pending = set(futures)
        while pending:
            done, pending = await asyncio.wait(pending, timeout=GONE_CHECK_S, return_when=asyncio.FIRST_EXCEPTION)
            if any(future.exception() for future in done):
                return  # the result of the first one that failed says why
            if pending:
                with contextlib.suppress(*OUTAGES):
                    existing((await self._topics.describe([name]))[name])

    async def _ready(self, name: str) -> AIOKafkaProducer:
        """A producer that knows the topic as it is now."""
        topic = existing(await self._topics.topic(name, age_s_max=TOPIC_AGE_S_MAX))
        async with self._starting:
            producer = self._producer
            if producer is None:
                producer = self._producer = await self._start()
        while producer.client.cluster.partitions_for_topic(name) != topic.leaders.keys():
            await producer.client.force_metadata_update()
            topic = existing((await self._topics.describe([name]))[name])
            await asyncio.sleep(METADATA_PAUSE_S)
        return producer

    async def _start(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **self._options,
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            max_request_size=RECORD_BYTES_MAX,
        )
        producer._message_accumulator._pending_batches = _Batches()
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    def _throw_away(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            self._producer = None
            task = asyncio.create_task(_stop(producer), name="kafka-producer-stop")
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)


class _Batches(set[Any]):
    """aiokafka's set of batches that are out. It takes out a batch that it sends again twice where that one fails."""

    def remove(self, batch: object) -> None:
        self.discard(batch)


async def _stop(producer: AIOKafkaProducer) -> None:
    """Let go of a producer, and give up what it has not sent.

    Not by its own ``stop``, which waits until everything is appended, and so for ever if Kafka stays away; nor by
    failing its batches first, over which its sender then stumbles. First the sender ends, with what it has out.
    """
    sender = producer._sender.sender_task
    if sender is not None:
        sender.cancel()
        await asyncio.wait({sender}, timeout=REQUEST_OUT_S)
    await producer.client.close()
    if sender is not None:
        sender.cancel()
        await asyncio.wait({sender}, timeout=REQUEST_OUT_S)
        if sender.done() and not sender.cancelled():
            sender.exception()  # looked at: a sender that ends by a failure has nothing to tell any more
    accumulator = producer._message_accumulator
    for batch in [*chain.from_iterable(accumulator._batches.values()), *accumulator._pending_batches]:
        batch._drain_waiter.add_done_callback(_seen)
    accumulator.fail_all(KafkaTimeoutError())
    producer._closed = True


def existing(topic: Topic) -> Topic:
    """``topic``, if records can be appended to it.

    Raises:
        UnknownTopic: there is none of its name.
        AppendFailed: this user may not use it.
        KafkaError: it is not ready.
    """
    if topic.error in (UNKNOWN_TOPIC, INVALID_TOPIC):
        raise UnknownTopic(_unknown(topic.name))
    if topic.error == TOPIC_FORBIDDEN:
        raise AppendFailed(f"Kafka does not let this user use the topic {topic.name}")
    if topic.error or not topic.leaders:
        raise KafkaConnectionError(f"the topic {topic.name} is not ready")
    return topic


def _unknown(name: str) -> str:
    return f"Kafka has no topic {name}: touchline topics --create makes it"


def _position(future: asyncio.Future[Any]) -> Position:
    written = future.result()
    return Position(written.partition, written.offset)


def _first_done(futures: Sequence[asyncio.Future[Any]]) -> list[Position]:
    """Where the first records are, up to the first one that failed or is not known about."""
    positions = []
    for future in futures:
        if not future.done() or future.exception():
            break
        positions.append(_position(future))
    return positions


def _seen(future: asyncio.Future[Any]) -> None:
    """Look at a failure, also if nobody waits for it any more: asyncio would log it."""
    if not future.cancelled():
        future.exception()
