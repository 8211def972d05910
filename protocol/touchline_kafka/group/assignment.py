"""Which partitions this reader of a group has, and from where it reads each.

Rules:

1. Partitions that are assigned are paused until they are placed, so nothing of them is fetched. A partition without a
   leader is placed once it has one, and keeps no other waiting.
2. Partitions that come back at once continue with what they remember.
3. Before records are handed out that another leader wrote, or that came after a connection was lost, it is checked that
   the log still holds what was read (`check`). If not, the partition is placed again, at the divergence.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Generic

from aiokafka.errors import LeaderNotAvailableError
from aiokafka.structs import TopicPartition

from touchline_kafka.cluster import Cluster
from touchline_kafka.errors import error_of
from touchline_kafka.leader_epochs import UNKNOWN_EPOCH, EpochEntry, LeaderEpochs
from touchline_kafka.repairs import Consumer
from touchline_kafka.topics import NO_LEADER
from touchline_protocol.errors import BadRecord
from touchline_protocol.records import Record

from .delivery import ItemT, Memory, Partition
from .moved_keys import is_misplaced
from .offset_lookup import OffsetLookup
from .rebalance import hold
from .start_offsets import Bounds, Start, start_of, stop_of

COUNT_S = 1.0
"""How often to look whether partitions were added, while records are not where their keys belong."""
MOVED_S_MAX = 30.0
"""How long the start of partitions waits for what their keys have in others."""

_log = logging.getLogger("touchline.kafka")


class Assignment(Generic[ItemT]):
    """The partitions of ``topic`` that one ``consumer`` has. ``options`` are those that it was made with."""

    def __init__(
        self,
        consumer: Consumer,
        cluster: Cluster,
        options: Mapping[str, Any],
        *,
        topic: str,
        decode: Callable[[Record, int], ItemT],
        new_memory: Callable[[], Memory[ItemT]],
        look_back_ms: int,
    ) -> None:
        self._consumer = consumer
        self._cluster = cluster
        self._options = options
        self._topic, self._decode = topic, decode
        self._new_memory = new_memory
        self._look_back_ms = look_back_ms
        self.partitions: dict[TopicPartition, Partition[ItemT]] = {}
        """Those that are being read."""
        self._unplaced: set[TopicPartition] = set()
        """Assigned, and paused."""
        self._kept: dict[TopicPartition, Partition[ItemT]] = {}
        """Read until the newest rebalance or failure, and perhaps to be continued."""
        self._rebalances = 0
        self._partition_count = 0
        """How many partitions the topic had when it was last asked for."""
        self._counted_at = -COUNT_S

    @property
    def is_placed(self) -> bool:
        """Whether all partitions are being read."""
        return not self._unplaced

    def assign(self, partitions: Collection[TopicPartition]) -> None:
        """The group gave us these partitions, and no others."""
        self._unplaced = set(partitions)
        hold(self._consumer, partitions)

    def revoke(self) -> None:
        """The group took all partitions back."""
        self._rebalances += 1
        self._kept.update(self.partitions)
        self.partitions, self._unplaced = {}, set()

    def place_again(self, partitions: Iterable[TopicPartition]) -> None:
        """Continue with partitions from what is processed, as soon as they are placed."""
        again = [tp for tp in partitions if tp in self.partitions]
        self._kept.update({tp: self.partitions.pop(tp) for tp in again})
        self._unplaced.update(again)
        hold(self._consumer, again)

    async def place(self) -> None:
        """Begin to read what is not placed yet and has a leader, unless a rebalance comes in between.

        Raises:
            OperatorError, KafkaError, OSError, TimeoutError: Kafka did not say from where.
        """
        partitions, rebalances = list(self._unplaced), self._rebalances
        connection = self._consumer.client.connections_lost
        async with self._lookup() as lookup:
            found = await self._starts(lookup, partitions, self._kept, {})
            unknown = {
                tp: (start.offset, bounds.begin) for tp, (bounds, start) in found.items() if not start.remembered
            }
            offsets = await lookup.look_back(unknown, self._look_back_ms) if unknown and self._look_back_ms else {}
        moved = await self._read_moved(found) if self._look_back_ms else {}
        if rebalances != self._rebalances:
            return  # they are not ours any more, or others are too
        for tp, (bounds, start) in found.items():
            if start.problem:
                _log.warning("%s, partition %d: %s", tp.topic, tp.partition, start.problem)
            self._begin(tp, bounds, start, offsets.get(tp, start.offset))
            self.partitions[tp].checked_connection = connection
            self.partitions[tp].moved = moved.get(tp.partition)
        self._unplaced -= found.keys()
        if self.is_placed:
            self._kept.clear()

    async def _read_moved(self, partitions: Collection[TopicPartition]) -> dict[int, Memory[ItemT]]:
        """Memories of what the keys of partitions have in others, if partitions were added not long ago."""
        memories = {tp.partition: self._new_memory() for tp in partitions}

        def remember(home: int, partition: int, record: Record) -> None:
            if home in memories:
                with contextlib.suppress(BadRecord):
                    memories[home].is_new(self._decode(record, partition), record.timestamp)

        count, since_ms = 0, round(time.time() * 1000) - self._look_back_ms
        try:
            async with asyncio.timeout(MOVED_S_MAX), OffsetLookup(self._cluster, self._options) as lookup:
                count = await lookup.read_moved(await lookup.topic(self._topic), since_ms, remember)
        except TimeoutError:
            _log.warning("%s: reading what moved keys have elsewhere took too long: duplicates may pass", self._topic)
            return memories
        if not count:
            return {}
        _log.error(
            "%s has %d records of the last %g s in other partitions than their keys belong to now, as if partitions "
            "were added while it was written to: duplicates are recognised, but the order of keys that moved is lost",
            self._topic,
            count,
            self._look_back_ms / 1000,
        )
        return memories

    def _begin(self, tp: TopicPartition, bounds: Bounds, start: Start, read_from: int) -> None:
        memory, epochs = self._new_memory(), LeaderEpochs()
        if start.remembered:
            memory, epochs = self._kept[tp].memory, self._kept[tp].epochs
        else:
            epochs.add(EpochEntry(bounds.leader_epoch, start.offset))
        partition = Partition(tp.partition, read_from=read_from, deliver_from=start.offset, memory=memory)
        partition.committed = bounds.committed
        partition.topic_id, partition.epochs, partition.checked_epoch = bounds.topic_id, epochs, bounds.leader_epoch
        self.partitions[tp] = partition
        self._consumer.epochs[tp] = epochs
        self._consumer.seek(tp, read_from)
        self._consumer.resume(tp)

    def is_checked(self, tp: TopicPartition, records: Sequence[Record] = ()) -> bool:
        """Whether the log that these records were fetched from is known to hold what was read before."""
        partition = self.partitions[tp]
        newest = self._consumer.epochs[tp].before(records[-1].offset + 1) if records else None
        if self._is_count_doubtful and is_misplaced(tp.partition, records, self._partition_count):
            return False
        return partition.checked_connection == self._consumer.client.connections_lost and (
            newest is None or newest.epoch <= partition.checked_epoch
        )

    @property
    def _is_count_doubtful(self) -> bool:
        return time.monotonic() - self._counted_at >= COUNT_S

    @property
    def is_all_checked(self) -> bool:
        """Whether no connection was lost since the logs were checked."""
        return all(self.is_checked(tp) for tp in self.partitions)

    async def check(self, fetched: Mapping[TopicPartition, Sequence[Record]]) -> None:
        """Check that the logs still hold what was read, before these records of them count.

        Partitions of which that is not so are placed again. Those without a leader remain unchecked.

        Raises:
            OperatorError, KafkaError, OSError, TimeoutError: Kafka did not say.
        """
        read, rebalances = dict(self.partitions), self._rebalances
        connection = self._consumer.client.connections_lost
        newest = {tp: self._consumer.epochs[tp].before(records[-1].offset + 1) for tp, records in fetched.items()}
        count, self._counted_at = self._partition_count, time.monotonic()
        seen = {tp: entry.epoch for tp, entry in newest.items() if entry is not None}
        async with self._lookup() as lookup:
            found = await self._starts(lookup, list(read), read, seen)
        if rebalances != self._rebalances:
            return
        for tp, (bounds, start) in found.items():
            partition = read[tp]
            if start.problem or start.offset != partition.done or self._partition_count > count:
                self.place_again([tp])
                continue
            partition.checked_epoch = max(bounds.leader_epoch, seen.get(tp, UNKNOWN_EPOCH))
            partition.checked_connection = connection

    @asynccontextmanager
    async def _lookup(self) -> AsyncIterator[OffsetLookup]:
        async with (
            asyncio.timeout(self._cluster.connect_timeout_s),
            OffsetLookup(self._cluster, self._options) as lookup,
        ):
            yield lookup

    async def _starts(
        self,
        lookup: OffsetLookup,
        partitions: Collection[TopicPartition],
        read: Mapping[TopicPartition, Partition[ItemT]],
        seen: Mapping[TopicPartition, int],
    ) -> dict[TopicPartition, tuple[Bounds, Start]]:
        """Where to continue in the partitions that have a leader, from what was ``read`` of them."""
        topic = await lookup.topic(self._topic)
        if topic.error:
            raise error_of(topic.error)
        self._partition_count = len(topic.leaders)
        led = [tp for tp in partitions if topic.leaders.get(tp.partition, NO_LEADER) != NO_LEADER]
        if partitions and not led:
            raise LeaderNotAvailableError(f"no partition of {self._topic} has a leader")
        bounds = await lookup.bounds(topic, led)
        stops = {tp: stop_of(bounds[tp], read.get(tp)) for tp in led}
        ends = await lookup.epoch_ends(topic, stops, seen)
        return {tp: (bounds[tp], start_of(bounds[tp], stops[tp], ends.get(tp))) for tp in led}
