"""Records in, items out, and how far each partition is processed: what a reader may commit.

Pure: it is given records and hands out what ``decode`` makes of them. Its rules:

1. Items of a partition are handed out in the order of its records, each once. A duplicate is left out if the
   partition's `Memory` has seen it, and so is a record that ``decode`` rejects, which is counted and reported.
2. `Partition.done` is where to continue after a crash. It moves past an item when `Delivery.processed` says so, or when
   the next items are asked for, which says the same; never earlier.
3. Records before `Partition.deliver_from` were processed before. They are only remembered, for their duplicates.
4. If partitions were added, an item counts as a duplicate too if `Partition.moved` knows it from where its key belonged
   before.
5. A record is remembered when it is handed out and not when it is fetched. So what was fetched and then dropped, since
   its partition was taken away, can come again.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, Protocol, TypeVar

from touchline_kafka.leader_epochs import UNKNOWN_EPOCH, LeaderEpochs
from touchline_protocol.errors import BadRecord
from touchline_protocol.records import Record

from .log_mark import LogMark

ItemT = TypeVar("ItemT")
ItemT_contra = TypeVar("ItemT_contra", contravariant=True)


class Memory(Protocol[ItemT_contra]):
    """Remembers the items of one partition, within bounds of its own."""

    @property
    def forgotten(self) -> int:
        """How much had to be forgotten too early: duplicates of it would be taken for new."""

    def is_new(self, item: ItemT_contra, at_ms: int) -> bool:
        """Whether this item was not seen before; from now on it was. ``at_ms`` is the time of its record."""


class Skipped(NamedTuple):
    """A record that could not be decoded."""

    partition: int
    offset: int
    error: BadRecord


class Partition(Generic[ItemT]):
    """One partition that is being read. Offsets are those of its log."""

    def __init__(self, index: int, *, read_from: int, deliver_from: int, memory: Memory[ItemT]) -> None:
        self.index = index
        self.deliver_from = deliver_from
        """The first record to hand out."""
        self.memory = memory
        self.reached = read_from
        """Up to here, records were handed out, left out or remembered."""
        self.done = deliver_from
        """Everything before this is processed, or needs no processing."""
        self.committed: int | None = None
        """What the log last confirmed of `done`."""
        self.moved: Memory[ItemT] | None = None
        """Items of this partition's keys in others, if partitions were added (`moved_keys`)."""
        self.topic_id = ""
        """The id of the topic that it is read from."""
        self.epochs = LeaderEpochs()
        """The leader epochs of what was read."""
        self.checked_epoch = UNKNOWN_EPOCH
        """The newest leader epoch whose log is known to hold what was read."""
        self.checked_connection = 0
        """How many connections had been lost when that was checked."""

    @property
    def mark(self) -> LogMark | None:
        """Identifies the log that `done` is an offset of; None if its epochs are not known."""
        entry = self.epochs.before(self.done)
        return None if entry is None else LogMark(self.topic_id, entry)

    @property
    def remembers(self) -> bool:
        """Whether `memory` is complete: everything that had to be read back has been."""
        return self.reached >= self.deliver_from


class Delivery(Generic[ItemT]):
    """What was fetched and waits to be handed out, and what is in the caller's hands."""

    def __init__(self, decode: Callable[[Record, int], ItemT], on_skipped: Callable[[Skipped], None]) -> None:
        self._decode = decode
        self._on_skipped = on_skipped
        self._waiting: deque[tuple[Partition[ItemT], deque[Record]]] = deque()
        self._in_hand: tuple[Partition[ItemT], int] | None = None
        """The partition of the items in hand, and where it is done once they are processed."""
        self.duplicates = 0
        """Items that were left out because they had been handed out before."""
        self.skipped = 0
        """Records that were left out because they could not be decoded."""

    def add(self, partition: Partition[ItemT], records: Iterable[Record]) -> None:
        """Queue records that were fetched, in order."""
        self._waiting.append((partition, deque(records)))

    def drop(self) -> None:
        """Forget what was not handed out yet: the partition's next reader fetches it again."""
        self._waiting.clear()

    def processed(self) -> None:
        """The items in hand are processed."""
        if self._in_hand is not None:
            partition, next_offset = self._in_hand
            partition.done = max(partition.done, next_offset)
            self._in_hand = None

    def take(self, items_max: int) -> list[ItemT]:
        """The next items, all of one partition; those in hand count as processed. Empty if there are none."""
        self.processed()
        while self._waiting:
            partition, records = self._waiting[0]
            items: list[ItemT] = []
            while records and len(items) < items_max:
                record = records.popleft()
                partition.reached = record.offset + 1
                items += self._examine(partition, record)
            if not records:
                self._waiting.popleft()
            if items:
                self._in_hand = partition, partition.reached
                return items
            partition.done = max(partition.done, partition.reached)
        return []

    def _examine(self, partition: Partition[ItemT], record: Record) -> tuple[ItemT, ...]:
        """The item of a record if it is to be handed out, else nothing."""
        is_old = record.offset < partition.deliver_from
        try:
            item = self._decode(record, partition.index)
        except BadRecord as error:
            if not is_old:
                self.skipped += 1
                self._on_skipped(Skipped(partition.index, record.offset, error))
            return ()
        is_new = partition.memory.is_new(item, record.timestamp)
        if partition.moved is not None:
            is_new &= partition.moved.is_new(item, record.timestamp)
        if is_old:
            return ()
        if not is_new:
            self.duplicates += 1
            return ()
        return (item,)
