"""Telling the group what is processed.

Rules: one commit is under way at a time, so an earlier one never undoes a later one. A commit that failed is part of
the next one. A commit takes nothing back.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from aiokafka.errors import CommitFailedError, IllegalStateError
from aiokafka.structs import TopicPartition

from touchline_kafka.repairs import Consumer

from .delivery import Partition

COMMIT_TIMEOUT_S = 5.0

_log = logging.getLogger("touchline.kafka")


class Commits:
    """The commits of one ``consumer``."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._lock = asyncio.Lock()

    async def commit(self, partitions: Mapping[TopicPartition, Partition[Any]]) -> None:
        """Commit what is processed of ``partitions``.

        Raises:
            KafkaError, OSError, TimeoutError: Kafka did not take it.
        """
        async with self._lock:
            changed = {tp: one for tp, one in partitions.items() if one.done != one.committed}
            if not changed:
                return
            offsets = {tp: partition.done for tp, partition in changed.items()}
            marks = {tp: partition.mark for tp, partition in changed.items()}
            try:
                async with asyncio.timeout(COMMIT_TIMEOUT_S):
                    forwards = await self._forwards(offsets)
                    await self._consumer.commit(
                        {tp: (offset, mark.text() if (mark := marks[tp]) else "") for tp, offset in forwards.items()}
                    )
            except (CommitFailedError, IllegalStateError):
                _log.info("the group went on without this reader: what was processed last is not committed")
                return
            for tp, partition in changed.items():
                partition.committed = offsets[tp]

    async def _forwards(self, offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int]:
        """Those of ``offsets`` that take nothing back.

        A reader that was thrown out has no generation. Kafka accepts its commit if the group is empty, and others may
        have come and gone since.
        """
        if self._consumer.is_member:
            return offsets
        committed = await self._consumer.committed_with_metadata(offsets)
        return {tp: offset for tp, offset in offsets.items() if tp not in committed or committed[tp].offset <= offset}
