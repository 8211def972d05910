"""Older records of a topic in Kafka are read back: newest first, all of them or up to a limit, on a real broker."""

import time
from itertools import pairwise

import pytest

from support.kafka_broker import KafkaBroker
from support.kafka_log_harness import KafkaHarness
from support.log_harness import Raw, Reader
from support.log_lines import log_lines
from touchline_server.core.log import HistoryRead, ReadBack
from touchline_server.log.kafka import chunks, queue

HOUR_MS = 3_600_000
LONG_S = 3_600.0
"""Longer than a test: the limit would end what a busy machine reads back slowly."""
DAY_MS = 24 * HOUR_MS


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of some ten records, so that a few hundred make many, and few of them waiting."""
    monkeypatch.setattr(queue, "HISTORY_RECORDS_MAX", 100)
    monkeypatch.setattr(chunks, "SPAN_FIRST", 10)
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 2_000)
    monkeypatch.setattr(chunks, "CHUNK_BYTES_MAX", 4_000)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def aged(count: int, age_ms: int, *, room: bytes = b"room", value_bytes: int = 4) -> list[Raw]:
    """Records of that age and younger, one per millisecond."""
    begin = now_ms() - age_ms
    return [Raw(room, b"%0*d" % (value_bytes, number), timestamp=begin + number) for number in range(count)]


async def read_back(
    harness: KafkaHarness, topic: str, *, age_ms: int = DAY_MS, records_max: int = 1_000_000, s_max: float = LONG_S
) -> Reader:
    """Open a log whose new records are those of the last ten minutes, and poll until it has caught up."""
    limits = ReadBack([topic], now_ms() - age_ms, records_max, s_max)
    log = await harness.open_log(topic, since_ms=now_ms() - 600_000, read_back=limits)
    reader = Reader(log)
    await reader.until_caught_up(topic)
    assert (log.problems, log.progress) == ({}, {})
    return reader


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("value_bytes", [4, 3_000])
async def test_all_older_records_are_read_back(harness: KafkaHarness, value_bytes: int) -> None:
    topic = await harness.create_topic(partitions=3)
    older = [aged(200 * partition, HOUR_MS, value_bytes=value_bytes) for partition in range(3)]
    for partition, raws in enumerate(older):
        await harness.produce(topic, raws, partition=partition)
        await harness.produce(topic, [Raw(b"room", b"new")], partition=partition)

    reader = await read_back(harness, topic)

    for partition, raws in enumerate(older):
        assert [one.value for one in reader.older[topic, partition]] == [raw.value for raw in raws]
        assert [one.value for one in reader.records[topic, partition]] == [b"new"]
    assert reader.complete == {(topic, 1): True, (topic, 2): True}


@pytest.mark.usefixtures("small_chunks")
async def test_aborted_transactions_and_retention_leave_holes(harness: KafkaHarness) -> None:
    topic = await harness.create_topic()
    await harness.produce(topic, aged(100, HOUR_MS))
    await harness.trim(topic, 0, 40)
    await harness.produce_and_abort(topic, [Raw(b"room", b"aborted")] * 50)
    log = await harness.open_log(topic, since_ms=now_ms() + HOUR_MS, read_back=ReadBack([topic], 0, 1_000_000, LONG_S))
    reader = Reader(log)
    await reader.until_caught_up(topic)

    assert [one.offset for one in reader.older[topic, 0]] == list(range(40, 100))
    assert reader.complete == {(topic, 0): True}


@pytest.mark.usefixtures("small_chunks")
async def test_reading_back_ends_at_the_age_that_was_asked_for(harness: KafkaHarness) -> None:
    topic = await harness.create_topic()
    await harness.produce(topic, [*aged(300, 2 * DAY_MS), *aged(100, HOUR_MS)])

    reader = await read_back(harness, topic)

    offsets = [one.offset for one in reader.older[topic, 0]]
    assert offsets == list(range(offsets[0], 400))
    assert 0 < offsets[0] <= 300
    assert reader.complete == {(topic, 0): False}


@pytest.mark.usefixtures("small_chunks")
async def test_reading_back_ends_after_so_many_records(harness: KafkaHarness, caplog: pytest.LogCaptureFixture) -> None:
    topic = await harness.create_topic()
    await harness.produce(topic, aged(400, HOUR_MS))

    reader = await read_back(harness, topic, records_max=100)

    offsets = [one.offset for one in reader.older[topic, 0]]
    assert offsets == list(range(offsets[0], 400))
    assert 100 <= len(offsets) < 200
    assert reader.complete == {(topic, 0): False}
    (line,) = log_lines(caplog, "state_read_stopped")
    assert line["topic"] == topic
    assert "state_records_max" in line["why"]


async def test_reading_back_ends_after_its_time(harness: KafkaHarness, caplog: pytest.LogCaptureFixture) -> None:
    topic = await harness.create_topic(partitions=2)
    await harness.produce(topic, aged(10, HOUR_MS), partition=1)

    reader = await read_back(harness, topic, s_max=0.0)

    assert reader.complete == {(topic, 1): False}
    (line,) = log_lines(caplog, "state_read_stopped")
    assert "state_start_s_max" in line["why"]


async def test_without_older_records_nothing_is_read_back(harness: KafkaHarness) -> None:
    topic = await harness.create_topic(partitions=2)
    await harness.produce(topic, [Raw(b"room", b"new")] * 3, partition=0)

    reader = await read_back(harness, topic)

    assert len(reader.all(topic)) == 3
    assert not reader.older
    assert reader.complete == {}


async def test_a_topic_that_is_not_asked_for_is_not_read_back(harness: KafkaHarness) -> None:
    topic = await harness.create_topic()
    await harness.produce(topic, aged(10, HOUR_MS))
    log = await harness.open_log(topic, since_ms=now_ms() - 60_000, read_back=ReadBack(["other"], 0, 1_000, LONG_S))
    reader = Reader(log)
    await reader.until_caught_up(topic)
    assert reader.complete == {}


@pytest.mark.usefixtures("small_chunks")
async def test_new_records_come_while_a_topic_is_read_back(harness: KafkaHarness) -> None:
    topic = await harness.create_topic()
    await harness.produce(topic, aged(1_000, HOUR_MS))
    limits = ReadBack([topic], 0, 1_000_000, LONG_S)
    log = await harness.open_log(topic, since_ms=now_ms() - 600_000, read_back=limits)
    await harness.produce(topic, [Raw(b"room", b"new")])
    reader = Reader(log)
    await reader.until(lambda: bool(reader.records[topic, 0]) and bool(reader.complete))
    came_at = [type(event).__name__ for event in reader.events].index("Records")
    assert any(isinstance(event, HistoryRead) for event in reader.events[came_at:])
    assert len(reader.older[topic, 0]) == 1_000


@pytest.mark.usefixtures("small_chunks")
async def test_a_broker_that_stops_is_waited_for(kafka_to_restart: KafkaBroker) -> None:
    broker = kafka_to_restart
    harness = KafkaHarness(broker)
    topic = await harness.create_topic()
    await harness.produce(topic, aged(1_000, HOUR_MS))
    log = await harness.open_log(topic, since_ms=now_ms() - 600_000, read_back=ReadBack([topic], 0, 1_000_000, LONG_S))
    reader = Reader(log)
    await reader.until(lambda: bool(reader.older))
    await harness.stop()
    await reader.until(lambda: topic in str(dict(log.problems)))
    assert not reader.complete
    await harness.start()
    await reader.until_caught_up(topic)
    assert len(reader.older[topic, 0]) == 1_000
    assert reader.complete == {(topic, 0): True}
    await harness.close()


def test_spans_follow_the_size_of_records() -> None:
    span = chunks.ChunkSpan()
    spans = [span.offsets]
    for _ in range(20):
        span.adapt(span.offsets, 0)
        spans.append(span.offsets)
    assert spans[-1] == chunks.SPAN_MAX
    assert all(later <= earlier * chunks.SPAN_FACTOR_MAX for earlier, later in pairwise(spans))
    span.adapt(span.offsets, span.offsets * 1_000)
    assert span.offsets == chunks.CHUNK_BYTES // 1_000
    span.adapt(10, 100 * chunks.CHUNK_BYTES_MAX)
    assert span.offsets == 1
