"""Following whole topics without a group; see also tests/cheatwatch, where events are followed."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from support.kafka_broker import KafkaBroker
from support.log_cut import cut_back
from support.record_batches import RawRecord, append_batch, append_nonsense, batch, write_over
from support.waiting import eventually
from touchline_kafka.cluster import Cluster
from touchline_kafka.follow.follower import FollowedRecord, Follower, RecordsLost
from touchline_kafka.topics import NO_LEADER, Topic
from touchline_protocol.errors import BadRecord

READ_S = 30.0


@asynccontextmanager
async def producing(kafka: KafkaBroker) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=kafka.address, acks="all") as producer:
        yield producer


async def take(follower: Follower, count: int) -> list[FollowedRecord | RecordsLost]:
    found: list[FollowedRecord | RecordsLost] = []
    async with asyncio.timeout(READ_S):
        while len(found) < count:
            found += await follower.poll()
    return found


async def test_records_that_were_deleted_before_they_were_read_are_reported(kafka: KafkaBroker) -> None:
    topic = "follow-deleted"
    await kafka.create(topic, 1)
    async with producing(kafka) as producer:
        for number in range(10):
            await producer.send_and_wait(topic, b"%d" % number, b"7")
    await kafka.trim(topic, 0, 6)
    async with Follower(Cluster([kafka.address]), [topic], since_ms=None) as follower:
        follower._consumer.seek(TopicPartition(topic, 0), 2)  # like a follower that was away while retention went on
        lost, *records = await take(follower, 5)
    assert lost == RecordsLost(topic)
    assert [(one.record.offset, one.complete) for one in records if isinstance(one, FollowedRecord)] == [
        (at, False) for at in (6, 7, 8, 9)
    ]


async def test_a_record_that_nobody_can_decode_stops_nothing(kafka: KafkaBroker) -> None:
    topic = "follow-undecodable"
    await kafka.create(topic, 1)
    await append_batch(kafka.address, topic, batch([RawRecord(b"k", b"odd", [(b"\xe9", b"from C")])]))
    await append_nonsense(kafka, topic)
    async with producing(kafka) as producer:
        await producer.send_and_wait(topic, b"last", b"7")
    async with Follower(Cluster([kafka.address]), [topic], since_ms=None) as follower:
        odd, nonsense, last = (one for one in await take(follower, 3) if isinstance(one, FollowedRecord))
    assert (odd.record.value, last.record.value, last.complete) == (b"odd", b"last", True)
    with pytest.raises(BadRecord):
        _ = nonsense.record.key


async def test_records_that_are_damaged_on_disk_are_waited_for(kafka: KafkaBroker) -> None:
    topic = "follow-damaged"
    await kafka.create(topic, 1)
    async with producing(kafka) as producer:
        for value in (b"first", b"precious", b"last"):
            await producer.send_and_wait(topic, value, b"7")
    write_over(kafka.segment(topic), b"precious", b"damaged!")
    async with Follower(Cluster([kafka.address]), [topic], since_ms=None) as follower:
        found: list[FollowedRecord | RecordsLost] = []
        while not found:
            found = await follower.poll()
        write_over(kafka.segment(topic), b"damaged!", b"precious")
        found += await take(follower, 3 - len(found))
    assert [one.record.value for one in found if isinstance(one, FollowedRecord)] == [b"first", b"precious", b"last"]


async def test_following_continues_after_a_restart_of_the_broker(
    kafka_to_restart: KafkaBroker,
) -> None:
    broker = kafka_to_restart
    topic = "follow-restart"
    await broker.create(topic, 2)
    async with producing(broker) as producer:
        for partition in range(2):
            await producer.send_and_wait(topic, b"before", b"7", partition)
    async with Follower(Cluster([broker.address]), [topic], since_ms=None) as follower:
        assert len(await take(follower, 2)) == 2
        await asyncio.to_thread(broker.stop, kill=True)
        assert await follower.poll() == []
        broker.launch()
        await asyncio.to_thread(broker.wait_started)
        async with producing(broker) as producer:
            for partition in range(2):
                await producer.send_and_wait(topic, b"after", b"7", partition)
        found = await take(follower, 2)
    assert [(one.record.value, one.complete) for one in found if isinstance(one, FollowedRecord)] == [
        (b"after", True)
    ] * 2


async def test_a_broker_that_goes_away_while_deleted_records_are_noticed_is_waited_for(
    kafka_to_restart: KafkaBroker,
) -> None:
    broker = kafka_to_restart
    topic = "follow-deleted-restart"
    await broker.create(topic, 1)
    async with producing(broker) as producer:
        for number in range(3):
            await producer.send_and_wait(topic, b"%d" % number, b"7")
    await broker.trim(topic, 0, 2)
    cluster = Cluster([broker.address], options={"request_timeout_ms": 1_000})
    async with Follower(cluster, [topic], since_ms=None) as follower:
        consumer = follower._consumer
        follower._progress[TopicPartition(topic, 0)].next_offset = 1
        consumer.seek(TopicPartition(topic, 0), 1)
        await eventually(lambda: bool(consumer._fetcher._records))  # the broker has refused the offset
        await asyncio.to_thread(broker.stop)
        assert await follower.poll() == []
        broker.launch()
        await asyncio.to_thread(broker.wait_started)
        lost, record = await take(follower, 2)
    assert lost == RecordsLost(topic)
    assert isinstance(record, FollowedRecord)
    assert record.record.offset == 2


async def test_a_log_that_was_cut_back_is_followed_from_where_it_departs(
    kafka_to_restart: KafkaBroker,
) -> None:
    broker, topic = kafka_to_restart, "follow-cut"
    await broker.create(topic, 1)
    await write(broker, topic, range(10))
    async with Follower(Cluster([broker.address]), [topic], since_ms=None) as follower:
        await take(follower, 10)
        async with cut_back(broker, topic, 6):
            await write(broker, topic, range(100, 110))
        hide_leaders(follower, 3)  # when the topics are looked at, and twice when what was fetched is checked
        lost, *records = await take(follower, 11)
        assert lost == RecordsLost(topic)
        numbers = [(one.record.offset, one.record.value) for one in records if isinstance(one, FollowedRecord)]
        assert numbers == [(6 + at, b"%d" % (100 + at)) for at in range(10)]


def hide_leaders(follower: Follower, descriptions: int) -> None:
    """Let the next descriptions of topics name no leaders.

    A broker that has just started serves fetches, and describes topics, before it has heard that it was elected again.
    """
    describe, left = follower._topics.describe, itertools.count(descriptions, -1)

    async def described(names: Collection[str]) -> dict[str, Topic]:
        topics = await describe(names)
        if next(left) <= 0:
            return topics
        return {name: topic._replace(leaders=dict.fromkeys(topic.leaders, NO_LEADER)) for name, topic in topics.items()}

    follower._topics.describe = described  # type: ignore[method-assign]


async def write(broker: KafkaBroker, topic: str, numbers: range) -> None:
    async with producing(broker) as producer:
        for number in numbers:
            await producer.send_and_wait(topic, b"%d" % number, b"7")
