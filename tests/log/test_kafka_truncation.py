"""A log in Kafka that is cut back and grows again: what a reader reports, live and of cursors from before."""

import asyncio
from collections.abc import Callable

import pytest

from support.kafka_broker import KafkaBroker
from support.kafka_log_harness import KafkaHarness
from support.log_cut import cut_back
from support.log_harness import Raw
from touchline_server.core.log import LogEvent, OffsetOutOfRange, Records, TermBegan, TopicOpened, Truncated
from touchline_server.log.kafka.log import KafkaLog

KEPT, WRITTEN, NEW = 10, 20, 15
DEADLINE_S = 60.0


async def read_until(log: KafkaLog, condition: Callable[[list[LogEvent]], bool]) -> list[LogEvent]:
    events: list[LogEvent] = []
    async with asyncio.timeout(DEADLINE_S):
        while not condition(events):
            events += await log.poll()
    return events


def values(events: list[LogEvent]) -> list[bytes | None]:
    return [record.value for event in events if isinstance(event, Records) for record in event.records]


async def write(harness: KafkaHarness, topic: str, prefix: bytes, count: int) -> list[bytes]:
    """Write records, each as a batch of its own."""
    written = [prefix + b"%d" % number for number in range(count)]
    for value in written:
        await harness.append(topic, [Raw(b"room", value)])
    return written


async def test_a_log_that_was_cut_back_is_noticed_live_and_by_old_cursors(
    kafka_to_restart: KafkaBroker,
) -> None:
    harness = KafkaHarness(kafka_to_restart)
    try:
        topic = await harness.create_topic()
        old = await write(harness, topic, b"old", WRITTEN)
        log = await harness.open_log(topic)
        events = await read_until(log, lambda events: len(values(events)) >= WRITTEN)
        assert values(events) == old
        (opened,) = [event for event in events if isinstance(event, TopicOpened)]
        (first,) = [event for event in events if isinstance(event, TermBegan)]
        verdicts = await harness.open_log(topic, from_start=[topic])
        await read_until(verdicts, lambda events: len(values(events)) >= WRITTEN)
        async with cut_back(harness.broker, topic, KEPT):
            new = await write(harness, topic, b"new", NEW)  # the log grows past what was read
        events = await read_until(log, lambda events: len(values(events)) >= NEW)
        assert values(events) == new
        (cut,) = [event for event in events if isinstance(event, Truncated)]
        (second,) = [event for event in events if isinstance(event, TermBegan)]
        assert (cut.start, cut.term) == (KEPT, first.term)
        assert second.start == KEPT
        assert second.term > first.term
        again = await read_until(verdicts, lambda events: len(values(events)) >= KEPT + NEW)
        assert isinstance(again[0], TopicOpened), "a topic that is read from its start is read again"
        assert values(again) == old[:KEPT] + new
        late = await harness.open_log(topic, since_ms=1 << 42)
        await read_until(late, lambda events: TermBegan in map(type, events))
        where = (topic, opened.epoch, 0)
        for one in (log, late):
            assert await one.end(*where, term=first.term) == KEPT
            assert await one.end(*where, term=second.term) == KEPT + NEW
            with pytest.raises(OffsetOutOfRange):
                await one.read(*where, after=KEPT + 2, up_to=KEPT + 4, records_max=10, term=first.term)
            chunk = await one.read(*where, after=KEPT - 1, up_to=KEPT + 4, records_max=10, term=first.term)
            assert [record.value for record in chunk.records] == new[:5]
    finally:
        await harness.close()
