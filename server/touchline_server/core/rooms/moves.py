"""Which partition is a room's home, once it has records in several: partitions were added, or producers do not agree.

Order across partitions does not follow from timestamps, since producers' clocks differ. It follows from what moved:

1. Records of the home partition always count, whatever their time. The rules below are for a record in another one.
2. A partition in which the room never had a record becomes its home: a producer learned of it.
3. If producers are expected to choose one of the two partitions now, that is the home. A record in the other one comes
   from a producer that has not learned of the added partitions yet.
4. If neither is expected, timestamps decide: nothing better is known.
5. Producers learn within minutes. A home that has been silent for longer while records come elsewhere is not the home.

While a topic is read for the first time, partitions come in any order, so rules 2 and 5 do not apply: a partition that
the edge has not read any record from may still be one that the room has left.
"""

from collections.abc import Callable, Set
from typing import TypeAlias

from touchline_server.core.clocks import LoopMs

from .contents import Contents
from .partition_window import RoomEvent

Partitioner: TypeAlias = Callable[[bytes, int], int]
"""The partition that the log's producers put a key in, given the key and the number of partitions."""

STRAGGLERS_MS = 600_000
"""How long a producer may go on without noticing added partitions: twice ``metadata.max.age.ms``, 5 minutes in all of
Kafka's clients unless configured."""


class ExpectedPartitions:
    """The partitions that the producers of one feed are expected to choose.

    Not all producers use our partitioner. One record in a partition that ours does not choose, with however many
    partitions the topic ever had, is proof of that, and from then on nothing is expected.
    """

    __slots__ = ("_is_ours", "_partitioner")

    def __init__(self, partitioner: Partitioner) -> None:
        self._partitioner = partitioner
        self._is_ours = True

    def check(self, key: bytes, partitions: Set[int], count: int) -> None:
        """Learn from the partitions that a key has records in, some of ``count``."""
        if self._is_ours:
            self._is_ours = partitions <= {self._partitioner(key, earlier) for earlier in range(1, count + 1)}

    def ever(self, key: bytes, count: int) -> Set[int]:
        """All partitions in which a key may have records: those expected with fewer partitions than ``count``, too."""
        return {self._partitioner(key, each) for each in range(1, count + 1)} if self._is_ours else set(range(count))

    def of(self, key: bytes, count: int) -> int | None:
        """The partition expected now, one of ``count``; None if that cannot be told."""
        return self._partitioner(key, count) if self._is_ours else None


def is_move(contents: Contents, event: RoomEvent, expected: int | None, now_ms: LoopMs, *, first_read: bool) -> bool:
    """Whether an event that is not in its room's home partition makes that partition the room's home."""
    home, partition = contents.home.partition, event.window.partition
    if not contents.has_records or not (first_read or contents.had_records_in(partition)):
        return True
    if expected == partition:
        return True
    is_silent = not contents.pending and now_ms - contents.updated_ms > STRAGGLERS_MS
    if is_silent and not first_read:
        return True
    return expected != home and event.ts >= contents.newest_ts
