"""Which partitions this reader of a group has, and from where it reads each.

Rules:

1. Partitions that are assigned are paused until they are placed, so nothing of them is fetched.
2. Partitions that come back at once continue with what they remember.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Generic

from aiokafka.structs import TopicPartition

from touchline_kafka.cluster import Cluster
from touchline_kafka.repairs import Consumer

from .delivery import ItemT, Memory, Partition
from .offset_lookup import OffsetLookup
from .start_offsets import start_of

_log = logging.getLogger("touchline.kafka")


class Assignment(Generic[ItemT]):
    """The partitions of one ``consumer``. ``options`` are those that it was made with."""

    def __init__(
        self,
        consumer: Consumer,
        cluster: Cluster,
        options: Mapping[str, Any],
        *,
        new_memory: Callable[[], Memory[ItemT]],
        look_back_ms: int,
    ) -> None:
        self._consumer = consumer
        self._cluster = cluster
        self._options = options
        self._new_memory = new_memory
        self._look_back_ms = look_back_ms
        self.partitions: dict[TopicPartition, Partition[ItemT]] = {}
        """Those that are being read."""
        self._unplaced: set[TopicPartition] = set()
        """Assigned, and paused."""
        self._kept: dict[TopicPartition, Partition[ItemT]] = {}
        """Read until the newest rebalance or failure, and perhaps to be continued."""
        self._rebalances = 0

    @property
    def is_placed(self) -> bool:
        """Whether all partitions are being read."""
        return not self._unplaced

    def assign(self, partitions: Collection[TopicPartition]) -> None:
        """The group gave us these partitions, and no others."""
        self._unplaced = set(partitions)
        self._hold(partitions)

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
        self._hold(again)

    def _hold(self, partitions: Collection[TopicPartition]) -> None:
        """Fetch nothing of partitions. They get some offset, or aiokafka would look for one, and raise without."""
        for tp in partitions:
            self._consumer.pause(tp)
            self._consumer.seek(tp, 0)

    async def place(self) -> None:
        """Begin to read what is not placed yet, unless a rebalance comes in between.

        Raises:
            OperatorError, KafkaError, OSError, TimeoutError: Kafka did not say from where.
        """
        partitions, rebalances = list(self._unplaced), self._rebalances
        async with (
            asyncio.timeout(self._cluster.connect_timeout_s),
            OffsetLookup(self._cluster, self._options) as lookup,
        ):
            bounds = await lookup.bounds(partitions)
            starts = {tp: start_of(bounds[tp], self._kept.get(tp)) for tp in partitions}
            unknown = {tp: (start.offset, bounds[tp].begin) for tp, start in starts.items() if not start.remembered}
            offsets = await lookup.look_back(unknown, self._look_back_ms) if self._look_back_ms else {}
        if rebalances != self._rebalances:
            return  # they are not ours any more, or others are too
        for tp, start in starts.items():
            if start.problem:
                _log.warning("%s, partition %d: %s", tp.topic, tp.partition, start.problem)
            memory = self._kept[tp].memory if start.remembered else self._new_memory()
            read_from = offsets.get(tp, start.offset)
            partition = Partition(tp.partition, read_from=read_from, deliver_from=start.offset, memory=memory)
            partition.committed = bounds[tp].committed
            self.partitions[tp] = partition
            self._consumer.seek(tp, read_from)
            self._consumer.resume(tp)
        self._unplaced.clear()
        self._kept.clear()
