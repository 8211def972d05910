"""The producer on a real broker: a refusal reaches its own record or topic, and nothing else."""

import asyncio
import itertools
import time
import uuid
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from support.kafka_broker import KafkaBroker
from support.log_harness import Raw
from touchline_kafka.cluster import Cluster
from touchline_kafka.produce.partition_writer import Written
from touchline_kafka.produce.producer import BoundedProducer
from touchline_kafka.topics import Topics
from touchline_protocol.errors import RecordsRefused

pytestmark = pytest.mark.outside

BYTES_MAX = 2_000
TOO_LARGE = b"x" * 3_000


@pytest.fixture
async def producer(kafka: KafkaBroker) -> AsyncIterator[BoundedProducer]:
    cluster = Cluster([kafka.address])
    client = await cluster.connect()
    made = BoundedProducer(cluster, Topics(client))
    yield made
    await made.close()
    await client.close()


async def create(kafka: KafkaBroker, **configs: str) -> str:
    topic = f"topic-{uuid.uuid4().hex[:12]}"
    await kafka.create(topic, 1, {name.replace("_", "."): value for name, value in configs.items()})
    return topic


async def read(kafka: KafkaBroker, topic: str, count: int) -> list[bytes | None]:
    """The values of a topic that holds ``count`` records."""
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.address, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        found: list[bytes | None] = []
        while len(found) < count:
            found += [one.value for one in (await consumer.getmany(timeout_ms=500)).get(partition, [])]
        (end,) = (await consumer.end_offsets([partition])).values()
        assert end == count
        return found
    finally:
        await consumer.stop()


def numbered(count: int, size: int = 1) -> list[Raw]:
    return [Raw(b"room", b"%0*d" % (size, number)) for number in range(count)]


async def test_a_record_that_is_too_large_fails_no_publish_to_another_topic(
    kafka: KafkaBroker, producer: BoundedProducer
) -> None:
    small, other = await create(kafka, max_message_bytes=str(BYTES_MAX)), await create(kafka)

    async def publish(topic: str, value: bytes) -> Written | RecordsRefused:
        try:
            return (await producer.append(topic, [Raw(b"room", value)]))[0]
        except RecordsRefused as error:
            return error

    results = await asyncio.gather(
        *itertools.chain.from_iterable(
            (publish(other, b"%d" % number), publish(small, TOO_LARGE if number % 3 else b"ok")) for number in range(60)
        )
    )
    assert [type(one) for one in results[::2]] == [Written] * 60
    refused = [one for one in results[1::2] if isinstance(one, RecordsRefused)]
    assert len(refused) == 40
    assert all(one.is_too_large and one.written == 0 for one in refused)
    await read(kafka, small, 20)
    await read(kafka, other, 60)


async def test_batches_are_cut_to_what_the_topic_takes(kafka: KafkaBroker, producer: BoundedProducer) -> None:
    topic = await create(kafka, max_message_bytes=str(BYTES_MAX))
    for _ in range(2):
        await producer.append(topic, numbered(200, size=150))
    assert await read(kafka, topic, 400) == [one.value for one in numbered(200, size=150) * 2]


async def test_those_after_a_refused_record_are_not_appended(kafka: KafkaBroker, producer: BoundedProducer) -> None:
    topic = await create(kafka, max_message_bytes=str(BYTES_MAX))
    records = numbered(40, size=150)
    records[17] = Raw(b"room", TOO_LARGE)
    with pytest.raises(RecordsRefused) as refused:
        await producer.append(topic, records)
    assert (refused.value.written, list(refused.value.refused)) == (17, [17])
    await producer.append(topic, numbered(3))
    assert await read(kafka, topic, 20) == [one.value for one in [*records[:17], *numbered(3)]]


async def test_independent_records_after_a_refused_one_are_appended(
    kafka: KafkaBroker, producer: BoundedProducer
) -> None:
    topic = await create(kafka, max_message_bytes=str(BYTES_MAX))
    records = numbered(40, size=150)
    records[0] = records[17] = records[18] = Raw(b"room", TOO_LARGE)
    with pytest.raises(RecordsRefused) as refused:
        await producer.append(topic, records, independent=True)
    assert (refused.value.written, list(refused.value.refused)) == (40, [0, 17, 18])
    values = [one.value for one in records if one.value != TOO_LARGE]
    assert await read(kafka, topic, 37) == values


@pytest.mark.parametrize(
    ("config", "value", "refused_record"),
    [
        ("message_timestamp_after_max_ms", "1000", Raw(b"room", b"1", timestamp=int(time.time() * 1000) + 3_600_000)),
        ("cleanup_policy", "compact", Raw(None, b"1")),
    ],
)
async def test_the_broker_names_the_record_that_its_checks_reject(
    kafka: KafkaBroker, producer: BoundedProducer, config: str, value: str, refused_record: Raw
) -> None:
    topic = await create(kafka, **{config: value})
    records = numbered(20)
    records[7] = refused_record
    with pytest.raises(RecordsRefused) as refused:
        await producer.append(topic, records, independent=True)
    assert list(refused.value.refused) == [7]
    assert not refused.value.is_too_large
    assert await read(kafka, topic, 19) == [one.value for one in records if one != refused_record]
