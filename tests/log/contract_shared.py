"""The contract of a log that others change while it is being read. The rules in `log.contract` apply here too."""

import pytest

from support.log_harness import Reader, SharedHarness, numbered, read_all
from touchline_server.core.log import OffsetOutOfRange, PartitionsAdded, TopicMissing, TopicOpened


class SharedLogContract:
    """The tests that a log passes if others change it while it is being read."""

    async def test_a_topic_deleted_and_recreated_comes_back_with_a_new_epoch(self, shared: SharedHarness) -> None:
        topic = await shared.create_topic()
        other = await shared.create_topic()
        await shared.append(topic, numbered(5))
        log = await shared.open_log(topic, other)
        reader = Reader(log)
        await reader.until_caught_up(topic, other)
        old = reader.epochs[topic]
        await shared.delete_topic(topic)
        await reader.until(lambda: bool(reader.events_of(TopicMissing, topic)))
        assert topic in log.problems
        await shared.append(other, numbered(3))
        await reader.until_values(other, [b"0", b"1", b"2"])
        await shared.create_topic(name=topic)
        await shared.append(topic, numbered(3, first=100))
        await reader.until_values(topic, [b"100", b"101", b"102"])
        assert reader.epochs[topic] != old
        with pytest.raises(OffsetOutOfRange):
            await log.read(topic, old, 0, after=-1, up_to=2, records_max=10)
        await reader.until(lambda: not log.problems)

    @pytest.mark.parametrize("count", [2, 5, 9])
    async def test_a_topic_recreated_under_a_reader_is_opened_before_its_records(
        self, shared: SharedHarness, count: int
    ) -> None:
        """The new topic is shorter than, as long as, and longer than the old one: an equal offset must not hide it."""
        topic = await shared.create_topic()
        await shared.append(topic, numbered(5))
        log = await shared.open_log(topic)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        old = reader.epochs[topic]
        await shared.recreate_topic(topic)
        await shared.append(topic, numbered(count, first=100))
        await reader.until(lambda: reader.epochs.get(topic, old) != old)
        await reader.until_values(topic, [b"%d" % number for number in range(100, 100 + count)])
        await reader.until_caught_up(topic)

    async def test_added_partitions_are_read_from_their_beginning(self, shared: SharedHarness) -> None:
        topic = await shared.create_topic(partitions=1)
        log = await shared.open_log(topic)
        reader = Reader(log)
        await shared.append(topic, numbered(5), partition=0)
        await reader.until_caught_up(topic)
        await shared.add_partitions(topic, 3)
        await shared.append(topic, numbered(5, first=5), partition=0)
        await shared.append(topic, numbered(5, first=10), partition=1)
        await shared.append(topic, numbered(5, first=15), partition=2)
        await reader.until_values(topic, [b"%d" % number for number in range(20)])
        starts = {
            partition: start
            for event in reader.events_of(PartitionsAdded, topic)
            if isinstance(event, PartitionsAdded)
            for partition, start in event.starts.items()
        }
        assert starts == {1: 0, 2: 0}
        assert len(reader.events_of(TopicOpened, topic)) == 1
        assert [record.value for record in reader.records[topic, 0]] == [b"%d" % number for number in range(10)]

    async def test_offsets_without_records_are_skipped(self, shared: SharedHarness) -> None:
        topic = await shared.create_topic()
        first = await shared.append(topic, numbered(3), partition=0)
        await shared.leave_hole(topic, 0)
        last = await shared.append(topic, numbered(3, first=3), partition=0)
        await shared.leave_hole(topic, 0)
        log = await shared.open_log(topic)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        values = [b"%d" % number for number in range(6)]
        assert [record.value for record in reader.all(topic)] == values
        assert last[0].offset > first[-1].offset + 1, "the harness left no hole"
        epoch = reader.epochs[topic]
        end = await log.end(topic, epoch, 0)
        for records_max in (1, 2, 100):
            records = await read_all(
                log, topic, epoch, 0, after=first[0].offset - 1, up_to=end - 1, records_max=records_max
            )
            assert [record.value for record in records] == values
        hole = await log.read(topic, epoch, 0, after=first[-1].offset, up_to=first[-1].offset + 1, records_max=10)
        assert hole[:2] == ([], first[-1].offset + 1)
