"""Decides what `SqliteLog.poll` returns next. Runs in the event loop.

Rules:

1. Each partition has a position, the offset to return next. It advances in the same step in which a poll returns.
2. Records that were just written come from memory (the tail) if the reader is near enough, otherwise from the file.
3. A tail begins at its partition's position, has no gaps, and is bounded in bytes: beyond that it is dropped, not cut.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from touchline_protocol.errors import LogUnavailable
from touchline_server.core.log import CaughtUp, Chunk, LogEvent, OffsetsLost, Records, TopicMissing, TopicOpened

from .records import RECORD_BYTES, StoredRecord, Topic
from .store import Store
from .thread import StoreThread

POLL_S = 1.0
"""How long a poll waits for something to happen."""
POLL_RECORDS_MAX = 500
"""Records of a partition that one poll returns: the loop serves nobody else while it processes them."""
TAIL_BYTES_MAX = 4 << 20
"""How much of a partition is kept for a reader that falls behind. Beyond that, it reads from the file."""


class Found(NamedTuple):
    """A topic when it is opened: where to read each partition from, and where each ended at that time.

    For a topic that is read from its start, ``kept`` has each partition's newest records of keys whose records
    retention has removed. They are returned first, as a compacted topic would.
    """

    topic: Topic
    starts: Sequence[int]
    ends: Sequence[int]
    kept: Sequence[Sequence[StoredRecord]]


class _Reading:
    """A partition that is being read."""

    __slots__ = ("end", "number", "place", "tail", "tail_bytes", "target", "topic")

    def __init__(self, topic: Topic, number: int, place: int, target: int, end: int) -> None:
        self.topic = topic
        self.number = number
        self.place = place
        self.target = target
        self.end = end
        self.tail: deque[StoredRecord] = deque()
        self.tail_bytes = 0

    @property
    def behind(self) -> bool:
        """Whether the next record is only in the file."""
        return not self.tail and self.place < self.end

    def add(self, records: Sequence[StoredRecord]) -> None:
        """Note that ``records`` were just written."""
        if self.place + len(self.tail) == self.end == records[0].offset:
            self.tail.extend(records)
            self.tail_bytes += sum(map(_size_bytes, records))
        if self.tail_bytes > TAIL_BYTES_MAX:
            self.tail.clear()
            self.tail_bytes = 0
        self.end = max(self.end, records[-1].offset + 1)

    def take_tail(self) -> Records:
        """Take records from the beginning of the tail."""
        taken = [self.tail.popleft() for _ in range(min(len(self.tail), POLL_RECORDS_MAX))]
        self.tail_bytes -= sum(map(_size_bytes, taken))
        self.place += len(taken)
        return Records(self.topic.name, self.number, taken, self.place)

    def take(self, start: int, chunk: Chunk) -> Iterator[LogEvent]:
        """Take ``chunk``, which was read from the file, from ``start`` on."""
        if start > self.place:
            yield OffsetsLost(self.topic.name, self.number, start)
        self.place = max(start, chunk.reached + 1)
        if chunk.records:
            yield Records(self.topic.name, self.number, chunk.records, self.place)

    def from_file(self) -> Callable[[Store], tuple[int, Chunk]]:
        """A function for the store: it reads the records from our position on, or from the first one that is left."""
        epoch, place, up_to = self.topic.epoch, self.place, self.end - 1

        def read(store: Store) -> tuple[int, Chunk]:
            partition = store.partition(self.topic.name, epoch, self.number)
            start = max(place, partition.first)
            return start, store.read(partition, after=start - 1, up_to=up_to, records_max=POLL_RECORDS_MAX)

        return read


class LiveReader:
    """Reads some topics to their ends, and then follows them."""

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}
        self._awaited: set[str] = set()
        self._readings: dict[tuple[str, int], _Reading] = {}
        self._to_catch_up: dict[str, Sequence[_Reading]] = {}
        self._ends: dict[tuple[str, int], int] = {}
        """Where partitions ended when they were last written to. This may be known before their topic is opened."""
        self._events: deque[LogEvent] = deque()
        self._arrived = asyncio.Event()
        self._turn = 0

    def await_topic(self, name: str) -> None:
        """Note that the topic ``name``, which should be read, does not exist."""
        self._awaited.add(name)
        self._put(TopicMissing(name))
        self.problems[name] = "there is no such topic; it is read as soon as it is made"

    def open(self, found: Found, *, asked: bool = False) -> None:
        """Start to read a topic, if it was ``asked`` for or is awaited."""
        topic = found.topic
        if not asked and topic.name not in self._awaited:
            return
        self._awaited.discard(topic.name)
        self.problems.pop(topic.name, None)
        readings = []
        for number, (start, end) in enumerate(zip(found.starts, found.ends, strict=True)):
            place = (topic.name, number)
            reading = _Reading(topic, number, start, end, max(end, self._ends.get(place, 0)))
            self._readings[place] = reading
            readings.append(reading)
        firsts = [kept[0].offset if kept else start for kept, start in zip(found.kept, found.starts, strict=True)]
        self._put(TopicOpened(topic.name, topic.epoch, dict(enumerate(firsts))))
        for number, kept in enumerate(found.kept):
            if kept:
                self._put(Records(topic.name, number, kept, found.starts[number]))
        self._to_catch_up[topic.name] = readings

    def written(self, records: Mapping[tuple[str, int], Sequence[StoredRecord]]) -> None:
        """Note that records were written."""
        for place, several in records.items():
            self._ends[place] = several[-1].offset + 1
            if (reading := self._readings.get(place)) is not None:
                reading.add(several)
                self._arrived.set()

    async def poll(self, thread: StoreThread) -> list[LogEvent]:
        """See `core.log.Log.poll`."""
        if not self._events and not any(reading.place < reading.end for reading in self._readings.values()):
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._arrived.wait()
        thread.raise_failure()
        if not self._events and (reading := self._next_behind()) is not None:
            try:
                start, chunk = await thread.call(reading.from_file())
            except LogUnavailable:  # already listed among the problems
                thread.raise_failure()
                await asyncio.sleep(POLL_S)
                return []
            self._events.extend(reading.take(start, chunk))
        # From here on there is no await: records that are taken are returned.
        self._events.extend(reading.take_tail() for reading in self._readings.values() if reading.tail)
        self._tell_caught_up()
        events = list(self._events)
        self._events.clear()
        return events

    def _next_behind(self) -> _Reading | None:
        """The next partition that has to be read from the file, in turns."""
        behind = [reading for reading in self._readings.values() if reading.behind]
        self._turn += 1
        return behind[self._turn % len(behind)] if behind else None

    def _tell_caught_up(self) -> None:
        done = [
            name
            for name, readings in self._to_catch_up.items()
            if all(reading.place >= reading.target for reading in readings)
        ]
        for name in done:
            del self._to_catch_up[name]
            self._put(CaughtUp(name))

    def _put(self, event: LogEvent) -> None:
        self._events.append(event)
        self._arrived.set()


def _size_bytes(record: StoredRecord) -> int:
    return RECORD_BYTES + len(record.value or b"")
