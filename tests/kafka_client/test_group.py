"""A group reader of any records; tests/actions has the readers of actions, their duplicates and their rebalances."""

import asyncio
import uuid
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from support.group_readers import NoMemory
from support.kafka_broker import KafkaBroker
from support.waiting import DEADLINE_S
from touchline_kafka.cluster import Cluster
from touchline_kafka.group.reader import GroupReader
from touchline_protocol.errors import BadRecord, OperatorError, TouchlineError
from touchline_protocol.records import Record


def number_in(record: Record, partition: int) -> int:
    if record.value is None or not record.value.isdigit():
        raise BadRecord("bad_number", "the value is not a number")
    return int(record.value)


def reader_of(kafka: KafkaBroker, topic: str, **options: Any) -> GroupReader[int]:
    return GroupReader(
        Cluster([kafka.address]),
        group=f"group-of-{topic}",
        topic=topic,
        decode=number_in,
        new_memory=NoMemory,
        look_back_ms=0,
        start="beginning",
        commit_s=60,
        options={"heartbeat_interval_ms": 100, "session_timeout_ms": 6_000, **options},
    )


async def write(kafka: KafkaBroker, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.address, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def take(reader: GroupReader[int], count: int) -> list[int]:
    taken: list[int] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(taken) < count:
            taken += await reader.batch(count - len(taken))
    return taken


async def test_each_record_is_handed_out_once_over_restarts(kafka: KafkaBroker) -> None:
    topic = f"numbers-{uuid.uuid4().hex[:12]}"
    await kafka.create(topic)
    await write(kafka, topic, b"1", b"not a number", b"2", b"2", b"3")
    async with reader_of(kafka, topic) as reader:
        assert await take(reader, 3) == [1, 2, 2]
        reader.processed()
        assert (reader.skipped, reader.duplicates) == (1, 0)
    await write(kafka, topic, b"4")
    async with reader_of(kafka, topic) as reader:
        assert await take(reader, 2) == [3, 4]


async def test_it_hands_out_nothing_while_it_is_closed(kafka: KafkaBroker) -> None:
    with pytest.raises(TouchlineError):
        await reader_of(kafka, "any").batch()


@pytest.mark.parametrize("option", ["enable_auto_commit", "auto_offset_reset", "isolation_level", "group_id"])
def test_options_that_its_promise_rests_on_cannot_be_set(kafka: KafkaBroker, option: str) -> None:
    with pytest.raises(OperatorError, match=option):
        reader_of(kafka, "any", **{option: "x"})
