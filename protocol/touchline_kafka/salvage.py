"""Reads record batches that aiokafka refuses, and gives up nothing but the records that make no sense.

aiokafka decodes a batch or raises: one header name that is not UTF-8, which any producer in C or Go can write, and all
that follows in the partition is out of reach. So what it refuses is read again here, in Python.

Rules:

1. Only a batch whose checksum is right is read (`is_intact`). With a wrong one it is damaged: a disk may be repaired or
   another replica take over, so the same fetch may succeed later. A batch that is intact and makes no sense stays so.
2. A record begins where the one before it ends, by its length. So one that makes no sense costs no other, unless the
   length itself is wrong: then the rest of the batch is given up.
3. A record that is given up becomes an `UndecodableRecord`, for readers to count, report and leave out as they do
   with any record that does not belong in its topic. Nothing is left out in silence.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple, NoReturn, TypeAlias

from aiokafka import codec
from aiokafka.errors import UnsupportedCodecError
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch

from touchline_protocol.errors import BadRecord

UNDECODABLE = "undecodable"
"""The reason in the `BadRecord` of a record that was given up."""

_OVERHEAD = struct.Struct(">qi")
"""What begins each batch, in all of Kafka's formats: the offset and the number of bytes that follow."""
_HEADER = struct.Struct(">qiibIhiqqqhii")
_EPOCH_HEADER = struct.Struct(">qiib")
_MAGIC_AT = 16
_MAGIC = 2
"""The format since Kafka 0.11; 0 and 1 were before it."""
_LEGACY_HEADER_BYTES = 26
_CODEC_MASK, _LOG_APPEND_TIME = 0x07, 0x08
_VARINT_BITS_MAX = 64

_DECOMPRESS = {
    1: (codec.has_gzip, codec.gzip_decode),
    2: (codec.has_snappy, codec.snappy_decode),
    3: (codec.has_lz4, codec.lz4_decode),
    4: (codec.has_zstd, codec.zstd_decode),
}


class PlainRecord(NamedTuple):
    """A record. Bytes of a header's name that are not UTF-8 are written as ``\\xe9``."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class UndecodableRecord:
    """In the place of what was given up: a record of which the offset is known, and perhaps the time.

    Raises:
        BadRecord: its content is asked for.
    """

    __slots__ = ("offset", "timestamp", "why")

    def __init__(self, offset: int, timestamp: int, why: str) -> None:
        self.offset = offset
        self.timestamp = timestamp
        self.why = why

    @property
    def key(self) -> bytes | None:
        self._refuse()

    @property
    def value(self) -> bytes | None:
        self._refuse()

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise BadRecord(UNDECODABLE, self.why)


Salvaged: TypeAlias = PlainRecord | UndecodableRecord


class Batch(NamedTuple):
    """One batch among others. ``end`` is where the next one begins in the bytes that hold both."""

    data: bytes
    end: int

    @property
    def base_offset(self) -> int:
        """Its first offset."""
        offset: int = _OVERHEAD.unpack_from(self.data)[0]
        return offset

    @property
    def magic(self) -> int:
        """The number of its format."""
        return self.data[_MAGIC_AT]

    @property
    def next_offset(self) -> int:
        """The offset after its last one."""
        if self.magic < _MAGIC:  # there a message of messages has the offset of the last one
            return self.base_offset + 1
        last_delta: int = _HEADER.unpack_from(self.data)[6]
        return self.base_offset + max(0, last_delta) + 1


def batch_at(data: bytes, offset: int) -> Batch | None:
    """The batch that holds an offset, or the first one after it; None if what is there is too short to be one."""
    begin = 0
    while (batch := _batch_from(data, begin)) is not None:
        if batch.next_offset > offset:
            return batch
        begin = batch.end
    return None


def damage_end(data: bytes, offset: int) -> int | None:
    """Where to go on after the damaged batch that holds an offset, as far as that can be told.

    The batch's own header may be part of the damage, so an intact batch behind it is believed first.
    """
    damaged = batch_at(data, offset)
    if damaged is None:
        return None
    following = _batch_from(data, damaged.end)
    if following is not None and is_intact(following) and following.base_offset > offset:
        return following.base_offset
    is_likely = offset < damaged.next_offset <= damaged.base_offset + len(damaged.data)
    return damaged.next_offset if is_likely else None


def leader_epochs(data: bytes) -> Iterator[tuple[int, int]]:
    """The first offset and the leader epoch of each whole batch; older formats than Kafka 0.11's have no epoch."""
    begin = 0
    while begin + _HEADER.size <= len(data):
        base, length, epoch, magic = _EPOCH_HEADER.unpack_from(data, begin)
        end = begin + _OVERHEAD.size + length
        if end > len(data) or length < 0:
            return
        if magic == _MAGIC:
            yield base, epoch
        begin = end


def is_cut_short(data: bytes) -> bool:
    """Whether bytes hold no whole batch. Brokers send at least one whole, so this can only be an accident."""
    return bool(data) and _batch_from(data, 0) is None


def is_intact(batch: Batch) -> bool:
    """Whether a batch is as it was written. Of an unknown format nobody can tell, and another fetch does not help."""
    if batch.magic < _MAGIC:
        return bool(LegacyRecordBatch(batch.data, batch.magic).validate_crc())
    return batch.magic > _MAGIC or bool(DefaultRecordBatch(batch.data).validate_crc())


def read_batch(batch: Batch, offset: int) -> Iterator[Salvaged]:
    """The records of an intact batch from ``offset`` on.

    Raises:
        UnsupportedCodecError: the library that decompresses it is not installed.
    """
    if batch.magic != _MAGIC:
        first = max(batch.base_offset, offset)
        yield UndecodableRecord(first, -1, f"a batch of format {batch.magic} cannot be decoded")
        return
    base, _, _, _, _, attributes, last_delta, first_ms, max_ms, *_, count = _HEADER.unpack_from(batch.data)
    append_ms = max_ms if attributes & _LOG_APPEND_TIME else None
    reached = base
    try:
        content = _decompressed(attributes & _CODEC_MASK, batch.data[_HEADER.size :])
        for body in _bodies(content, count):
            record = _read_record(body, base, first_ms, append_ms, (reached, base + last_delta))
            reached = record.offset + 1
            if record.offset >= offset:
                yield record
    except _NoSense as error:
        first, last = max(reached, offset), base + last_delta
        if first <= last:
            yield UndecodableRecord(first, max_ms, f"{error}, so the offsets up to {last} are lost")


class _NoSense(Exception):
    """Bytes that no working producer writes."""


def _batch_from(data: bytes, begin: int) -> Batch | None:
    if len(data) < begin + _OVERHEAD.size:
        return None
    _, length = _OVERHEAD.unpack_from(data, begin)
    end = begin + _OVERHEAD.size + length
    if length < _LEGACY_HEADER_BYTES - _OVERHEAD.size or end > len(data):
        return None
    batch = Batch(data[begin:end], end)
    return batch if batch.magic < _MAGIC or len(batch.data) >= _HEADER.size else None


def _decompressed(number: int, content: bytes) -> bytes:
    if not number:
        return content
    if number not in _DECOMPRESS:
        raise _NoSense(f"the batch is compressed by a method of number {number}, which does not exist")
    is_installed, decompress = _DECOMPRESS[number]
    if not is_installed():
        raise UnsupportedCodecError("the library that decompresses its records is not installed: cramjam")
    try:
        return bytes(decompress(content))
    except MemoryError:
        raise
    except Exception as error:  # each method has errors of its own
        raise _NoSense(f"the batch cannot be decompressed ({error})") from error


def _bodies(content: bytes, count: int) -> Iterator[bytes]:
    """The bytes of each record, without their length."""
    at = 0
    for _ in range(count):
        length, at = _varint(content, at)
        if not 0 <= length <= len(content) - at:
            raise _NoSense(f"a record claims to have {length} bytes")
        yield content[at : at + length]
        at += length


def _read_record(
    body: bytes, base: int, first_ms: int, append_ms: int | None, offsets: tuple[int, int]
) -> PlainRecord | UndecodableRecord:
    """One record; ``offsets`` are the first and the last that it can have."""
    first, last = offsets
    if first > last:
        raise _NoSense("the batch has more records than offsets")
    offset, timestamp = first, -1 if append_ms is None else append_ms
    try:
        if not body:
            raise _NoSense("the record is empty")
        ms_delta, at = _varint(body, 1)  # after its attributes, of which none is in use
        offset_delta, at = _varint(body, at)
        if append_ms is None:
            timestamp = first_ms + ms_delta
        if not first <= base + offset_delta <= last:
            raise _NoSense(f"the record claims to have the offset {base + offset_delta}")
        offset = base + offset_delta
        key, at = _nullable(body, at)
        value, at = _nullable(body, at)
        headers, at = _headers(body, at)
        if at != len(body):
            raise _NoSense(f"{len(body) - at} bytes follow the record's headers")
    except _NoSense as error:
        return UndecodableRecord(offset, timestamp, str(error))
    return PlainRecord(offset, timestamp, key, value, headers)


def _headers(body: bytes, at: int) -> tuple[list[tuple[str, bytes]], int]:
    count, at = _varint(body, at)
    if not 0 <= count <= len(body):
        raise _NoSense(f"the record claims to have {count} headers")
    headers: list[tuple[str, bytes]] = []
    for _ in range(count):
        name, at = _nullable(body, at)
        if name is None:
            raise _NoSense("a header has no name")
        value, at = _nullable(body, at)
        # A header without a value is None, as aiokafka hands it out too; readers of headers know.
        headers.append((name.decode(errors="backslashreplace"), value))  # type: ignore[arg-type]
    return headers, at


def _nullable(data: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = _varint(data, at)
    if length < 0:
        return None, at
    if length > len(data) - at:
        raise _NoSense("a field reaches beyond the end of its record")
    return data[at : at + length], at + length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A signed number of variable length, as in Protocol Buffers, and where it ends."""
    value = shift = 0
    while shift < _VARINT_BITS_MAX:
        if at >= len(data):
            raise _NoSense("the record ends too early")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that says whether another byte follows
            return (value >> 1) ^ -(value & 1), at
        shift += 7
    raise _NoSense("a number in the record has too many bytes")
