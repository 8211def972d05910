"""What the contract suite of logs needs: the harness that a test module provides, and a reader that checks."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

import pytest

from touchline_protocol.records import Record
from touchline_server.core.log import (
    CaughtUp,
    Log,
    LogEvent,
    OffsetsLost,
    PartitionsAdded,
    Position,
    Records,
    TopicMissing,
    TopicOpened,
)

WAIT_S = 60.0
"""How long to wait for an event: a broker that restarts needs a few seconds, and more on a busy machine."""


class Raw(NamedTuple):
    """A record as any producer may write it, also such as `Entry` cannot express."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp: int | None = None


class Harness(Protocol):
    """The thing behind a log, and how to act upon it from outside."""

    def unused_name(self) -> str:
        """A name that no topic has had yet."""

    async def create_topic(self, partitions: int = 1, name: str | None = None) -> str:
        """Make a topic; returns its name."""

    async def append(self, topic: str, records: Sequence[Raw], *, partition: int | None = None) -> list[Position]:
        """Write records as another producer would; to one partition, or to those of their keys."""

    async def trim(self, topic: str, partition: int, before: int) -> None:
        """Remove all records before an offset, as retention does."""

    async def recreate_topic(self, topic: str, partitions: int = 1) -> None:
        """Delete a topic and make it anew. Unless the harness is a `SharedHarness`, no log is open then."""

    async def stop(self) -> None:
        """Make the thing behind the log fail, so that nothing can be appended."""

    async def start(self) -> None:
        """Mend what `stop` broke; nothing that was acknowledged is lost."""

    async def open_log(self, *topics: str, since_ms: int = 0, from_start: Collection[str] = ()) -> Log:
        """A new log that reads ``topics``, opened; closed at the end of the test, unless it is closed before.

        An embedded log can be opened once at a time.
        """


class SharedHarness(Harness, Protocol):
    """The thing behind a log that others use too, while it is being read."""

    async def delete_topic(self, topic: str) -> None:
        """Delete a topic for good."""

    async def add_partitions(self, topic: str, partitions: int) -> None:
        """Raise the number of partitions to ``partitions``."""

    async def leave_hole(self, topic: str, partition: int) -> None:
        """Use up an offset or more of a partition without a record that a reader is shown."""


class Reader:
    """Polls a log, keeps what it hands out, and checks the rules that hold for all of it."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.events: list[LogEvent] = []
        self.records: dict[tuple[str, int], list[Record]] = defaultdict(list)
        """By topic and partition, of the topic's newest epoch."""
        self.epochs: dict[str, str] = {}
        self.next: dict[tuple[str, int], int] = {}
        """The first offset that may come, by topic and partition."""
        self._to_catch_up: set[str] = set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Poll until the condition holds."""
        try:
            async with asyncio.timeout(WAIT_S):
                while not condition():
                    self.take(await self.log.poll())
        except TimeoutError:
            shown = [event for event in self.events if not isinstance(event, Records)]
            counts = {place: len(records) for place, records in self.records.items()}
            pytest.fail(f"did not happen in {WAIT_S} s; events {shown}, records {counts}, problems {self.log.problems}")

    async def until_caught_up(self, *topics: str) -> None:
        """Poll until the topics are opened and read up to their ends."""
        await self.until(lambda: all(topic in self.epochs and topic not in self._to_catch_up for topic in topics))

    async def until_values(self, topic: str, values: Sequence[bytes | None]) -> None:
        """Poll until there are so many records, which must be these, in this order within each partition."""
        await self.until(lambda: len(self.all(topic)) >= len(values))
        assert sorted_values(self.all(topic)) == sorted(values, key=repr)

    def all(self, topic: str) -> list[Record]:
        """The records of a topic, partition after partition."""
        return [record for place in sorted(self.records) if place[0] == topic for record in self.records[place]]

    def told(self, kind: type[LogEvent], topic: str) -> list[LogEvent]:
        """The events of a kind of a topic."""
        return [event for event in self.events if isinstance(event, kind) and event.topic == topic]

    def take(self, events: Sequence[LogEvent]) -> None:
        """Check and keep what a poll returned."""
        for event in events:
            self.events.append(event)
            match event:
                case TopicOpened(topic, epoch, starts):
                    self._opened(topic, epoch, starts)
                case PartitionsAdded(topic, starts):
                    assert not {(topic, partition) for partition in starts} & self.next.keys()
                    self.next.update({(topic, partition): start for partition, start in starts.items()})
                case Records(topic, partition, records, next_offset):
                    self._records((topic, partition), records, next_offset)
                case OffsetsLost(topic, partition, start):
                    assert start != self.next[topic, partition], "a jump to where it was"
                    self.next[topic, partition] = start
                case CaughtUp(topic):
                    assert topic in self._to_catch_up, "CaughtUp comes once after each TopicOpened"
                    self._to_catch_up.discard(topic)
                case TopicMissing(topic):
                    self._forget(topic)

    def _opened(self, topic: str, epoch: str, starts: Mapping[int, int]) -> None:
        assert epoch
        assert "." not in epoch
        assert self.epochs.get(topic) != epoch, "opened twice without being another log"
        self._forget(topic)
        self.epochs[topic] = epoch
        self.next.update({(topic, partition): start for partition, start in starts.items()})
        self._to_catch_up.add(topic)

    def _records(self, place: tuple[str, int], records: Sequence[Record], next_offset: int) -> None:
        assert place in self.next, "records before TopicOpened or PartitionsAdded"
        for record in records:
            assert record.offset >= self.next[place], "a record twice, or out of order"
            self.next[place] = record.offset + 1
        assert next_offset >= self.next[place]
        self.next[place] = next_offset
        self.records[place].extend(records)

    def _forget(self, topic: str) -> None:
        self.epochs.pop(topic, None)
        self._to_catch_up.discard(topic)
        for place in [place for place in self.next if place[0] == topic]:
            del self.next[place]
            self.records.pop(place, None)


def sorted_values(records: Sequence[Record]) -> list[bytes | None]:
    return sorted((record.value for record in records), key=repr)


def numbered(count: int, key: bytes = b"room", first: int = 0) -> list[Raw]:
    """Records of one key whose values are numbers."""
    return [Raw(key, b"%d" % number) for number in range(first, first + count)]


def as_raw(record: Record) -> Raw:
    return Raw(record.key, record.value, [(name, value) for name, value in record.headers], record.timestamp)


async def read_all(
    log: Log, topic: str, epoch: str, partition: int, *, after: int, up_to: int, records_max: int
) -> list[Record]:
    """Read a range chunk after chunk, and check what holds for each."""
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
