"""Asking Kafka where to read: a consumer beside the one that reads, for a moment at a time.

It is not a member of the group and disturbs no fetch: on the reader's own connection each question would wait for the
fetch before it, and its answers would have to be kept apart from what is handed out.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import Any, Literal, Self

from aiokafka.errors import CommitFailedError
from aiokafka.structs import TopicPartition

from touchline_kafka.client import RELEASE_S
from touchline_kafka.cluster import Cluster
from touchline_kafka.fetch import epoch_ends
from touchline_kafka.leader_epochs import UNKNOWN_EPOCH, EpochEnd, EpochEntry
from touchline_kafka.repairs import Consumer
from touchline_kafka.topics import Topic, Topics
from touchline_protocol.records import Record

from .log_mark import LogMark
from .moved_keys import read_moved
from .start_offsets import Bounds, Stop

REQUEST_TIMEOUT_MS = 5_000
FETCH_WAIT_MS = 50
"""The records it asks for exist already, so there is nothing to wait for."""
PROBE_S = 1.0
"""A record that exists arrives in milliseconds. None arrives where a transaction's marker is in its place."""
PROBE_FACTOR = 16
"""How much further back the next look is, after such a place."""
CLOCKS_MAX = 4
"""How often to look back from where the look before ended, in search of another clock's records."""
CLOCKS_APART_MS = 60_000
"""A record that is this much older than the next one has another clock, or nothing was written in between."""


class OffsetLookup:
    """Use it with ``async with``. Entering raises what `Cluster.consumer` raises; the methods raise aiokafka's errors.

    ``options`` are those of the reader's consumer.
    """

    def __init__(self, cluster: Cluster, options: Mapping[str, Any]) -> None:
        self._cluster = cluster
        self._options = {**options, "request_timeout_ms": REQUEST_TIMEOUT_MS, "fetch_max_wait_ms": FETCH_WAIT_MS}
        self._consumer: Consumer

    async def __aenter__(self) -> Self:
        self._consumer = await self._cluster.consumer(**self._options)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop_within(RELEASE_S)

    async def begin_group(self, topic: str, start: Literal["end", "beginning"]) -> bool:
        """Commit, for all partitions at once, where a group begins that never read ``topic``; returns whether it did.

        The first reader does it before it joins: so a partition without a commit was added later, whichever reader
        sees it. And what arrives from now on is read, even if this reader ends before it has read anything.

        Raises:
            NoSuchTopic: there is no such topic.
        """
        found = (await self.topic(topic)).usable()
        partitions = [TopicPartition(topic, index) for index in sorted(found.leaders)]
        bounds = await self.bounds(found, partitions)
        if any(one.committed is not None for one in bounds.values()):
            return False
        self._consumer.assign(partitions)
        offsets = {tp: one.end if start == "end" else one.begin for tp, one in bounds.items()}
        marks = {tp: LogMark(found.epoch, EpochEntry(bounds[tp].leader_epoch, at)) for tp, at in offsets.items()}
        try:
            await self._consumer.commit({tp: (offset, marks[tp].text()) for tp, offset in offsets.items()})
        except CommitFailedError:
            return False  # others joined in the meantime, and they have committed
        return True

    async def topic(self, name: str) -> Topic:
        """The topic as a broker knows it now. Ask this before `bounds`: leader epochs only rise."""
        return (await Topics(self._consumer.client).describe([name]))[name]

    async def bounds(self, topic: Topic, partitions: Collection[TopicPartition]) -> dict[TopicPartition, Bounds]:
        """What there is of partitions, and where the group stopped."""
        ordered = list(partitions)
        committed = await self._consumer.committed_with_metadata(ordered)
        begins = await self._consumer.beginning_offsets(ordered)
        ends = await self._consumer.end_offsets(ordered)
        bounds = {}
        for tp in ordered:
            offset, metadata = committed.get(tp, (None, ""))
            epoch = topic.leader_epochs.get(tp.partition, UNKNOWN_EPOCH)
            bounds[tp] = Bounds(offset, begins[tp], ends[tp], LogMark.parse(metadata), topic.epoch, epoch)
        return bounds

    async def epoch_ends(
        self, topic: Topic, stops: Mapping[TopicPartition, Stop], seen: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, EpochEnd]:
        """Where the leader epochs of the stops' marks end. ``seen`` are leader epochs that fetched batches have."""
        asked = {
            tp: stop.mark.entry.epoch
            for tp, stop in stops.items()
            if stop.mark is not None and stop.mark.topic_id == topic.epoch and stop.mark.entry.epoch != UNKNOWN_EPOCH
        }
        ends = await epoch_ends(
            self._consumer.client,
            topic,
            {tp.partition: epoch for tp, epoch in asked.items()},
            {tp.partition: epoch for tp, epoch in seen.items()},
        )
        return {tp: ends[tp.partition] for tp in asked if tp.partition in ends}

    async def read_moved(self, topic: Topic, since_ms: int, remember: Callable[[int, int, Record], None]) -> int:
        """See `moved_keys.read_moved`."""
        return await read_moved(self._consumer, topic, since_ms, remember)

    async def look_back(
        self, starts: Mapping[TopicPartition, tuple[int, int]], look_back_ms: int
    ) -> dict[TopicPartition, int]:
        """Where to read back from, given each partition's offset to continue at and its log's first offset.

        That is where the records begin that are at most ``look_back_ms`` older than the one before the offset, by the
        clock of whoever wrote it. If the records before that are much older, another clock may have written them: an
        edge's that is hours behind, and was in use until a moment ago. So the same applies to them.
        """
        found = {tp: begin for tp, (_, begin) in starts.items()}
        ends = {tp: offset for tp, (offset, _) in starts.items()}
        since: dict[TopicPartition, int] = {}
        for _ in range(CLOCKS_MAX):
            begins = {tp: starts[tp][1] for tp in ends}
            times = await self._times_before(ends, begins)
            older = {tp: at_ms for tp, at_ms in times.items() if tp not in since or at_ms < since[tp] - CLOCKS_APART_MS}
            since = {tp: max(0, at_ms - look_back_ms) for tp, at_ms in older.items()}
            for tp, place in (await self._consumer.offsets_for_times(since) if since else {}).items():
                found[tp] = ends[tp] if place is None else min(place.offset, ends[tp])
            ends = {tp: found[tp] for tp in since}
        return found

    async def _times_before(
        self, ends: Mapping[TopicPartition, int], begins: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """The time of a record before each offset: of the last one, but for transactions' markers in its place."""
        times: dict[TopicPartition, int] = {}
        asked = set(ends)
        step = 1
        while asked := {tp for tp in asked if ends[tp] - step >= begins[tp]}:
            times |= await self._times({tp: ends[tp] - step for tp in asked})
            asked -= times.keys()
            step *= PROBE_FACTOR
        return times

    async def _times(self, offsets: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """The time of the first record from an offset on, for the partitions that have one."""
        self._consumer.assign(list(offsets))
        for tp, offset in offsets.items():
            self._consumer.seek(tp, offset)
        times: dict[TopicPartition, int] = {}
        deadline = asyncio.get_running_loop().time() + PROBE_S
        while len(times) < len(offsets) and asyncio.get_running_loop().time() < deadline:
            for tp, records in (await self._consumer.getmany(timeout_ms=FETCH_WAIT_MS)).items():
                times.setdefault(tp, records[0].timestamp)
                self._consumer.pause(tp)
        return times
