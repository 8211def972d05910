"""Records on a real broker's disk that are damaged, or that nobody can decode: what is waited for, and what is not."""

import time
from pathlib import Path

import pytest

from support.kafka_log_harness import KafkaHarness
from support.log_harness import Raw, Reader, numbered
from support.log_lines import log_lines
from support.record_batches import RawRecord, append_batch, append_nonsense, batch, write_over
from touchline_protocol.errors import BadRecord
from touchline_protocol.records import Record
from touchline_server.core.log import OffsetOutOfRange, OffsetsLost
from touchline_server.log.kafka import damage

HOUR_MS = 3_600_000
NOW_MS = time.time_ns() // 1_000_000
LENGTH_AT = 8
"""Where the length of a batch is, in its bytes."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Damage is given up at once, and not after a minute."""
    monkeypatch.setattr(damage, "GIVE_UP_S", 0.0)


@pytest.mark.usefixtures("impatient")
async def test_damage_that_nobody_repairs_is_left_out_and_reported(
    harness: KafkaHarness, caplog: pytest.LogCaptureFixture
) -> None:
    topic = await harness.create_topic()
    for values in (numbered(3), [Raw(b"room", b"precious")], [Raw(b"room", b"treasure")], numbered(3, first=3)):
        await harness.append(topic, values)
    for good in (b"precious", b"treasure"):
        write_over(harness.broker.segment(topic), good, b"damaged!")
    log = await harness.open_log(topic)
    reader = Reader(log)
    await reader.until_caught_up(topic)
    await reader.until_values(topic, [b"0", b"1", b"2", b"3", b"4", b"5"])
    assert reader.events_of(OffsetsLost, topic) == [OffsetsLost(topic, 0, 4), OffsetsLost(topic, 0, 5)]
    assert log.problems.keys() == {f"{topic}/0@3", f"{topic}/0@4"}
    lines = log_lines(caplog, "damaged_records_left_out")
    assert [(line["from_offset"], line["before_offset"]) for line in lines] == [(3, 4), (4, 5)]
    with pytest.raises(OffsetOutOfRange):
        await log.read(topic, reader.epochs[topic], 0, after=2, up_to=7, records_max=9)
    assert len((await log.read(topic, reader.epochs[topic], 0, after=4, up_to=7, records_max=9)).records) == 3


@pytest.mark.usefixtures("impatient")
async def test_a_file_that_the_broker_itself_cannot_read_keeps_nobody_waiting(harness: KafkaHarness) -> None:
    topic = await harness.create_topic()
    for length in (2, 1):
        await harness.append(topic, numbered(length))
    segment = harness.broker.segment(topic)
    _write(segment, LENGTH_AT, b"\xff\xff")
    try:
        log = await harness.open_log(topic)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        assert reader.next[topic, 0] == 3
        assert not reader.all(topic)
        assert log.problems
    finally:
        _write(segment, LENGTH_AT, b"\0\0")  # or the broker, which others use, could not start again


@pytest.mark.parametrize("since_ms", [NOW_MS - HOUR_MS // 2, NOW_MS - 2 * HOUR_MS], ids=["after", "before"])
async def test_a_topic_is_opened_although_the_broker_fails_to_find_a_time_in_it(
    harness: KafkaHarness, since_ms: int
) -> None:
    """It looks into the records around that time, and one of them makes no sense."""
    topic = await harness.create_topic()
    old = batch([RawRecord(b"room", b"old", timestamp=NOW_MS - HOUR_MS)])
    await append_batch(harness.broker.address, topic, old)
    await append_nonsense(harness.broker, topic)
    await harness.append(topic, [Raw(b"room", b"last")])
    reader = Reader(await harness.open_log(topic, since_ms=since_ms))
    await reader.until_caught_up(topic)
    assert [_value(record) for record in reader.all(topic)][-2:] == ["undecodable", b"last"]


def _write(file: Path, at: int, data: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(data)


def _value(record: Record) -> object:
    try:
        return record.value
    except BadRecord as error:
        return error.reason
