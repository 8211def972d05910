"""The promises of `KafkaLog` beyond the contract of every log, on a real broker."""

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from pydantic import TypeAdapter

from support.kafka_broker import PASSWORD, USER, KafkaBroker
from support.kafka_log_harness import CHECK_S, KafkaHarness
from support.log_harness import WAIT_S, Raw, Reader, numbered, read_all
from support.record_batches import NONE, ZSTD, RawRecord, append_batch, append_nonsense, batch, write_over
from support.waiting import eventually
from touchline_kafka.salvage import UNDECODABLE
from touchline_protocol.errors import BadRecord, LogUnavailable, OperatorError
from touchline_protocol.records import Record
from touchline_server.config.tables import KafkaSettings
from touchline_server.core.log import Entry, LogEvent, PartitionsAdded, Records, TopicMissing, TopicOpened, UnknownTopic
from touchline_server.log.kafka.log import KafkaLog

MURMUR2 = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
"""Hashes that Kafka's own tests expect of its murmur2."""


async def test_records_of_an_aborted_transaction_are_never_handed_out(harness: KafkaHarness) -> None:
    topic = await harness.create_topic()
    await harness.produce_and_abort(topic, numbered(5))
    log = await harness.open_log(topic)
    reader = Reader(log)
    await reader.until_caught_up(topic)
    await harness.produce_and_abort(topic, numbered(5))
    await harness.append(topic, [Raw(b"room", b"committed")])
    await harness.produce_and_abort(topic, numbered(5))
    await harness.append(topic, [Raw(b"room", b"last")])
    await reader.until_values(topic, [b"committed", b"last"])
    epoch = reader.epochs[topic]
    end = await log.end(topic, epoch, 0)
    records = await read_all(log, topic, epoch, 0, after=-1, up_to=end - 1, records_max=10)
    assert [record.value for record in records] == [b"committed", b"last"]


async def test_a_topic_whose_broker_sets_the_times_has_no_places_for_cursors_of_other_logs(
    harness: KafkaHarness,
) -> None:
    topic = f"append-times-{uuid.uuid4()}"
    await harness.broker.create(topic, configs={"message.timestamp.type": "LogAppendTime"})
    now_ms = int(time.time() * 1000)
    for number in range(20):  # one after the other, so that their times differ
        await harness.append(topic, [Raw(b"room", b"%d" % number, timestamp=1_000 + number)])
    log = await harness.open_log(topic)
    reader = Reader(log)
    await reader.until_caught_up(topic)
    first, *_, last = reader.all(topic)
    assert now_ms - 1_000 <= first.timestamp < last.timestamp
    for since_ms in (last.timestamp, last.timestamp + 1, now_ms + 3_600_000):
        assert await log.find_offset(topic, reader.epochs[topic], 0, since_ms=since_ms) is None


async def test_records_of_an_open_transaction_wait_for_its_commit(harness: KafkaHarness) -> None:
    topic = await harness.create_topic()
    await harness.append(topic, numbered(2))
    name = f"transaction-{uuid.uuid4()}"
    async with AIOKafkaProducer(bootstrap_servers=harness.broker.address, transactional_id=name) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"in doubt", b"room")
        log = await harness.open_log(topic)
        reader = Reader(log)
        await reader.until_caught_up(topic)
        epoch = reader.epochs[topic]
        assert await log.end(topic, epoch, 0) == 2
        chunk = await log.read(topic, epoch, 0, after=-1, up_to=1, records_max=10)
        assert (len(chunk.records), chunk.reached) == (2, 1)
        assert [record.value for record in reader.all(topic)] == [b"0", b"1"]
        await producer.commit_transaction()
    await reader.until_values(topic, [b"0", b"1", b"in doubt"])
    await reader.until(lambda: not log.problems)


@pytest.mark.parametrize("compression", ["gzip", "snappy", "lz4", "zstd"])
async def test_compressed_records_are_read_live_and_again(harness: KafkaHarness, compression: str) -> None:
    topic = await harness.create_topic()
    records = numbered(200)
    await harness.produce(topic, records, compression=compression)
    log = await harness.open_log(topic)
    reader = Reader(log)
    await reader.until_values(topic, [record.value for record in records])
    again = await read_all(log, topic, reader.epochs[topic], 0, after=49, up_to=149, records_max=30)
    assert [record.value for record in again] == [b"%d" % number for number in range(50, 150)]


async def test_records_that_compaction_removed_are_skipped(harness: KafkaHarness) -> None:
    topic = harness.unused_name()
    compact = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
    await harness.broker.create(topic, 1, {**compact, "max.compaction.lag.ms": "100"})
    log = await harness.open_log(topic)
    reader = Reader(log)
    await reader.until_caught_up(topic)
    epoch = reader.epochs[topic]
    written = 0

    async def compacted() -> bool:
        """Compaction leaves the newest segment alone, so new ones have to be begun."""
        nonlocal written
        await harness.append(topic, [Raw(b"room", b"%d" % written), Raw(b"other %d" % written, b"-")])
        written += 1
        kept = await read_all(log, topic, epoch, 0, after=-1, up_to=2 * written - 1, records_max=10)
        return len(kept) < 2 * written

    async with asyncio.timeout(WAIT_S):
        while not await compacted():
            pass
    late = Reader(await harness.open_log(topic))
    await late.until_caught_up(topic)
    assert late.all(topic)[-2].value == b"%d" % (written - 1)
    assert len(late.all(topic)) < 2 * written


async def test_records_damaged_on_disk_are_reported_and_not_skipped(harness: KafkaHarness) -> None:
    topic = await harness.create_topic()
    await harness.append(topic, numbered(3))
    await harness.append(topic, [Raw(b"room", b"precious")])
    await harness.append(topic, numbered(3, first=3))
    segment = harness.broker.segment(topic)
    write_over(segment, b"precious", b"damaged!")
    log = await harness.open_log(topic)
    reader = Reader(log)
    await reader.until(lambda: f"{topic}/0" in log.problems)
    assert [record.value for record in reader.all(topic)] == [b"0", b"1", b"2"]
    with pytest.raises(LogUnavailable):
        await log.read(topic, reader.epochs[topic], 0, after=2, up_to=3, records_max=1)
    write_over(segment, b"damaged!", b"precious")
    await reader.until_values(topic, [b"0", b"1", b"2", b"precious", b"3", b"4", b"5"])
    await reader.until_caught_up(topic)
    await reader.until(lambda: not log.problems)


async def test_a_record_that_nobody_can_decode_stops_nothing(harness: KafkaHarness) -> None:
    topic = await harness.create_topic()
    odd = RawRecord(b"room", b"odd", [(b"\xe9", b"from C"), (b"key", b"k")])
    for codec in (NONE, ZSTD):
        await append_batch(harness.broker.address, topic, batch([odd, odd], codec=codec))
        await append_nonsense(harness.broker, topic)
    await harness.append(topic, [Raw(b"room", b"last")])
    log = await harness.open_log(topic)
    reader = Reader(log)
    await reader.until_caught_up(topic)
    again = await read_all(log, topic, reader.epochs[topic], 0, after=-1, up_to=6, records_max=3)
    for records in (reader.all(topic), again):
        assert [_value_or_reason(record) for record in records] == [b"odd", b"odd", UNDECODABLE] * 2 + [b"last"]
        assert [record.offset for record in records] == list(range(7))
        assert list(records[0].headers) == [("\\xe9", b"from C"), ("key", b"k")]
    assert not log.problems


async def test_after_each_recreation_only_records_of_the_new_log_follow(harness: KafkaHarness) -> None:
    """Under load all the while, so fetches are under way at any moment of a deletion; each log is the longer one."""
    topic = await harness.create_topic()
    log = await harness.open_log(topic)
    reader = Reader(log)
    generations = 5

    async def write() -> None:
        for generation in range(generations):
            if generation:
                await harness.recreate_topic(topic)
            for _ in range(generation + 1):
                await harness.append(topic, [Raw(b"room", b"%d" % generation)] * 100)
        await harness.append(topic, [Raw(b"room", b"end")])

    writing = asyncio.create_task(write())
    await reader.until(lambda: any(record.value == b"end" for record in reader.all(topic)[-1:]))
    await writing
    assert len(_values_by_epoch(reader.events)) > 1
    for values in _values_by_epoch(reader.events):
        assert len(values - {b"end"}) <= 1, "records of two logs in one epoch"


async def test_reading_and_appending_never_create_a_topic(kafka_factory: Callable[..., KafkaBroker]) -> None:
    """On a broker that creates topics when it is asked for them, as Kafka does by default."""
    broker = kafka_factory(auto_create=True)
    harness = KafkaHarness(broker)
    topic = await harness.create_topic()
    absent = harness.unused_name()
    try:
        log = await harness.open_log(topic, absent)
        await log.append(topic, [Entry(b"room", b"1")])
        reader = Reader(log)
        await reader.until_values(topic, [b"1"])
        with pytest.raises(UnknownTopic):
            await log.append(absent, [Entry(b"room", b"1")])
        await broker.delete(topic)
        await reader.until(lambda: bool(reader.events_of(TopicMissing, topic)))
        with pytest.raises(UnknownTopic):
            await log.append(topic, [Entry(b"room", b"2")])
        checks = [await log.poll() for _ in range(3)]
        assert checks == [[], [], []]
        await log.topic_options([absent])
        assert not {topic, absent} & await broker.topics()
    finally:
        await harness.close()


async def test_reading_continues_when_a_killed_broker_comes_back(kafka_to_restart: KafkaBroker) -> None:
    broker = kafka_to_restart
    harness = KafkaHarness(broker)
    topic = await harness.create_topic(partitions=2)
    try:
        log = await harness.open_log(topic)
        reader = Reader(log)
        rooms = [b"room-%d" % number for number in range(8)]
        await log.append(topic, [Entry(room, b"before") for room in rooms])
        broker.stop(kill=True)
        await reader.until(lambda: bool(log.problems))
        broker.launch()
        await asyncio.to_thread(broker.wait_started)
        await reader.until(lambda: not log.problems)
        await log.append(topic, [Entry(room, b"after") for room in rooms])
        await reader.until_values(topic, [b"before", b"after"] * len(rooms))
        assert len(reader.events_of(TopicOpened, topic)) == 1
    finally:
        await harness.close()


async def test_keys_go_where_javas_default_partitioner_puts_them(harness: KafkaHarness) -> None:
    topic = await harness.create_topic(partitions=7)
    log = await harness.open_log()
    positions = await log.append(topic, [Entry(key, b"1") for key in MURMUR2])
    expected = [(hashed & 0x7FFFFFFF) % 7 for hashed in MURMUR2.values()]
    assert [position.partition for position in positions] == expected
    assert [log.partition_of(key, 7) for key in MURMUR2] == expected


async def test_added_partitions_are_appended_to(harness: KafkaHarness) -> None:
    topic = await harness.create_topic(partitions=1)
    log = await harness.open_log(topic)
    reader = Reader(log)
    await log.append(topic, [Entry(b"room", b"1")])
    await harness.add_partitions(topic, 5)
    await reader.until(lambda: bool(reader.events_of(PartitionsAdded, topic)))
    positions = await log.append(topic, [Entry(b"room-%d" % number, b"1") for number in range(50)])
    assert {position.partition for position in positions} == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256"])
async def test_tls_and_sasl(kafka: KafkaBroker, harness: KafkaHarness, mechanism: str) -> None:
    topic = await harness.create_topic()
    log = KafkaLog([kafka.secure_address], _secure(kafka, sasl_mechanism=mechanism))
    try:
        await log.open([topic], since_ms=0)
        await log.append(topic, [Entry(b"room", b"secret")])
        await Reader(log).until_values(topic, [b"secret"])
    finally:
        await log.close()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sasl_password": "wrong"}, "password"),
        ({"sasl_mechanism": "SCRAM-SHA-256", "sasl_password": "wrong"}, "password"),
        ({"sasl_mechanism": "SCRAM-SHA-512"}, "sasl_mechanism"),
        ({"ca_file": None}, "ca_file"),
    ],
)
async def test_being_refused_is_one_clear_error_at_once(
    kafka: KafkaBroker, changes: dict[str, object], expected: str
) -> None:
    log = KafkaLog([kafka.secure_address], _secure(kafka, connect_timeout_s=WAIT_S, **changes))
    began = time.monotonic()
    with pytest.raises(OperatorError, match=expected) as refused:
        await log.open(["topic"], since_ms=0)
    assert time.monotonic() - began < WAIT_S / 2
    assert "\n" not in str(refused.value)
    await log.close()


async def test_tls_files_that_cannot_be_used_are_named(kafka: KafkaBroker, tmp_path: Path) -> None:
    log = KafkaLog([kafka.secure_address], _secure(kafka, ca_file=str(tmp_path / "absent.pem")))
    with pytest.raises(OperatorError, match=r"absent\.pem"):
        await log.open(["topic"], since_ms=0)


async def test_no_broker_is_one_clear_error_within_the_connect_timeout(unused_tcp_port: int) -> None:
    address = f"127.0.0.1:{unused_tcp_port}"
    log = KafkaLog([address], KafkaSettings(connect_timeout_s=0.5))
    with pytest.raises(LogUnavailable, match=address) as failed:
        await log.open(["topic"], since_ms=0)
    assert "\n" not in str(failed.value)
    await log.close()


@pytest.mark.parametrize("address", ["127.0.0.1:port", "no_such_host.invalid:9092"])
async def test_a_wrong_address_is_named(address: str) -> None:
    log = KafkaLog([address], KafkaSettings(connect_timeout_s=0.5))
    with pytest.raises(OperatorError, match=address):
        await log.open(["topic"], since_ms=0)


async def test_a_topic_that_kafka_refuses_to_create_is_an_error_with_kafkas_reason(harness: KafkaHarness) -> None:
    log = await harness.open_log()
    with pytest.raises(OperatorError, match="not a topic"):
        await log.create_topics(["not a topic"], partitions=1, replication=1)
    with pytest.raises(OperatorError, match=r"[Rr]eplication"):
        await log.create_topics([harness.unused_name()], partitions=1, replication=3)


def _value_or_reason(record: Record) -> bytes | str | None:
    try:
        return record.value
    except BadRecord as error:
        return error.reason


def _values_by_epoch(events: Sequence[LogEvent]) -> list[set[bytes | None]]:
    """The different values that came after each `TopicOpened`."""
    by_epoch: list[set[bytes | None]] = []
    for event in events:
        if isinstance(event, TopicOpened):
            by_epoch.append(set())
        elif isinstance(event, Records):
            by_epoch[-1] |= {record.value for record in event.records}
    return by_epoch


def _secure(kafka: KafkaBroker, **changes: object) -> KafkaSettings:
    settings = {
        "tls": True,
        "ca_file": str(kafka.ca_file),
        "sasl_mechanism": "PLAIN",
        "sasl_username": USER,
        "sasl_password": PASSWORD,
        "epoch_check_s": CHECK_S,
    }
    return TypeAdapter(KafkaSettings).validate_python(settings | changes)


async def test_what_was_fetched_counts_as_unread_until_it_is_polled(harness: KafkaHarness) -> None:
    topic = await harness.create_topic()
    log = await harness.open_log(topic)
    reader = Reader(log)
    await log.append(topic, [Entry(b"room", b"1" * 1000)])
    await eventually(lambda: log.unread_bytes >= 1000)
    await reader.until_values(topic, [b"1" * 1000])
    assert log.unread_bytes == 0


async def test_topics_are_created_with_their_cleanup_policy(harness: KafkaHarness) -> None:
    plain, compacted = harness.unused_name(), harness.unused_name()
    log = await harness.open_log()
    await log.create_topics([plain, compacted], partitions=2, replication=1, compacted=[compacted])
    assert await harness.broker.config(plain, "cleanup.policy") == "delete"
    assert await harness.broker.config(compacted, "cleanup.policy") == "compact"
    options = await log.topic_options([plain, compacted])
    assert [options[topic].deletes_old for topic in (plain, compacted)] == [True, False]
    assert options[plain].record_bytes_max == 1_048_588  # Kafka's default


async def test_a_log_without_a_broker_is_unreachable_until_it_is_back(harness: KafkaHarness) -> None:
    topic = await harness.create_topic()
    log = await harness.open_log(topic)
    assert log.unreachable is None
    await harness.stop()
    try:
        async with asyncio.timeout(WAIT_S):
            while log.unreachable is None:
                await log.poll()
        assert log.unreachable
    finally:
        await harness.start()
    async with asyncio.timeout(WAIT_S):
        while log.unreachable is not None:
            await log.poll()
    await log.append(topic, [Entry(b"room", b"1")])
