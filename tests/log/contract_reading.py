"""More of the contract of every log, for reads beside `poll`. The rules in `log.contract` apply here too."""

import asyncio
import time

import pytest

from support.log_harness import Harness, Raw, Reader, numbered, read_all, sorted_values
from touchline_protocol.records import Record
from touchline_server.core.log import (
    Entry,
    OffsetOutOfRange,
    Position,
)


class ReadingContract:
    """The tests of `Log.read` and `Log.end` that every log passes."""

    @pytest.mark.parametrize("records_max", [1, 3, 1000])
    async def test_read_returns_exactly_the_requested_range(self, harness: Harness, records_max: int) -> None:
        topic = await harness.create_topic()
        positions = await harness.append(topic, numbered(20))
        offsets = [position.offset for position in positions]
        log = await harness.open_log(topic)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        for low, high in ((0, 20), (0, 1), (5, 13), (19, 20)):
            records = await read_all(
                log,
                topic,
                reader.epochs[topic],
                0,
                after=offsets[low] - 1,
                up_to=offsets[high - 1],
                records_max=records_max,
            )
            assert [record.value for record in records] == [b"%d" % number for number in range(low, high)]

    async def test_read_beyond_the_end_reaches_the_end(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        await harness.append(topic, numbered(3))
        log = await harness.open_log(topic)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        epoch = reader.epochs[topic]
        end = await log.end(topic, epoch, 0)
        records = await read_all(log, topic, epoch, 0, after=end - 4, up_to=end + 10, records_max=2)
        assert [record.value for record in records] == [b"0", b"1", b"2"]
        nothing = await log.read(topic, epoch, 0, after=end - 1, up_to=end - 1, records_max=10)
        assert list(nothing.records) == []

    async def test_read_works_concurrently_with_poll(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        await harness.append(topic, numbered(50))
        log = await harness.open_log(topic)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        epoch = reader.epochs[topic]

        async def write() -> None:
            for number in range(50, 100):
                await log.append(topic, [Entry(b"room", b"%d" % number)])

        async def read() -> list[list[Record]]:
            return [await read_all(log, topic, epoch, 0, after=-1, up_to=49, records_max=7) for _ in range(10)]

        _, _, reads = await asyncio.gather(write(), reader.until(lambda: len(reader.all(topic)) == 100), read())
        assert [record.value for record in reader.all(topic)] == [b"%d" % number for number in range(100)]
        assert all(sorted_values(records) == sorted(b"%d" % number for number in range(50)) for records in reads)

    async def test_end_is_the_offset_of_the_next_record(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        log = await harness.open_log(topic)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        epoch = reader.epochs[topic]
        for _ in range(3):
            end = await log.end(topic, epoch, 0)
            assert await log.append(topic, [Entry(b"room", b"1")]) == [Position(0, end)]

    async def test_a_time_is_found_at_its_first_record(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        base = int(time.time() * 1000) - 60_000
        times = (0, 4_000, 2_000, 6_000, 6_000, 5_000)  # two clocks
        positions = await harness.append(topic, [Raw(b"room", b"1", timestamp=base + time_ms) for time_ms in times])
        log = await harness.open_log(topic)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        where = (topic, reader.epochs[topic], 0)
        for since_ms, found in ((1, 1), (3_000, 1), (4_000, 1), (4_500, 3), (6_000, 3)):
            assert await log.find_offset(*where, since_ms=base + since_ms) == positions[found].offset, since_ms
        assert await log.find_offset(*where, since_ms=base + 7_000) == await log.end(*where)

    async def test_a_time_that_the_log_does_not_reach_back_to_is_not_found(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        log = await harness.open_log(topic)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        where = (topic, reader.epochs[topic], 0)
        assert await log.find_offset(*where, since_ms=0) is None, "an empty partition may have lost anything"
        base = int(time.time() * 1000) - 60_000
        positions = await harness.append(topic, [Raw(b"room", b"1", timestamp=base + n * 1_000) for n in range(5)])
        assert await log.find_offset(*where, since_ms=base) is None
        assert await log.find_offset(*where, since_ms=base + 1) == positions[1].offset
        await harness.trim(topic, 0, positions[3].offset)
        assert await log.find_offset(*where, since_ms=base + 2_500) is None
        assert await log.find_offset(*where, since_ms=base + 3_500) == positions[4].offset
        with pytest.raises(OffsetOutOfRange):
            await log.find_offset(topic, "other", 0, since_ms=base)

    async def test_reading_offsets_that_the_log_does_not_hold_raises_out_of_range(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        positions = await harness.append(topic, numbered(20))
        log = await harness.open_log(topic)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        epoch = reader.epochs[topic]
        end = await log.end(topic, epoch, 0)
        kept = positions[12].offset
        await harness.trim(topic, 0, kept)
        with pytest.raises(OffsetOutOfRange):
            await log.read(topic, epoch, 0, after=kept - 2, up_to=end - 1, records_max=10)
        records = await read_all(log, topic, epoch, 0, after=kept - 1, up_to=end - 1, records_max=10)
        assert [record.value for record in records] == [b"%d" % number for number in range(12, 20)]
        with pytest.raises(OffsetOutOfRange):
            await log.read(topic, epoch, 0, after=end + 5, up_to=end + 10, records_max=10)
        for wrong in ("other", "", epoch[:-1]):
            with pytest.raises(OffsetOutOfRange):
                await log.read(topic, wrong, 0, after=kept, up_to=end - 1, records_max=10)
            with pytest.raises(OffsetOutOfRange):
                await log.end(topic, wrong, 0)
