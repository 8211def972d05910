"""Decides what `SqliteLog.poll` returns next. Runs in the event loop.

Rules:

1. Each partition has a next offset: the first one that has not been returned yet. It advances in the same step in which
   a poll returns, so a cancelled poll loses nothing.
2. Records that were just appended are served from memory (the tail) while the reader keeps up, otherwise from the file.
3. A tail starts at its partition's next offset, has no gaps, and is bounded in bytes: one that exceeds the limit is
   dropped as a whole, not shortened.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from touchline_protocol.errors import LogUnavailable
from touchline_server.core.log import CaughtUp, Chunk, LogEvent, OffsetsLost, Records, TopicMissing, TopicOpened

from .records import RECORD_BYTES, PartitionKey, StoredRecord, Topic
from .store import Store
from .thread import StoreThread

POLL_S = 1.0
"""How long a poll waits for something to happen."""
POLL_RECORDS_MAX = 500
"""Records of one partition that one poll returns: while they are processed, the event loop serves nobody else."""
TAIL_BYTES_MAX = 4 << 20
"""Kept in memory for each partition. A reader that falls further behind reads from the file."""


class ReadPlan(NamedTuple):
    """Where to read a topic's partitions from, and where each of them ended when the plan was made.

    ``state`` holds, for each partition of a topic that is read from its start, the newest record of each key whose
    records retention has removed. These are returned first, as a compacted topic would return them.
    """

    topic: Topic
    starts: Sequence[int]
    ends: Sequence[int]
    state: Sequence[Sequence[StoredRecord]]


class _PartitionReader:
    """Reads one partition. ``catch_up_to`` is the offset at which it ended when its topic was opened."""

    __slots__ = ("catch_up_to", "end", "next_offset", "number", "tail", "tail_bytes", "topic")

    def __init__(self, topic: Topic, number: int, next_offset: int, catch_up_to: int, end: int) -> None:
        self.topic = topic
        self.number = number
        self.next_offset = next_offset
        self.catch_up_to = catch_up_to
        self.end = end
        self.tail: deque[StoredRecord] = deque()
        self.tail_bytes = 0

    @property
    def needs_file(self) -> bool:
        """Whether the next record is only in the file."""
        return not self.tail and self.next_offset < self.end

    def add(self, records: Sequence[StoredRecord]) -> None:
        """Account for records that were just appended."""
        if self.next_offset + len(self.tail) == self.end == records[0].offset:
            self.tail.extend(records)
            self.tail_bytes += sum(map(_size_bytes, records))
        if self.tail_bytes > TAIL_BYTES_MAX:
            self.tail.clear()
            self.tail_bytes = 0
        self.end = max(self.end, records[-1].offset + 1)

    def take_tail(self) -> Records:
        """Remove the first records from the tail and return them."""
        taken = [self.tail.popleft() for _ in range(min(len(self.tail), POLL_RECORDS_MAX))]
        self.tail_bytes -= sum(map(_size_bytes, taken))
        self.next_offset += len(taken)
        return Records(self.topic.name, self.number, taken, self.next_offset)

    def take_chunk(self, start: int, chunk: Chunk) -> Iterator[LogEvent]:
        """Return what was read from the file, beginning at offset ``start``."""
        if start > self.next_offset:
            yield OffsetsLost(self.topic.name, self.number, start)
        self.next_offset = max(start, chunk.reached + 1)
        if chunk.records:
            yield Records(self.topic.name, self.number, chunk.records, self.next_offset)

    def file_query(self) -> Callable[[Store], tuple[int, Chunk]]:
        """The query to run on the store. It reads from the next offset, or from the oldest one that still exists."""
        epoch, next_offset, up_to = self.topic.epoch, self.next_offset, self.end - 1

        def read(store: Store) -> tuple[int, Chunk]:
            partition = store.partition(self.topic.name, epoch, self.number)
            start = max(next_offset, partition.first)
            return start, store.queries.read(partition, after=start - 1, up_to=up_to, records_max=POLL_RECORDS_MAX)

        return read


class LiveReader:
    """Returns the records that topics hold, and then new ones as they are appended."""

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}
        self._awaited: set[str] = set()
        self._partitions: dict[PartitionKey, _PartitionReader] = {}
        self._catching_up: dict[str, Sequence[_PartitionReader]] = {}
        self._ends: dict[PartitionKey, int] = {}
        """Where partitions ended after their latest append, which may come before their topic is opened here."""
        self._events: deque[LogEvent] = deque()
        self._arrived = asyncio.Event()
        self._rotation = 0

    @property
    def ready(self) -> bool:
        """Whether `poll` has something to return without waiting for an append."""
        return bool(self._events) or any(each.next_offset < each.end for each in self._partitions.values())

    @property
    def tail_bytes(self) -> int:
        """The size of all tails."""
        return sum(each.tail_bytes for each in self._partitions.values())

    def await_topic(self, name: str) -> None:
        """Report a topic as missing, and read it once it is created."""
        self._awaited.add(name)
        self._put(TopicMissing(name))
        self.problems[name] = "there is no such topic; it is read as soon as it is created"

    def open(self, plan: ReadPlan) -> None:
        """Read a topic from now on."""
        topic = plan.topic
        self._awaited.discard(topic.name)
        self.problems.pop(topic.name, None)
        partitions = []
        for number, (start, end) in enumerate(zip(plan.starts, plan.ends, strict=True)):
            key = (topic.name, number)
            partition = _PartitionReader(topic, number, start, end, max(end, self._ends.get(key, 0)))
            self._partitions[key] = partition
            partitions.append(partition)
        firsts = [state[0].offset if state else start for state, start in zip(plan.state, plan.starts, strict=True)]
        self._put(TopicOpened(topic.name, topic.epoch, dict(enumerate(firsts))))
        for number, state in enumerate(plan.state):
            if state:
                self._put(Records(topic.name, number, state, plan.starts[number]))
        self._catching_up[topic.name] = partitions

    def open_awaited(self, plan: ReadPlan) -> None:
        """Read a topic that was just created, if it is awaited."""
        if plan.topic.name in self._awaited:
            self.open(plan)

    def add(self, appended: Mapping[PartitionKey, Sequence[StoredRecord]]) -> None:
        """Account for records that were just appended."""
        for key, records in appended.items():
            self._ends[key] = records[-1].offset + 1
            if (partition := self._partitions.get(key)) is not None:
                partition.add(records)
                self._arrived.set()

    async def poll(self, thread: StoreThread) -> list[LogEvent]:
        """See `core.log.Log.poll`."""
        if not self.ready:
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._arrived.wait()
        thread.raise_failure()
        if not self._events and (partition := self._next_from_file()) is not None:
            try:
                start, chunk = await thread.call(partition.file_query())
            except LogUnavailable:  # already listed among the problems
                thread.raise_failure()
                await asyncio.sleep(POLL_S)
                return []
            self._events.extend(partition.take_chunk(start, chunk))
        # There is no await from here on: everything taken is returned.
        self._events.extend(each.take_tail() for each in self._partitions.values() if each.tail)
        self._put_caught_up()
        events = list(self._events)
        self._events.clear()
        return events

    def _next_from_file(self) -> _PartitionReader | None:
        """The next partition to read from the file, in rotation."""
        waiting = [each for each in self._partitions.values() if each.needs_file]
        self._rotation += 1
        return waiting[self._rotation % len(waiting)] if waiting else None

    def _put_caught_up(self) -> None:
        done = [
            name
            for name, partitions in self._catching_up.items()
            if all(each.next_offset >= each.catch_up_to for each in partitions)
        ]
        for name in done:
            del self._catching_up[name]
            self._put(CaughtUp(name))

    def _put(self, event: LogEvent) -> None:
        self._events.append(event)
        self._arrived.set()


def _size_bytes(record: StoredRecord) -> int:
    return RECORD_BYTES + len(record.value or b"")
