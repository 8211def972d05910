"""Helpers for the contract suite of logs: the harness that a test module provides, and a reader that checks events."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

import pytest

from touchline_protocol.records import Record
from touchline_server.core.log import (
    CaughtUp,
    History,
    HistoryBegan,
    HistoryRead,
    Log,
    LogEvent,
    OffsetsLost,
    PartitionCaughtUp,
    PartitionOpened,
    PartitionsAdded,
    Position,
    Records,
    TopicMissing,
    TopicOpened,
)

WAIT_S = 60.0
"""How long to wait for an event: a broker that restarts needs a few seconds, and more on a busy machine."""


class Raw(NamedTuple):
    """A record as any producer may write it, including records that `Entry` cannot express."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp: int | None = None


class Harness(Protocol):
    """Controls the system behind a log, a broker or a file, from outside of the log."""

    def unused_name(self) -> str:
        """A name that no topic has had yet."""

    async def create_topic(self, partitions: int = 1, name: str | None = None) -> str:
        """Create a topic and return its name."""

    async def append(self, topic: str, records: Sequence[Raw], *, partition: int | None = None) -> list[Position]:
        """Write records as another producer would, to the given partition or to those that their keys belong to."""

    async def trim(self, topic: str, partition: int, before: int) -> None:
        """Remove all records below an offset, as retention does."""

    async def recreate_topic(self, topic: str, partitions: int = 1) -> None:
        """Delete a topic and create it again. Unless the harness is a `SharedHarness`, no log is open meanwhile."""

    async def stop(self) -> None:
        """Break the system, so that nothing can be appended."""

    async def start(self) -> None:
        """Undo `stop`. No acknowledged record is lost."""

    async def open_log(self, *topics: str, since_ms: int = 0, from_start: Collection[str] = ()) -> Log:
        """Open a new log that reads ``topics``. It is closed at the end of the test, if not earlier.

        Only one embedded log can be open at a time.
        """


class SharedHarness(Harness, Protocol):
    """A harness for a log that others use while it is being read."""

    async def delete_topic(self, topic: str) -> None:
        """Delete a topic for good."""

    async def add_partitions(self, topic: str, partitions: int) -> None:
        """Raise the number of partitions to ``partitions``."""

    async def leave_hole(self, topic: str, partition: int) -> None:
        """Use up at least one offset of a partition without a record that readers see."""


class Reader:
    """Polls a log, keeps its events, and checks the rules that all events follow."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.events: list[LogEvent] = []
        self.records: dict[tuple[str, int], list[Record]] = defaultdict(list)
        """The records of each topic and partition in the topic's current epoch."""
        self.epochs: dict[str, str] = {}
        self.next: dict[tuple[str, int], int] = {}
        """The lowest offset that may come next, by topic and partition."""
        self.older: dict[tuple[str, int], list[Record]] = defaultdict(list)
        """What was read back of each topic and partition, in the order of the offsets."""
        self.complete: dict[tuple[str, int], bool] = {}
        """The partitions that were read back, and whether the log had nothing older."""
        self.starts: dict[tuple[str, int], int] = {}
        """Where each partition's new records began."""
        self._read_to: dict[tuple[str, int], int] = {}
        self._to_catch_up: set[str] = set()
        self._late: set[tuple[str, int]] = set()
        """Partitions that were opened after their topic and are not caught up yet."""

    async def until(self, condition: Callable[[], bool]) -> None:
        """Poll until the condition holds."""
        try:
            async with asyncio.timeout(WAIT_S):
                while not condition():
                    self.take(await self.log.poll())
        except TimeoutError:
            shown = [event for event in self.events if not isinstance(event, Records)]
            counts = {key: len(records) for key, records in self.records.items()}
            pytest.fail(f"did not happen in {WAIT_S} s; events {shown}, records {counts}, problems {self.log.problems}")

    async def until_caught_up(self, *topics: str) -> None:
        """Poll until the topics are open and caught up with."""
        await self.until(lambda: all(topic in self.epochs and topic not in self._to_catch_up for topic in topics))

    async def until_values(self, topic: str, values: Sequence[bytes | None]) -> None:
        """Poll until the topic has as many records as ``values``, and check that they are the same, in any order."""
        await self.until(lambda: len(self.all(topic)) >= len(values))
        assert sorted_values(self.all(topic)) == sorted(values, key=repr)

    def all(self, topic: str) -> list[Record]:
        """All records of a topic, ordered by partition."""
        return [record for key in sorted(self.records) if key[0] == topic for record in self.records[key]]

    def events_of(self, kind: type[LogEvent], topic: str) -> list[LogEvent]:
        """All events of one kind for a topic."""
        return [event for event in self.events if isinstance(event, kind) and event.topic == topic]

    def take(self, events: Sequence[LogEvent]) -> None:
        """Check and keep the events that a poll returned."""
        for event in events:
            self.events.append(event)
            match event:
                case TopicOpened(topic, epoch, starts, offline):
                    assert not starts.keys() & set(offline)
                    self._opened(topic, epoch, starts)
                case PartitionOpened() | PartitionCaughtUp():
                    self._opened_late(event)
                case PartitionsAdded(topic, starts):
                    assert not {(topic, partition) for partition in starts} & self.next.keys()
                    self.next.update({(topic, partition): start for partition, start in starts.items()})
                case Records(topic, partition, records, next_offset):
                    self._records((topic, partition), records, next_offset)
                case OffsetsLost(topic, partition, start):
                    assert start != self.next[topic, partition], "a gap without lost offsets"
                    self.next[topic, partition] = start
                case HistoryBegan() | History() | HistoryRead():
                    self._read_back(event)
                case CaughtUp(topic):
                    assert all(name != topic for name, _ in self._read_to), "a CaughtUp before its topic is read back"
                    assert topic in self._to_catch_up, "a CaughtUp that does not follow a TopicOpened"
                    self._to_catch_up.discard(topic)
                case TopicMissing(topic):
                    self._forget(topic)

    def _opened(self, topic: str, epoch: str, starts: Mapping[int, int]) -> None:
        assert epoch
        assert "." not in epoch
        assert self.epochs.get(topic) != epoch, "the same epoch was opened twice"
        self._forget(topic)
        self.epochs[topic] = epoch
        self.next.update({(topic, partition): start for partition, start in starts.items()})
        self.starts.update({(topic, partition): start for partition, start in starts.items()})
        self._to_catch_up.add(topic)

    def _opened_late(self, event: PartitionOpened | PartitionCaughtUp) -> None:
        key = (event.topic, event.partition)
        if isinstance(event, PartitionOpened):
            assert key not in self.next
            self.next[key] = self.starts[key] = event.start
            self._late.add(key)
        else:
            self._late.remove(key)

    def _records(self, key: tuple[str, int], records: Sequence[Record], next_offset: int) -> None:
        assert key in self.next, "records before TopicOpened or PartitionsAdded"
        for record in records:
            assert record.offset >= self.next[key], "a duplicate, or out of order"
            self.next[key] = record.offset + 1
        assert next_offset >= self.next[key]
        self.next[key] = next_offset
        self.records[key].extend(records)

    def _read_back(self, event: HistoryBegan | History | HistoryRead) -> None:
        key = (event.topic, event.partition)
        if isinstance(event, HistoryBegan):
            self._read_to[key] = self.starts[key]
        elif isinstance(event, History):
            self._older(key, event.records, event.first)
        else:
            del self._read_to[key]
            self.complete[key] = event.complete

    def _older(self, key: tuple[str, int], records: Sequence[Record], first: int) -> None:
        offsets = [record.offset for record in records]
        assert offsets == sorted(set(offsets))
        assert all(first <= offset < self._read_to[key] for offset in offsets), "older records in another order"
        self._read_to[key] = first
        self.older[key][:0] = records

    def _forget(self, topic: str) -> None:
        self.epochs.pop(topic, None)
        self._to_catch_up.discard(topic)
        for key in [key for key in self.next if key[0] == topic]:
            del self.next[key]
            self.records.pop(key, None)
            self.older.pop(key, None)
            self._read_to.pop(key, None)


def sorted_values(records: Sequence[Record]) -> list[bytes | None]:
    return sorted((record.value for record in records), key=repr)


def numbered(count: int, key: bytes = b"room", first: int = 0) -> list[Raw]:
    """Records with one key, whose values are consecutive numbers."""
    return [Raw(key, b"%d" % number) for number in range(first, first + count)]


def as_raw(record: Record) -> Raw:
    return Raw(record.key, record.value, [(name, value) for name, value in record.headers], record.timestamp)


async def read_all(
    log: Log, topic: str, epoch: str, partition: int, *, after: int, up_to: int, records_max: int
) -> list[Record]:
    """Read a range chunk by chunk, checking the rules for each chunk."""
    records: list[Record] = []
    while after < up_to:
        chunk = await log.read(topic, epoch, partition, after=after, up_to=up_to, records_max=records_max)
        assert len(chunk.records) <= records_max
        assert after < chunk.reached <= up_to
        offsets = [record.offset for record in chunk.records]
        assert offsets == sorted(set(offsets))
        assert all(after < offset <= chunk.reached for offset in offsets)
        records.extend(chunk.records)
        after = chunk.reached
    return records
