"""What the parts of the embedded log pass to each other: records, topics, appends and their results."""

import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from touchline_server.core.log import Entry, Position

RECORD_BYTES = 64
"""The size of a record besides key, headers and value: its row, and its entries in two indexes."""


class StoredRecord(NamedTuple):
    """A record as the embedded log returns it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Partition:
    """A partition in its current state: it holds the offsets from ``first`` up to, but not including, ``next``."""

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


class Write(NamedTuple):
    """One requested append."""

    topic: str
    entries: Sequence[Entry]


class Written(NamedTuple):
    """What one transaction appended: the positions of each `Write`, and the new records of each partition."""

    positions: Sequence[Sequence[Position]]
    records: Mapping[tuple[str, int], Sequence[StoredRecord]]


def partition_of(key: bytes | None, partitions: int) -> int:
    """The partition that a key belongs to. ``hash()`` would not do, since it differs between processes."""
    return zlib.crc32(key or b"") % partitions
