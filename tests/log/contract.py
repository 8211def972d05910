"""The contract of every log: one suite for `KafkaLog` and `SqliteLog`, run against a real broker and a real file.

A test module inherits `LogContract`, `ReadingContract`, `TopicsContract` and `ActingLogContract`, and provides the
fixture ``harness``. `contract_shared` covers changes that others make to a log while it is being read. Only Kafka
inherits it: the embedded log belongs to one process.

Rules for a test here:

1. It waits for an outcome, with the deadline `WAIT_S`, and never for a fixed time.
2. It makes no assumption about how records are split into batches, or which partition a key is in, only that the key
   stays in it.
3. `Reader` checks every event of every test for things that no log may ever return.
"""

import asyncio
import itertools
import time
from collections import Counter

import pytest

from support.log_harness import WAIT_S, Harness, Raw, Reader, as_raw, numbered, read_all
from touchline_protocol.errors import LogUnavailable
from touchline_server.core.log import (
    AppendFailed,
    CaughtUp,
    Entry,
    OffsetsLost,
    TopicOpened,
)

LARGE_BYTES = 200_000
OVERTAKEN_BYTES = 32 << 20
"""More than a log reads ahead of a reader that does not poll."""
HOUR_MS = 3_600_000


class LogContract:
    """The tests that every log passes."""

    async def test_a_room_stays_in_one_partition_and_in_order(self, harness: Harness) -> None:
        topic = await harness.create_topic(partitions=4)
        log = await harness.open_log(topic)
        rooms = [b"room-%d" % number for number in range(12)]
        entries = [Entry(room, b"%d" % number) for number in range(30) for room in rooms]
        positions = [position for part in (entries[:100], entries[100:]) for position in await log.append(topic, part)]
        reader = Reader(log)
        await reader.until_values(topic, [entry.value for entry in entries])
        for room in rooms:
            keys = {key for key, records in reader.records.items() for record in records if record.key == room}
            assert len(keys) == 1
            seen = [record.value for record in reader.records[keys.pop()] if record.key == room]
            assert seen == [b"%d" % number for number in range(30)]
        assert len({key for key in reader.records if reader.records[key]}) > 1, "all rooms are in one partition"
        for entry, position in zip(entries, positions, strict=True):
            records = [one for one in reader.records[topic, position.partition] if one.offset == position.offset]
            assert [(one.key, one.value) for one in records] == [(entry.key, entry.value)]

    async def test_partition_of_predicts_where_a_key_is_appended(self, harness: Harness) -> None:
        topic = await harness.create_topic(partitions=5)
        log = await harness.open_log()
        keys = [b"room-%d" % number for number in range(40)]
        positions = await log.append(topic, [Entry(key, b"1") for key in keys])
        assert [position.partition for position in positions] == [log.partition_of(key, 5) for key in keys]

    async def test_records_from_this_log_and_from_others_are_each_returned_once(self, harness: Harness) -> None:
        topic = await harness.create_topic(partitions=2)
        await harness.append(topic, numbered(20))
        log = await harness.open_log(topic)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        await log.append(topic, [Entry(b"room", b"%d" % number) for number in range(20, 30)])
        await harness.append(topic, numbered(10, first=30))
        await reader.until_values(topic, [b"%d" % number for number in range(40)])
        assert [record.value for record in reader.all(topic)] == [b"%d" % number for number in range(40)]

    async def test_appended_records_are_there_after_reopening(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        log = await harness.open_log()
        positions = await log.append(topic, [Entry(b"room", b"1"), Entry(b"room", b"2")])
        await log.close()
        reader = Reader(await harness.open_log(topic))
        await reader.until_caught_up(topic)
        assert [(record.offset, record.value) for record in reader.all(topic)] == [
            (positions[0].offset, b"1"),
            (positions[1].offset, b"2"),
        ]

    async def test_opening_since_a_time_returns_all_records_from_that_time(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        base = int(time.time() * 1000) - HOUR_MS
        positions = await harness.append(topic, [Raw(b"room", b"%d" % n, timestamp=base + n * 1000) for n in range(10)])
        log = await harness.open_log(topic, since_ms=base + 6000)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        assert [record.value for record in reader.all(topic)] == [b"6", b"7", b"8", b"9"]
        (opened,) = reader.events_of(TopicOpened, topic)
        assert isinstance(opened, TopicOpened)
        assert opened.starts == {0: positions[6].offset}

    async def test_opening_since_a_later_time_than_all_records_returns_only_new_ones(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        await harness.append(topic, numbered(3))
        log = await harness.open_log(topic, since_ms=int(time.time() * 1000) + HOUR_MS)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        assert reader.all(topic) == []
        await harness.append(topic, [Raw(b"room", b"new")])
        await reader.until_values(topic, [b"new"])

    async def test_caught_up_comes_once_even_for_an_empty_topic(self, harness: Harness) -> None:
        empty = await harness.create_topic(partitions=3)
        full = await harness.create_topic(partitions=3)
        await harness.append(full, [record for n in range(5) for record in numbered(4, key=b"room-%d" % n)])
        log = await harness.open_log(empty, full)
        reader = Reader(log)
        await reader.until_caught_up(empty, full)
        assert len(reader.all(full)) == 20, "CaughtUp came before all records"
        await harness.append(empty, numbered(1))
        await harness.append(full, numbered(1))
        await reader.until(lambda: len(reader.all(empty)) == 1 and len(reader.all(full)) == 21)
        assert len(reader.events_of(CaughtUp, empty)) == len(reader.events_of(CaughtUp, full)) == 1

    async def test_all_kinds_of_records_are_returned_unchanged(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        now = int(time.time() * 1000)
        kinds = [
            Raw(b"room", b'{"home": 1}', [("key", b"score"), ("trace", b"\x00\xff")], now - 5),
            Raw(None, b"no key", [], now - 4),
            Raw(b"room", None, [("key", b"score")], now - 3),
            Raw(b"\xff\xfe", b"\xff no JSON, no UTF-8", [], now - 2),
            Raw(b"", b"", [("key", b""), ("key", b"twice")], now - 1),
            Raw(None, None, [], now),
            Raw(b"room", b"x" * LARGE_BYTES, [], now),
        ]
        positions = await harness.append(topic, kinds, partition=0)
        log = await harness.open_log(topic)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        assert [as_raw(record) for record in reader.all(topic)] == kinds
        end = await log.end(topic, reader.epochs[topic], 0)
        read = await read_all(
            log, topic, reader.epochs[topic], 0, after=positions[0].offset - 1, up_to=end - 1, records_max=2
        )
        assert [as_raw(record) for record in read] == kinds

    async def test_append_preserves_key_value_headers_and_timestamp(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        log = await harness.open_log(topic)
        before = int(time.time() * 1000)
        timed = before - HOUR_MS
        await log.append(
            topic,
            [
                Entry(b"room", b"1", [("key", b"score"), ("other", b"\x00")], timed),
                Entry(b"room", None, [("key", b"score")], timed + 1),
                Entry(b"room", b"3"),
            ],
        )
        after = int(time.time() * 1000)
        reader = Reader(log)
        await reader.until(lambda: len(reader.all(topic)) == 3)
        first, second, third = (as_raw(record) for record in reader.all(topic))
        assert first == Raw(b"room", b"1", [("key", b"score"), ("other", b"\x00")], timed)
        assert second == Raw(b"room", None, [("key", b"score")], timed + 1)
        assert third[:3] == (b"room", b"3", [])
        assert third.timestamp is not None
        assert before <= third.timestamp <= after

    async def test_many_large_records_arrive_whole_and_in_order(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        log = await harness.open_log(topic)
        values = [b"%03d" % number + b"x" * LARGE_BYTES for number in range(60)]
        for start in range(0, 60, 4):
            await log.append(topic, [Entry(b"room", value) for value in values[start : start + 4]])
        reader = Reader(log)
        await reader.until(lambda: len(reader.all(topic)) == len(values))
        assert [record.value for record in reader.all(topic)] == values

    async def test_offsets_are_not_reused_after_all_records_were_removed(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        last = (await harness.append(topic, numbered(5)))[-1]
        await harness.trim(topic, 0, last.offset + 1)
        log = await harness.open_log(topic)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        assert reader.all(topic) == []
        (position,) = await log.append(topic, [Entry(b"room", b"new")])
        assert position.offset > last.offset
        await reader.until_values(topic, [b"new"])

    async def test_a_failing_log_reports_a_problem_and_resumes_where_it_stopped(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        log = await harness.open_log(topic)
        await log.append(topic, [Entry(b"room", b"0")])
        reader = Reader(log)
        await reader.until_values(topic, [b"0"])
        await log.append(topic, [Entry(b"room", b"1")])
        await harness.stop()
        try:
            polling = asyncio.create_task(reader.until(lambda: bool(log.problems)))
            async with asyncio.timeout(3 * WAIT_S):
                with pytest.raises(AppendFailed) as failed:
                    await log.append(topic, [Entry(b"room", b"unsure")])
            assert failed.value.written == 0
            await polling
            assert all(text and "\n" not in text for text in log.problems.values())
        finally:
            await harness.start()
        await harness.append(topic, numbered(3, first=2))

        def values() -> list[bytes | None]:
            """All values except the one that may have been written without being acknowledged."""
            return [record.value for record in reader.all(topic) if record.value != b"unsure"]

        await reader.until(lambda: len(values()) == 5 and not log.problems)
        assert values() == [b"%d" % number for number in range(5)]
        assert len(reader.events_of(TopicOpened, topic)) == 1
        assert reader.events_of(OffsetsLost, topic) == []
        await log.append(topic, [Entry(b"room", b"5")])
        await reader.until(lambda: values()[-1] == b"5")

    async def test_a_reader_overtaken_by_retention_gets_offsets_lost(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        log = await harness.open_log(topic)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        count = OVERTAKEN_BYTES // LARGE_BYTES
        positions = []
        for first in range(0, count, 4):
            positions += await log.append(
                topic, [Entry(b"room", b"%d" % n + b" " * LARGE_BYTES) for n in range(first, first + 4)]
            )
        kept = positions[-3].offset
        await harness.trim(topic, 0, kept)
        await reader.until(lambda: [record.offset for record in reader.all(topic)][-1:] == [positions[-1].offset])
        jumps = reader.events_of(OffsetsLost, topic)
        assert jumps[-1:] == [OffsetsLost(topic, 0, kept)]
        assert [record.offset for record in reader.all(topic)][-3:] == [kept, kept + 1, kept + 2]
        await log.append(topic, [Entry(b"room", b"on")])
        await reader.until(lambda: reader.all(topic)[-1].value == b"on")

    async def test_concurrent_appends_are_all_written_and_each_stays_in_order(self, harness: Harness) -> None:
        topic = await harness.create_topic(partitions=2)
        log = await harness.open_log(topic)
        writes = [[Entry(b"room-%d" % n, b"%d/%d" % (n, part)) for part in range(3)] for n in range(100)]
        positions = await asyncio.gather(*(log.append(topic, entries) for entries in writes))
        assert len({position for several in positions for position in several}) == 300
        reader = Reader(log)
        await reader.until(lambda: len(reader.all(topic)) == 300)
        at = {(key[1], record.offset): record.value for key, records in reader.records.items() for record in records}
        for entries, several in zip(writes, positions, strict=True):
            assert [at[position] for position in several] == [entry.value for entry in entries]
            assert [position.offset for position in several] == sorted(position.offset for position in several)

    async def test_appending_nothing_succeeds(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        log = await harness.open_log()
        assert await log.append(topic, []) == []

    async def test_a_cancelled_poll_loses_nothing(self, harness: Harness) -> None:
        topic = await harness.create_topic(partitions=3)
        await harness.append(topic, [record for n in range(6) for record in numbered(50, key=b"room-%d" % n)])
        log = await harness.open_log(topic)
        reader = Reader(log)

        async def write() -> None:
            for number in range(50, 80):
                await log.append(topic, [Entry(b"room-%d" % n, b"%d" % number) for n in range(6)])

        async def poll_and_cancel() -> None:
            for tries in itertools.count():
                turns = tries % (8 + tries // 50)  # gradually more, until a poll finishes on this machine
                poll = asyncio.create_task(log.poll())
                for _ in range(turns):
                    await asyncio.sleep(0)
                poll.cancel()
                try:
                    reader.take(await poll)
                except asyncio.CancelledError:
                    await asyncio.sleep(0.001)
                if len(reader.all(topic)) >= 480:
                    return

        async with asyncio.timeout(WAIT_S):
            await asyncio.gather(write(), poll_and_cancel())
        counts = Counter((record.key, record.value) for record in reader.all(topic))
        assert counts == {(b"room-%d" % n, b"%d" % number): 1 for n in range(6) for number in range(80)}

    async def test_poll_returns_nothing_when_nothing_happens(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        log = await harness.open_log(topic)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        async with asyncio.timeout(WAIT_S):
            assert await log.poll() == []

    async def test_closing_twice_is_allowed_and_appending_afterwards_fails(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        log = await harness.open_log(topic)
        await log.close()
        await log.close()
        with pytest.raises(LogUnavailable):
            await log.append(topic, [Entry(b"room", b"1")])

    async def test_close_finishes_appends_in_progress(self, harness: Harness) -> None:
        topic = await harness.create_topic()
        log = await harness.open_log()
        appends = [asyncio.create_task(log.append(topic, [Entry(b"room", b"%d" % n)])) for n in range(20)]
        await asyncio.sleep(0)
        await log.close()
        done = await asyncio.gather(*appends)
        reader = Reader(await harness.open_log(topic))
        await reader.until_caught_up(topic)
        assert [record.offset for record in reader.all(topic)] == sorted(position.offset for (position,) in done)
