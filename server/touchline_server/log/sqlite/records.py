"""The data that the parts of the embedded log exchange: records, partitions, topics and appends."""

import sqlite3
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from touchline_server.core.log import Entry, Position

RECORD_BYTES = 64
"""The size of a record without its key, headers and value: its row and its entries in two indexes."""

RECORD_COLUMNS = "offset, timestamp, key, value, headers, crc"
STATE_COLUMNS = "offset, timestamp, CAST(room_id AS BLOB), value, headers, crc"
"""What `record_of` takes, from the tables records and state. A room's id is the key of its records."""

_HEADERS = msgspec.msgpack.Decoder(list[tuple[str, bytes]])

PartitionKey: TypeAlias = tuple[str, int]
"""The name of a topic and the number of one of its partitions."""


class StoredRecord(NamedTuple):
    """A record as the embedded log returns it. ``timestamp`` is Unix milliseconds."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Partition:
    """A partition in its current state: it holds the offsets from ``first`` to ``next`` - 1."""

    __slots__ = ("first", "next", "number", "row_id", "size_bytes", "topic")

    def __init__(self, topic: str, row_id: int, number: int, first: int, next_: int, size_bytes: int) -> None:
        self.topic = topic
        self.row_id = row_id
        self.number = number
        self.first = first
        self.next = next_
        self.size_bytes = size_bytes


class Topic(NamedTuple):
    """A topic and its partitions, whose number never changes."""

    name: str
    epoch: str
    partitions: Sequence[Partition]


class Append(NamedTuple):
    """One append, as a caller requested it."""

    topic: str
    entries: Sequence[Entry]


class Commit(NamedTuple):
    """The result of one transaction: the positions of each `Append`, and the new records of each partition."""

    positions: Sequence[Sequence[Position]]
    records: Mapping[PartitionKey, Sequence[StoredRecord]]


def partition_of(key: bytes | None, partitions: int) -> int:
    """The number of the partition that a key belongs to. Not by ``hash()``, which differs from process to process."""
    return zlib.crc32(key or b"") % partitions


def checksum(offset: int, timestamp: int, key: bytes | None, value: bytes | None, headers: bytes | None) -> int:
    """The CRC-32 of a row: SQLite has no checksums, and would return a changed byte as if it had been written."""
    crc = zlib.crc32(b"%d %d" % (offset, timestamp))
    for part in (key, value, headers):
        crc = zlib.crc32(part or b"", crc)
    return crc


def record_of(row: Sequence[object]) -> StoredRecord:
    """The record in a row with `RECORD_COLUMNS` or `STATE_COLUMNS`.

    Raises:
        sqlite3.DatabaseError: it is not what was written. The checksum is null in rows that version 1 wrote.
    """
    offset, timestamp, key, value, headers, crc = row
    if crc is not None and crc != checksum(offset, timestamp, key, value, headers):  # type: ignore[arg-type]  # untyped
        error = sqlite3.DatabaseError(f"the record at offset {offset} is not what was written")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error
    decoded = _HEADERS.decode(headers) if isinstance(headers, bytes) else []
    return StoredRecord(offset, timestamp, key, value, decoded)  # type: ignore[arg-type]  # SQLite's rows are untyped


def state_columns(record: StoredRecord) -> tuple[object, ...]:
    """The columns offset, timestamp, crc, headers and value of a record in the table state."""
    headers = msgspec.msgpack.encode(record.headers)
    crc = checksum(record.offset, record.timestamp, record.key, record.value, headers)
    return record.offset, record.timestamp, crc, headers, record.value
