"""Every byte that a record can have, and every accident on its way: what comes of it, and what comes after it."""

import contextlib
from collections.abc import Sequence
from itertools import islice

import pytest
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.record_batches import (
    CONTROL,
    GZIP,
    LOG_APPEND_TIME,
    LZ4,
    NONE,
    SNAPPY,
    TRANSACTIONAL,
    ZSTD,
    RawRecord,
    batch,
    batch_of,
    body,
    varint,
)
from support.thoroughness import examples
from touchline_kafka.decoding import CommittedRecords, next_offset
from touchline_kafka.salvage import UNDECODABLE
from touchline_protocol.errors import BadRecord
from touchline_protocol.records import Record

CODECS = st.sampled_from([NONE, GZIP, SNAPPY, LZ4, ZSTD])
PLACE = TopicPartition("topic", 0)
AFTER = RawRecord(b"after", b"1")
ODD = RawRecord(b"odd", b"2", [(b"\xe9", b"x"), (b"key", b"k"), (b"", None)])
FAR_MS = 1 << 45
RECORDS = st.builds(
    RawRecord,
    st.none() | st.binary(max_size=8),
    st.none() | st.binary(max_size=40),
    st.lists(st.tuples(st.binary(max_size=4), st.none() | st.binary(max_size=4)), max_size=3),
    st.sampled_from([-1, 0, FAR_MS]) | st.integers(0, FAR_MS),
)


def read(data: bytes, offset: int = 0, aborted: Sequence[tuple[int, int]] = ()) -> list[Record]:
    return list(CommittedRecords(PLACE, data, aborted, offset))


def undecodable(record: Record) -> bool:
    """Whether a record has no content, and every reader is told so by the same error."""
    reasons = []
    for field in ("key", "value", "headers"):
        try:
            getattr(record, field)
        except BadRecord as error:
            reasons.append(error.reason)
    assert reasons in ([], [UNDECODABLE] * 3)
    return bool(reasons)


def told(record: Record) -> tuple[object, ...]:
    return record.offset, record.timestamp, record.key, record.value, [tuple(one) for one in record.headers]


@given(st.lists(st.tuples(st.lists(RECORDS, max_size=4), CODECS), min_size=1, max_size=4), st.integers(0, 3))
@example([([ODD], NONE), ([AFTER], GZIP)], 0)
def test_every_record_that_kafka_allows_is_read(batches: list[tuple[list[RawRecord], int]], offset: int) -> None:
    data, expected, base = b"", [], 0
    offset = min(offset, max(0, len(batches[0][0]) - 1))  # a broker's answer begins with the batch of the offset
    for records, codec in batches:
        data += batch(records, base=base, codec=codec)
        expected += [
            (at, one.timestamp, one.key, one.value, one.names_as_text)
            for at, one in enumerate(records, base)
            if at >= offset
        ]
        base += max(1, len(records))
    iterator = CommittedRecords(PLACE, data, (), offset)
    assert [told(record) for record in iterator] == expected
    assert iterator.next_fetch_offset == base
    assert next_offset(data, offset) == base


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=4), CODECS, st.integers(0, 5))
@example([b"\0\0\0\x01\x01" + varint(1 << 30)], NONE, 0)
def test_a_record_that_makes_no_sense_costs_no_other(bodies: list[bytes], codec: int, good: int) -> None:
    before = [body(RawRecord(b"before", b"%d" % at, ODD.headers), at) for at in range(good)]
    data = batch_of([*before, *bodies], codec=codec)
    data += batch([AFTER], base=good + len(bodies))
    records = read(data)
    assert [record.value for record in records[:good]] == [b"%d" % at for at in range(good)]
    assert records[-1].offset == good + len(bodies)
    assert records[-1].value == b"1"
    for record in records[good:-1]:
        undecodable(record)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(batch_of([], attributes=5, offsets=3, packed=b"?" * 9), id="an unknown compression"),
        *(
            pytest.param(batch_of([b"?"], codec=codec, offsets=3, packed=b"not compressed"), id=f"codec {codec}")
            for codec in (GZIP, SNAPPY, LZ4, ZSTD)
        ),
        pytest.param(batch_of([b""], offsets=3), id="an empty record"),
        pytest.param(batch_of([b"\0\0\0\x01\x01\x01"], offsets=3), id="a negative number of headers"),
        pytest.param(batch_of([b"\0\0\0\x01\x01\x02\x01\x01"], offsets=3), id="a header without a name"),
        pytest.param(batch_of([b"\0" + b"\xff" * 12], offsets=3), id="a number without an end"),
        pytest.param(batch_of([], packed=b"?", offsets=3), id="bytes after the last record"),
        pytest.param(batch_of([b"?"], packed=varint(-5), offsets=3), id="a negative length"),
        pytest.param(batch([AFTER] * 3)[:16] + b"\x07????" + batch([AFTER] * 3)[21:], id="an unknown format"),
        pytest.param(
            batch_of([], attributes=CONTROL | TRANSACTIONAL, producer_id=7, offsets=3), id="no control record"
        ),
        pytest.param(
            batch_of([b"?"], attributes=CONTROL | TRANSACTIONAL, producer_id=7, offsets=3), id="a broken control record"
        ),
    ],
)
def test_a_batch_that_makes_no_sense_is_passed_over(data: bytes) -> None:
    *given_up, after = read(data + batch([AFTER], base=3))
    assert (after.offset, after.value) == (3, b"1")
    assert all(undecodable(record) for record in given_up)
    assert [record.offset for record in given_up] in ([], [0])
    assert next_offset(data, 0) == 3


def test_what_is_given_up_is_one_record_with_its_place_and_time() -> None:
    (record,) = read(batch_of([b"?"], base=5, offsets=3, first_ms=77, packed=b"\xff"), offset=6)
    assert undecodable(record)
    assert (record.offset, record.timestamp) == (6, 77)


def test_records_of_aborted_transactions_are_left_out_though_one_between_makes_no_sense() -> None:
    def transaction(value: bytes, producer: int, base: int) -> bytes:
        return batch([RawRecord(b"k", value, ODD.headers)], base=base, attributes=TRANSACTIONAL, producer_id=producer)

    abort = body(RawRecord(b"\0\0\0\0", b"\0\0\0\0\0\0"))
    data = transaction(b"aborted", 1, 0) + transaction(b"committed", 2, 1)
    data += batch_of([b"?"], base=2, attributes=TRANSACTIONAL, producer_id=2)
    data += transaction(b"aborted too", 1, 3)
    data += batch_of([abort], base=4, attributes=TRANSACTIONAL | CONTROL, producer_id=1)
    data += transaction(b"of a new transaction", 1, 5)
    first, broken, last = read(data, aborted=[(1, 0)])
    assert (first.value, last.value) == (b"committed", b"of a new transaction")
    assert undecodable(broken)


def test_a_time_that_the_broker_gave_counts_for_all_records() -> None:
    records = [ODD._replace(timestamp=5), ODD._replace(timestamp=900)]
    assert [record.timestamp for record in read(batch(records, attributes=LOG_APPEND_TIME))] == [5, 5]


def test_records_are_read_as_few_at_a_time_as_one_likes() -> None:
    data = b"".join(batch([ODD, AFTER], base=base) for base in range(0, 8, 2))
    iterator = CommittedRecords(PLACE, data, (), 1)
    offsets = []
    while some := list(islice(iterator, 3)):
        offsets += [record.offset for record in some]
        assert iterator.next_fetch_offset >= offsets[-1] + 1
    assert offsets == list(range(1, 8))


@settings(max_examples=examples(6))
@given(st.data())
def test_damage_is_an_error_that_says_to_fetch_again(data: st.DataObject) -> None:
    """A byte changed or the end cut off, anywhere: nothing is made up, and no other error ends a reader."""
    codec = data.draw(CODECS)
    good = batch([ODD, AFTER], codec=codec)
    whole = good + batch([ODD], base=2, codec=codec)
    at = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        damaged = whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :]
    else:
        damaged = whole[:at]
    records: list[Record] = []
    with contextlib.suppress(CorruptRecordException):
        records.extend(CommittedRecords(PLACE, damaged, (), 0))
    with contextlib.suppress(CorruptRecordException):
        next_offset(damaged, 0)
    if at >= len(good):
        assert [record.value for record in records[:2]] == [b"2", b"1"]
    assert all(record.value in (b"2", b"1") for record in records if not undecodable(record))


def test_records_before_the_damage_are_handed_out_and_reading_can_go_on_at_it() -> None:
    good, bad = batch([ODD, AFTER]), bytearray(batch([ODD], base=2))
    bad[-1] ^= 1
    iterator = CommittedRecords(PLACE, good + bytes(bad), (), 0)
    records: list[Record] = []
    with pytest.raises(CorruptRecordException):
        records.extend(iterator)
    assert [record.offset for record in records] == [0, 1]
    assert iterator.next_fetch_offset == 2
