"""Changing a real Kafka from outside, for the log's contract suite: see `support.log_harness.SharedHarness`."""

import asyncio
import contextlib
import uuid
from collections.abc import Collection, Sequence
from typing import cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import RecordMetadata, TopicPartition

from support.kafka_broker import KafkaBroker
from support.log_harness import Raw
from support.waiting import DEADLINE_S, POLL_S
from touchline_server.config.tables import KafkaSettings
from touchline_server.core.log import Position, ReadBack
from touchline_server.log.kafka.log import KafkaLog

CHECK_S = 0.1
"""How soon a log notices a new topic in tests: sooner than in service, so that tests are quick."""


class KafkaHarness:
    """Topics under names of its own in a broker that other tests use too."""

    def __init__(self, broker: KafkaBroker) -> None:
        self.broker = broker
        self._logs: list[KafkaLog] = []

    def unused_name(self) -> str:
        return f"topic-{uuid.uuid4().hex[:12]}"

    async def create_topic(self, partitions: int = 1, name: str | None = None) -> str:
        name = name or self.unused_name()
        await self.broker.create(name, partitions)
        return name

    async def append(self, topic: str, records: Sequence[Raw], *, partition: int | None = None) -> list[Position]:
        return await self.produce(topic, records, partition=partition)

    async def produce(
        self, topic: str, records: Sequence[Raw], *, partition: int | None = None, compression: str | None = None
    ) -> list[Position]:
        """Like `append`, with a choice of the batches' compression."""
        async with AIOKafkaProducer(
            bootstrap_servers=self.broker.address, compression_type=compression, acks="all"
        ) as producer:
            sent = [await _send(producer, topic, raw, partition) for raw in records]
            return [Position(one.partition, one.offset) for one in await asyncio.gather(*sent)]

    async def produce_and_abort(self, topic: str, records: Sequence[Raw], *, partition: int | None = None) -> None:
        """Write records in a transaction that is then aborted, and wait until no reader is held up by it."""
        transaction = f"transaction-{uuid.uuid4()}"
        async with AIOKafkaProducer(bootstrap_servers=self.broker.address, transactional_id=transaction) as producer:
            await producer.begin_transaction()
            for raw in records:
                await producer.send_and_wait(topic, raw.value, raw.key, partition)
            await producer.abort_transaction()
            partitions = [TopicPartition(topic, one) for one in await producer.partitions_for(topic)]
        await self._until_stable(partitions)

    async def _until_stable(self, partitions: Collection[TopicPartition]) -> None:
        """Wait for the transactions' markers. The coordinator answers before it writes them (KIP-98), and until they
        are there, a log ends where the first open transaction begins."""
        levels = ("read_uncommitted", "read_committed")
        async with contextlib.AsyncExitStack() as stack:
            written, stable = [
                await stack.enter_async_context(
                    AIOKafkaConsumer(bootstrap_servers=self.broker.address, isolation_level=level)
                )
                for level in levels
            ]
            async with asyncio.timeout(DEADLINE_S):
                while await stable.end_offsets(partitions) != await written.end_offsets(partitions):  # noqa: ASYNC110
                    await asyncio.sleep(POLL_S)

    async def trim(self, topic: str, partition: int, before: int) -> None:
        await self.broker.trim(topic, partition, before)

    async def delete_topic(self, topic: str) -> None:
        await self.broker.delete(topic)

    async def recreate_topic(self, topic: str, partitions: int = 1) -> None:
        await self.broker.delete(topic)
        await self.broker.create(topic, partitions)

    async def add_partitions(self, topic: str, partitions: int) -> None:
        await self.broker.add_partitions(topic, partitions)

    async def leave_hole(self, topic: str, partition: int) -> None:
        await self.produce_and_abort(topic, [Raw(b"room", b"aborted")], partition=partition)

    async def stop(self) -> None:
        await asyncio.to_thread(self.broker.stop)

    async def start(self) -> None:
        self.broker.launch()
        await asyncio.to_thread(self.broker.wait_started)

    async def open_log(
        self,
        *topics: str,
        since_ms: int = 0,
        from_start: Collection[str] = (),
        read_back: ReadBack | None = None,
    ) -> KafkaLog:
        log = KafkaLog([self.broker.address], KafkaSettings(epoch_check_s=CHECK_S))
        self._logs.append(log)
        await log.open(topics, since_ms=since_ms, from_start=from_start, read_back=read_back)
        return log

    async def close(self) -> None:
        """Close all logs that were opened."""
        for log in self._logs:
            await log.close()


async def _send(
    producer: AIOKafkaProducer, topic: str, raw: Raw, partition: int | None
) -> asyncio.Future[RecordMetadata]:
    headers = list(raw.headers)
    if raw.key is None and raw.value is None:  # which `send` refuses, and other producers may write
        batch = producer.create_batch()
        batch.append(timestamp=raw.timestamp, key=None, value=None, headers=headers)
        future = await producer.send_batch(batch, topic, partition=partition or 0)
    else:
        future = await producer.send(topic, raw.value, raw.key, partition, timestamp_ms=raw.timestamp, headers=headers)
    return cast(asyncio.Future[RecordMetadata], future)
