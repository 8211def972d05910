"""Damage to topics. It reads beforehand what it is about to destroy, so that the checker knows it."""

import asyncio
import signal
from collections.abc import Mapping

from cluster.plan import Fault
from cluster.producers import Publisher
from cluster.rig import Rig
from cluster.scene import GROWN, RECREATED, TRIMMED
from cluster.truth import Truth

KEPT = 3
"""Records at the end of a partition that a deletion leaves."""
PARTITIONS_MAX = 8
OVERTAKEN_S = 3.0
"""How long an edge is stopped before the records that it has not read are deleted."""


class TopicFaults:
    """Deletes records and topics, and adds partitions."""

    def __init__(self, rig: Rig, publishers: Mapping[str, Publisher], truth: Truth) -> None:
        self._rig = rig
        self._publishers = publishers
        self._truth = truth
        self._partitions = GROWN.partitions

    async def trim(self, fault: Fault) -> None:
        """Delete the records of a partition, but for the last few."""
        ends = await self._truth.read(TRIMMED, 0)
        partition = fault.target % TRIMMED.partitions
        await self._rig.cluster.trim(TRIMMED.topic, partition, max(0, ends[partition] - KEPT))

    async def overtake(self, fault: Fault) -> None:
        """Delete records that an edge has not read yet."""
        edge = self._rig.edges[fault.target % len(self._rig.edges)]
        async with edge.lock:
            edge.send_signal(signal.SIGSTOP)
            await asyncio.sleep(OVERTAKEN_S)
            try:
                for partition in range(TRIMMED.partitions):
                    await self.trim(fault._replace(target=partition))
            finally:
                edge.send_signal(signal.SIGCONT)

    async def recreate(self, _: Fault) -> None:
        """Delete a topic and create it again, while nobody publishes to it."""
        publisher = self._publishers[RECREATED.name]
        await publisher.pause()
        await self._truth.read(RECREATED, publisher.generation)
        await self._rig.cluster.delete(RECREATED.topic)
        await self._rig.create(RECREATED)
        publisher.generation += 1
        publisher.resume()

    async def add_partitions(self, _: Fault) -> None:
        """Add partitions, while two producers publish whose clocks differ, and which notice it at different times."""
        if self._partitions < PARTITIONS_MAX:
            self._partitions *= 2
            await self._rig.cluster.add_partitions(GROWN.topic, self._partitions)
