"""What the embedded log's parts hand to each other: records, topics, and what is to be written and was."""

import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from touchline_server.core.log import Entry, Position

RECORD_BYTES = 64
"""What a record takes beside key, headers and value: its row and its places in two indexes."""


class StoredRecord(NamedTuple):
    """A record as the embedded log hands it out."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Partition:
    """A partition as it is now: it holds the offsets from ``first`` on, ``next`` comes next."""

    __slots__ = ("first", "next", "number", "row_id", "size_bytes", "topic")

    def __init__(self, topic: str, row_id: int, number: int, first: int, next_: int, size_bytes: int) -> None:
        self.topic = topic
        self.row_id = row_id
        self.number = number
        self.first = first
        self.next = next_
        self.size_bytes = size_bytes


class Topic(NamedTuple):
    """A topic and its partitions, which stay as many as they are."""

    name: str
    epoch: str
    partitions: Sequence[Partition]


class Write(NamedTuple):
    """One append that was asked for."""

    topic: str
    entries: Sequence[Entry]


class Written(NamedTuple):
    """What one transaction appended: where each `Write` is, and what came to which partition."""

    positions: Sequence[Sequence[Position]]
    records: Mapping[tuple[str, int], Sequence[StoredRecord]]


def partition_of(key: bytes | None, partitions: int) -> int:
    """The partition, of so many, of a key. Not by ``hash()``, which is another one in each process."""
    return zlib.crc32(key or b"") % partitions
