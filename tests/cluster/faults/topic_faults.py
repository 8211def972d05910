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
COMMITTED_S = 1.0
"""How long records that nobody acknowledged may take to be committed, once all replicas are in sync."""
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
        async with self._rig.united:
            await self._trim(fault.target % TRIMMED.partitions)

    async def overtake(self, fault: Fault) -> None:
        """Delete records that an edge has not read yet."""
        edge = self._rig.edges[fault.target % len(self._rig.edges)]
        async with self._rig.united, edge.lock:
            edge.send_signal(signal.SIGSTOP)
            await asyncio.sleep(OVERTAKEN_S)
            try:
                for partition in range(TRIMMED.partitions):
                    await self._trim(partition)
            finally:
                edge.send_signal(signal.SIGCONT)

    async def recreate(self, _: Fault) -> None:
        """Delete a topic and create it again, while nobody publishes to it."""
        publisher = self._publishers[RECREATED.name]
        await publisher.pause()
        async with self._rig.united:
            await self._rig.admin.until_in_sync(RECREATED.topic)
            await asyncio.sleep(COMMITTED_S)
            await self._truth.read(RECREATED, publisher.generation)
            await self._rig.admin.delete(RECREATED.topic)
            await self._rig.create(RECREATED)
            publisher.generation += 1
        publisher.resume()

    async def add_partitions(self, _: Fault) -> None:
        """Add partitions, while two producers publish whose clocks differ, and which notice it at different times."""
        if self._partitions < PARTITIONS_MAX:
            self._partitions *= 2
            async with self._rig.united:
                await self._rig.admin.add_partitions(GROWN.topic, self._partitions)

    async def _trim(self, partition: int) -> None:
        await self._rig.admin.until_in_sync(TRIMMED.topic)
        ends = await self._truth.read(TRIMMED, 0)
        await self._rig.admin.trim(TRIMMED.topic, partition, max(0, ends[partition] - KEPT))
