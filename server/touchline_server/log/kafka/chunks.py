"""Chunks of older records: all that a partition holds between two offsets, and how far apart those should be."""

import asyncio
import contextlib
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from touchline_protocol.records import Record

from .replay import Holes, ReplayReader, undecodable, value_bytes

CHUNK_BYTES = 2 << 20
"""What a chunk should hold: little enough to keep in memory, and so much that requests cost next to nothing."""
CHUNK_BYTES_MAX = 4 * CHUNK_BYTES
"""A chunk that turns out larger than this is given up, and a smaller one read."""
SPAN_FIRST, SPAN_MAX = 2_000, 1 << 20
"""Offsets that a chunk spans: of the first one, and at most, where compaction left next to nothing."""
SPAN_FACTOR_MAX = 4
"""How much more the next chunk may span: records need not be evenly large."""
DECODED_AT_ONCE = 500
"""Records that are decoded before the loop serves others: about 1 ms."""
_OVERHEAD_BYTES = 200
"""What a record takes in memory beside its value."""
_SAMPLED = 16
"""One record in that many is looked at to estimate a chunk's size."""


class OlderRecords(NamedTuple):
    """What a chunk holds. ``reached`` is the offset up to which it was read; the size is an estimate."""

    records: list[Record]
    reached: int
    size_bytes: int


class ChunkSpan:
    """How many offsets the next chunk of a partition should span."""

    __slots__ = ("offsets",)

    def __init__(self) -> None:
        self.offsets = SPAN_FIRST

    def adapt(self, offsets: int, size_bytes: int) -> None:
        """``offsets`` held ``size_bytes``."""
        wanted = offsets * CHUNK_BYTES // max(size_bytes, 1)
        self.offsets = max(1, min(wanted, max(offsets, 1) * SPAN_FACTOR_MAX, SPAN_MAX))


class ChunkReader:
    """Reads chunks. ``replay`` has a connection of its own, so that no live request waits for one of these."""

    def __init__(self, replay: ReplayReader) -> None:
        self._replay = replay

    async def read(self, name: str, epoch: str, partition: int, first: int, end: int) -> OlderRecords:
        """The records with ``first <= offset < end``; only the first of them if they are too large.

        Raises:
            OffsetOutOfRange: the log no longer holds ``first``, or the topic has another epoch.
            LogUnavailable: the log did not answer, or what it holds is damaged.
        """
        records: list[Record] = []
        offset, size_bytes, holes = first, 0, Holes()
        while offset < end and size_bytes <= CHUNK_BYTES_MAX:
            answer = await self._replay.fetch(name, epoch, partition, offset, wait_ms=holes.wait_ms)
            try:
                with contextlib.closing(answer.records(name, offset)) as iterator:
                    while part := list(islice(iterator, DECODED_AT_ONCE)):
                        size_bytes += _size(part)
                        if part[-1].offset >= end:
                            records.extend(record for record in part if record.offset < end)
                            return OlderRecords(records, end, size_bytes)
                        records += part
                        await asyncio.sleep(0)
            except Exception as error:  # each decompressor has errors of its own
                raise undecodable(name, partition, error) from error
            at_end = holes.reach_end(offset, iterator.next_fetch_offset, answer.last_stable_offset)
            offset = end if at_end else iterator.next_fetch_offset
        return OlderRecords(records, min(offset, end), size_bytes)


def _size(records: Sequence[Record]) -> int:
    looked_at = records[::_SAMPLED]
    return sum(value_bytes(record) + _OVERHEAD_BYTES for record in looked_at) * len(records) // len(looked_at)
