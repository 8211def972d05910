"""Record batches as any producer can write them, byte by byte: Kafka's format 2, without a client library's manners."""

import asyncio
import gzip
import struct
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cramjam
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NotLeaderForPartitionError
from aiokafka.protocol.api import Request
from aiokafka.protocol.produce import ProduceRequest_v7
from aiokafka.structs import TopicPartition

from support.kafka_broker import KafkaBroker
from support.waiting import DEADLINE_S

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
LOG_APPEND_TIME, TRANSACTIONAL, CONTROL = 0x08, 0x10, 0x20
NOW_MS = time.time_ns() // 1_000_000
"""When the tests began: the default time of a record, since a broker soon deletes those that are too old."""
_CRC_AT = 17
_POLYNOMIAL = 0x82F63B78
_PACK: dict[int, Callable[[bytes], bytes]] = {
    NONE: bytes,
    GZIP: gzip.compress,
    SNAPPY: lambda data: bytes(cramjam.snappy.compress_raw(data)),
    LZ4: lambda data: bytes(cramjam.lz4.compress(data)),
    ZSTD: lambda data: bytes(cramjam.zstd.compress(data)),
}


class RawRecord(NamedTuple):
    """A record. Names of headers are bytes, which need not be UTF-8."""

    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[tuple[bytes, bytes | None]] = ()
    timestamp: int = NOW_MS

    @property
    def names_as_text(self) -> list[tuple[str, bytes | None]]:
        """The headers as readers get them."""
        return [(name.decode(errors="backslashreplace"), value) for name, value in self.headers]


def batch(
    records: Sequence[RawRecord], *, base: int = 0, codec: int = NONE, attributes: int = 0, producer_id: int = -1
) -> bytes:
    """A batch of the offsets from ``base`` on."""
    first_ms = records[0].timestamp if records else 0
    bodies = [body(record, delta, first_ms) for delta, record in enumerate(records)]
    return batch_of(bodies, base=base, codec=codec, attributes=attributes, producer_id=producer_id, first_ms=first_ms)


def batch_of(
    bodies: Sequence[bytes],
    *,
    base: int = 0,
    codec: int = NONE,
    attributes: int = 0,
    producer_id: int = -1,
    first_ms: int = 0,
    offsets: int | None = None,
    packed: bytes | None = None,
) -> bytes:
    """A batch of records that are given as bytes, with a right checksum. It spans ``offsets``, or one for each record.

    ``packed`` takes the place of the records.
    """
    content = b"".join(varint(len(each)) + each for each in bodies)
    offsets = max(1, len(bodies)) if offsets is None else offsets
    checked = struct.pack(
        ">hiqqqhii", attributes | codec, offsets - 1, first_ms, first_ms, producer_id, 0, -1, len(bodies)
    )
    checked += _PACK[codec](content) if packed is None else packed
    return struct.pack(">qiibI", base, len(checked) + 9, 0, 2, crc32c(checked)) + checked


def body(record: RawRecord, offset_delta: int = 0, first_ms: int = 0) -> bytes:
    """The bytes of a record in a batch, without their length."""
    fields = [b"\0", varint(record.timestamp - first_ms), varint(offset_delta), nullable(record.key)]
    fields += [nullable(record.value), varint(len(record.headers))]
    fields += [nullable(name) + nullable(value) for name, value in record.headers]
    return b"".join(fields)


def nullable(data: bytes | None) -> bytes:
    """Bytes with their length before them; -1 for none."""
    return varint(-1) if data is None else varint(len(data)) + data


def varint(number: int) -> bytes:
    """A signed number in as few bytes as it takes."""
    left = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while left > 0x7F:
        encoded.append(left & 0x7F | 0x80)
        left >>= 7
    encoded.append(left)
    return bytes(encoded)


def crc32c(data: bytes) -> int:
    """The checksum of a batch."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _crc_row(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_CRC_TABLE = [_crc_row(byte) for byte in range(256)]


class _Produce(Request[ProduceRequest_v7]):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 0

    def __init__(self, topic: str, partition: int, data: bytes) -> None:
        self._fields = (None, -1, 10_000, [(topic, [(partition, data)])])

    def build(self, request_struct_class: type[ProduceRequest_v7]) -> ProduceRequest_v7:
        return ProduceRequest_v7(*self._fields)


async def append_batch(address: str, topic: str, data: bytes, partition: int = 0) -> int:
    """Append a batch to a topic of a real broker, as it is; returns the offset of its first record."""
    client = AIOKafkaClient(bootstrap_servers=address)
    try:
        await client.bootstrap()
        await client.set_topics([topic])
        async with asyncio.timeout(DEADLINE_S):
            while True:
                leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
                response = await client.send(leader, _Produce(topic, partition, data))
                ((_, ((_, error, offset, *_),)),) = response.topics
                if error != NotLeaderForPartitionError.errno:
                    break
                await client.force_metadata_update()  # the broker has just been made the leader of a new topic
    finally:
        await client.close()
    assert not error, error
    return int(offset)


async def append_nonsense(broker: KafkaBroker, topic: str, partition: int = 0) -> int:
    """Append a record that nobody can decode, though its checksum is right; returns its offset.

    Today's brokers check what producers send, so its bytes are written over those of another in its file,
    which a reader of the topic may have read by then.
    """
    record = RawRecord(b"key", uuid.uuid4().bytes)
    good = batch([record])
    offset = await append_batch(broker.address, topic, good, partition)
    bad = batch_of([b"\xff" * len(body(record, 0, record.timestamp))], first_ms=record.timestamp)
    write_over(broker.segment(topic, partition), good[_CRC_AT:], bad[_CRC_AT:])
    return offset


def write_over(file: Path, old: bytes, new: bytes) -> None:
    """Put bytes of the same number in the place of others in a file."""
    with file.open("r+b") as opened:
        opened.seek(file.read_bytes().index(old))
        opened.write(new)
