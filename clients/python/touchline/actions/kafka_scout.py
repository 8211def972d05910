"""Asking Kafka where to read: a consumer beside the one that reads, for a moment at a time.

It is no member of the group and disturbs no fetch: on the reader's own connection each question would wait for the
fetch before it, and each answer would have to be told from what is to be handed out.
"""

import asyncio
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Any, Literal, Self

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CommitFailedError
from aiokafka.structs import TopicPartition

from touchline_protocol.errors import OperatorError

from .kafka_connect import started_consumer, stop_consumer
from .placing import Bounds

REQUEST_TIMEOUT_MS = 5_000
FETCH_WAIT_MS = 50
"""What it asks for is there already, so there is nothing to wait for."""
CLOSE_TIMEOUT_S = 1.0
"""It has nobody to take leave of."""
PROBE_S = 1.0
"""A record that is there comes in milliseconds. None comes where a transaction's marker is in its place."""
PROBE_FACTOR = 16
"""How much further back the next look is, after such a place."""


class Scout:
    """For ``async with``. Raises what `started_consumer` raises on entering, and aiokafka's errors later."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = {**options, "request_timeout_ms": REQUEST_TIMEOUT_MS, "fetch_max_wait_ms": FETCH_WAIT_MS}
        self._reader: AIOKafkaConsumer

    async def __aenter__(self) -> Self:
        self._reader = await started_consumer(self._options)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await stop_consumer(self._reader, CLOSE_TIMEOUT_S)

    async def begin_group(self, topic: str, start: Literal["end", "beginning"]) -> bool:
        """Commit where a group begins that never read ``topic``, for all partitions at once; whether it did.

        Done by whoever comes first, before it joins: so a partition without a commit was added later, whoever sees it.
        And what comes in from now on is read, even if this reader ends before it has read anything.

        Raises:
            OperatorError: there is no such topic.
        """
        cluster = await self._reader._client.fetch_all_metadata()  # to ask for one topic can make it
        indexes = cluster.partitions_for_topic(topic)
        if not indexes:
            raise OperatorError(
                f"Kafka has no topic {topic}, or hides it from this user: make it, with `touchline topics --create`"
            )
        partitions = [TopicPartition(topic, index) for index in sorted(indexes)]
        found = await self.bounds(partitions)
        if any(bounds.committed is not None for bounds in found.values()):
            return False
        self._reader.assign(partitions)
        try:
            await self._reader.commit(
                {tp: bounds.end if start == "end" else bounds.begin for tp, bounds in found.items()}
            )
        except CommitFailedError:
            return False  # others joined since we asked, and they have committed
        return True

    async def bounds(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Bounds]:
        """What there is of partitions, and where the group stopped."""
        ordered = list(partitions)
        committed = await asyncio.gather(*map(self._reader.committed, ordered))
        begins = await self._reader.beginning_offsets(ordered)
        ends = await self._reader.end_offsets(ordered)
        return {tp: Bounds(offset, begins[tp], ends[tp]) for tp, offset in zip(ordered, committed, strict=True)}

    async def look_back(
        self, starts: Mapping[TopicPartition, tuple[int, int]], look_back_ms: int
    ) -> dict[TopicPartition, int]:
        """Where to read back from, for partitions with the offset to go on at and the log's first one.

        It is where the records begin that are at most ``look_back_ms`` older than the one before the offset.
        """
        found = {tp: begin for tp, (_, begin) in starts.items()}
        asked = set(starts)
        step = 1
        while asked := {tp for tp in asked if starts[tp][0] - step > starts[tp][1]}:
            times = await self._times({tp: starts[tp][0] - step for tp in asked})
            since = {tp: max(0, at_ms - look_back_ms) for tp, at_ms in times.items()}
            for tp, place in (await self._reader.offsets_for_times(since) if since else {}).items():
                found[tp] = starts[tp][0] if place is None else min(place.offset, starts[tp][0])
            asked -= times.keys()
            step *= PROBE_FACTOR
        return found

    async def _times(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """The time of the first record from an offset on, where there is one."""
        self._reader.assign(list(offsets))
        for tp, offset in offsets.items():
            self._reader.seek(tp, offset)
        times: dict[TopicPartition, int] = {}
        deadline = asyncio.get_running_loop().time() + PROBE_S
        while len(times) < len(offsets) and asyncio.get_running_loop().time() < deadline:
            for tp, records in (await self._reader.getmany(timeout_ms=FETCH_WAIT_MS)).items():
                times.setdefault(tp, records[0].timestamp)
                self._reader.pause(tp)
        return times
