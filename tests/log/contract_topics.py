"""More of the contract of every log, for its topics. The rules in `log.contract` apply here too."""

import pytest

from support.log_harness import Harness, Reader, numbered
from touchline_server.core.log import (
    Entry,
    OffsetOutOfRange,
    TopicMissing,
    TopicOpened,
    UnknownTopic,
)


class TopicsContract:
    """The tests of topics and their epochs that every log passes."""

    async def test_reopening_keeps_offsets_and_epoch(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        (first,) = await harness.append(topic, numbered(1))
        log = await harness.open_log(topic)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        await log.close()
        again = Reader(await harness.open_log(topic))
        await again.until_caught_up(topic)
        assert again.epochs == reader.epochs
        (second,) = await again.log.append(topic, [Entry(b"room", b"1")])
        assert second.offset > first.offset
        assert second.partition == first.partition

    async def test_a_missing_topic_is_reported_until_it_is_created(self, harness: Harness) -> None:
        name = harness.unused_name()
        other = await harness.create_topic()
        log = await harness.open_log(name, other)
        reader = Reader(log)
        await reader.until(lambda: bool(reader.events_of(TopicMissing, name)))
        await reader.until_caught_up(other)
        assert name in log.problems
        await harness.create_topic(name=name)
        await harness.append(name, numbered(5))
        await reader.until_values(name, [b"%d" % number for number in range(5)])
        await reader.until_caught_up(name)
        await reader.until(lambda: name not in log.problems)
        assert len(reader.events_of(TopicMissing, name)) == 1

    async def test_appending_to_an_unknown_topic_fails_and_does_not_create_it(self, harness: Harness) -> None:
        name = harness.unused_name()
        log = await harness.open_log()
        for _ in range(2):
            with pytest.raises(UnknownTopic, match=name):
                await log.append(name, [Entry(b"room", b"1")])

    async def test_create_topics_creates_only_missing_topics(self, harness: Harness) -> None:
        there = await harness.create_topic()
        missing = [harness.unused_name(), harness.unused_name()]
        log = await harness.open_log(*missing)
        assert sorted(await log.create_topics([there, *missing], partitions=3, replication=1)) == sorted(missing)
        assert await log.create_topics([there, *missing], partitions=3, replication=1) == []
        reader = Reader(log)
        await reader.until_caught_up(*missing)
        for topic in missing:
            opened = reader.events_of(TopicOpened, topic)[-1]
            assert isinstance(opened, TopicOpened)
            assert opened.starts == {0: 0, 1: 0, 2: 0}
            await log.append(topic, [Entry(b"room", b"1")])
            await reader.until_values(topic, [b"1"])

    async def test_a_topic_recreated_between_readers_has_a_new_epoch(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        await harness.append(topic, numbered(5))
        log = await harness.open_log(topic)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        await log.close()
        await harness.recreate_topic(topic)
        await harness.append(topic, numbered(5, first=100))
        again = Reader(await harness.open_log(topic))
        await again.until_caught_up(topic)
        assert again.epochs[topic] != reader.epochs[topic]
        assert [record.value for record in again.all(topic)] == [b"%d" % number for number in range(100, 105)]
        with pytest.raises(OffsetOutOfRange):
            await again.log.read(topic, reader.epochs[topic], 0, after=-1, up_to=4, records_max=10)

    async def test_a_log_opened_without_topics_can_append(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        log = await harness.open_log()
        await log.append(topic, [Entry(b"room", b"1")])
        assert log.problems == {}
