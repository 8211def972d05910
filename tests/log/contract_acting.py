"""More of the contract of every log, for actions and verdicts. The rules in `log.contract` apply here too."""

import asyncio
import time

import pytest

from log.contract import HOUR_MS
from support.log_harness import WAIT_S, Harness, Raw, Reader
from touchline_protocol.errors import LogUnavailable
from touchline_server.core.log import Entry, TopicOpened, TopicOptions, UnknownTopic


class ActingLogContract:
    """The tests that every log passes."""

    async def test_a_topic_in_from_start_is_read_from_its_first_record(self, harness: Harness) -> None:
        whole, windowed = await harness.create_topic(), await harness.create_topic()
        old_ms = int(time.time() * 1000) - HOUR_MS
        for topic in (whole, windowed):
            await harness.append(topic, [Raw(b"room", b"%d" % n, timestamp=old_ms) for n in range(4)])
        await harness.trim(whole, 0, 1)
        log = await harness.open_log(whole, windowed, since_ms=old_ms + 1, from_start=[whole, "no topic of ours"])
        reader = Reader(log)
        await reader.until_caught_up(whole, windowed)
        assert [record.value for record in reader.all(whole)] == [b"1", b"2", b"3"]
        assert reader.all(windowed) == []
        (opened,) = reader.events_of(TopicOpened, whole)
        assert isinstance(opened, TopicOpened)
        assert opened.starts == {0: 1}

    async def test_check_writable_succeeds_without_appending_anything(self, harness: Harness) -> None:
        topic = await harness.create_topic(partitions=2)
        log = await harness.open_log(topic)
        reader = Reader(log)
        for _ in range(3):
            await log.check_writable(topic)
        await log.append(topic, [Entry(b"room", b"1")])
        await reader.until_values(topic, [b"1"])
        assert log.unreachable is None

    async def test_check_writable_of_an_unknown_topic_fails_and_does_not_create_it(self, harness: Harness) -> None:
        name = harness.unused_name()
        log = await harness.open_log()
        for _ in range(2):
            with pytest.raises(UnknownTopic, match=name):
                await log.check_writable(name)
        assert await log.create_topics([name], partitions=1, replication=1) == [name]
        await log.check_writable(name)

    async def test_a_compacted_topic_keeps_the_newest_record_of_each_key(self, harness: Harness) -> None:
        name = harness.unused_name()
        log = await harness.open_log()
        assert await log.topic_options([name]) == {name: TopicOptions()}  # it does not exist
        await log.create_topics([name], partitions=1, replication=1, compacted=[name])
        assert not (await log.topic_options([name]))[name].deletes_old

    async def test_check_writable_fails_while_nothing_can_be_appended(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        log = await harness.open_log(topic)
        await harness.stop()
        try:
            async with asyncio.timeout(3 * WAIT_S):
                with pytest.raises(LogUnavailable) as failed:
                    await log.check_writable(topic)
            assert "\n" not in str(failed.value)
        finally:
            await harness.start()
        async with asyncio.timeout(3 * WAIT_S):
            while True:
                try:
                    await log.check_writable(topic)
                    break
                except LogUnavailable:
                    await asyncio.sleep(0.05)  # after a restart, a broker needs a moment to lead its partitions
        await log.append(topic, [Entry(b"room", b"1")])

    async def test_check_writable_fails_after_close(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        log = await harness.open_log(topic)
        await log.close()
        with pytest.raises(LogUnavailable):
            await log.check_writable(topic)

    async def test_compacted_topics_are_created_like_others(self, harness: Harness) -> None:
        plain, compacted = harness.unused_name(), harness.unused_name()
        log = await harness.open_log()
        made = await log.create_topics([plain, compacted], partitions=2, replication=1, compacted=[compacted, "other"])
        assert sorted(made) == sorted([plain, compacted])
        assert await log.create_topics([compacted], partitions=2, replication=1, compacted=[compacted]) == []
        for topic in made:
            await log.append(topic, [Entry(b"room", b"1")])
