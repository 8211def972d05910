"""The queue of what the live reader has fetched and nobody has polled yet.

Rules: things leave the queue in the order in which they entered it. Records are decoded when they leave, and few enough
at once not to hold up the loop. Batches that cannot be decoded are dropped and their partition goes back to where they
began, so they are fetched again and nothing is skipped. Batches that the log has lost again are dropped, too. Older
records have a lane of their own: new ones overtake them.
"""

import asyncio
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any, NamedTuple

from touchline_kafka.errors import describe, is_damage
from touchline_kafka.leader_epochs import EpochEntry
from touchline_server.core.log import (
    CaughtUp,
    History,
    HistoryRead,
    LogEvent,
    PartitionCaughtUp,
    Records,
    TermBegan,
    TopicOpened,
    Truncated,
)

from . import damage
from .open_topics import OpenTopic, Partition

POLL_RECORDS_MAX = 500
"""Records decoded by one poll: at 2 us each that is 1 ms, in which the loop serves nobody else."""
QUEUE_BYTES_MAX = 8 << 20
"""Fetched batches that nobody has polled: two full answers, so that one is fetched while the other is handed out."""
HISTORY_RECORDS_MAX = 10_000
"""Older records that nobody has polled: some megabytes, so that a chunk can be read while another is handed out."""


_OFFSET = attrgetter("offset")


class _Batches(NamedTuple):
    """Fetched batches in the queue, decoded when they leave it. ``epochs`` are those in them, not handed out yet."""

    partition: Partition
    records: Any
    epochs: deque[EpochEntry]
    size_bytes: int


class Queue:
    """The queue between the tasks that fetch and the one that polls. Reports damaged records in ``problems``."""

    def __init__(self, problems: dict[str, str]) -> None:
        self._problems = problems
        self._items: deque[LogEvent | _Batches] = deque()
        self.size_bytes = 0
        """Batches that were not taken yet, as they came from Kafka."""
        self._filled = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._history: deque[tuple[OpenTopic, History | HistoryRead]] = deque()
        self._history_records = 0
        self._history_room = asyncio.Event()
        self._history_room.set()

    def put(self, event: LogEvent) -> None:
        """Add an event that does not hold records."""
        self._items.append(event)
        self._filled.set()

    def put_batches(self, partition: Partition, records: Any, epochs: Sequence[EpochEntry], size_bytes: int) -> None:
        """Add fetched batches: ``records`` is what `Fetched.records` returns, ``epochs`` what `epochs_in` found."""
        self._items.append(_Batches(partition, records, deque(epochs), size_bytes))
        self._filled.set()
        self._count(size_bytes)

    def put_history(self, topic: OpenTopic, event: History | HistoryRead) -> None:
        """Add what was read back of a topic. New records overtake it."""
        self._history.append((topic, event))
        self._filled.set()
        self._count_history(event, 1)

    def drop_history(self, topic: OpenTopic, partition: int) -> None:
        """Drop what was read back of a partition and was not handed out."""
        kept = deque[tuple[OpenTopic, History | HistoryRead]]()
        for owner, event in self._history:
            if owner is topic and event.partition == partition:
                self._count_history(event, -1)
            else:
                kept.append((owner, event))
        self._history = kept

    def put_fetched(self, partition: Partition) -> None:
        """All is queued that ``partition`` held when it was opened."""
        topic = partition.topic
        if not partition.late:
            topic.behind.discard(partition.index)
            self.put_caught_up(topic)
        elif partition.index in topic.late_behind:
            topic.late_behind.discard(partition.index)
            self.put(PartitionCaughtUp(topic.name, partition.index))

    def put_caught_up(self, topic: OpenTopic) -> None:
        """Add `CaughtUp` once nothing is missing of what the topic held when it was opened."""
        if not (topic.behind or topic.reading_back or topic.caught_up):
            topic.caught_up = True
            self.put(CaughtUp(topic.name))

    def put_term(self, partition: Partition) -> None:
        """Report the term of a partition that was just opened, if it is known already."""
        last = partition.epochs.before(partition.position)
        if last is not None:
            partition.term = last.epoch
            self.put(TermBegan(partition.topic.name, partition.index, last.start_offset, last.epoch))

    def cut_back(self, partition: Partition, offset: int, term: int) -> bool:
        """Go on at ``offset``: the log has lost what followed. Returns whether any of that was handed out.

        ``term`` is that of the newest record that was kept.
        """
        queued = next((one for one in self._items if isinstance(one, _Batches) and one.partition is partition), None)
        handed_out = partition.position if queued is None else queued.records.next_fetch_offset
        partition.position = min(offset, handed_out)
        partition.target = min(partition.target, partition.position)
        self._take_back(partition, self._items)
        was_handed_out = offset < handed_out
        if was_handed_out:
            partition.term = term
            self.put(Truncated(partition.topic.name, partition.index, offset, term))
        return was_handed_out

    async def wait_filled(self) -> None:
        """Wait until there is something to take."""
        await self._filled.wait()

    async def wait_history_room(self) -> None:
        """Wait until more may be read back."""
        await self._history_room.wait()

    async def wait_room(self) -> None:
        """Wait until more may be fetched."""
        await self._room.wait()

    def take(self) -> list[LogEvent]:
        """The next events, with at most `POLL_RECORDS_MAX` new records, and that many older ones."""
        events = [*self._drain(), *self._drain_history()]
        if not self._items and not self._history:
            self._filled.clear()
        return events

    def _drain(self) -> Iterator[LogEvent]:
        records_left = POLL_RECORDS_MAX
        while self._items and records_left > 0:
            item = self._items[0]
            if not isinstance(item, _Batches):
                self._items.popleft()
                yield item
                continue
            records = self._decode(item, records_left)
            if len(records) < records_left:  # all of it was decoded
                self._items.popleft()
                self._count(-item.size_bytes)
            records_left -= len(records)
            yield from _events_of(item, records)

    def _drain_history(self) -> Iterator[LogEvent]:
        records_left = POLL_RECORDS_MAX
        while self._history:
            topic, event = self._history[0]
            if isinstance(event, History):
                records_left -= len(event.records)
                if records_left < 0:
                    return
            self._history.popleft()
            self._count_history(event, -1)
            yield event
            if isinstance(event, HistoryRead):
                topic.reading_back.discard(event.partition)
                self.put_caught_up(topic)

    def _decode(self, item: _Batches, records_max: int) -> list[Any]:
        """The next records of ``item``. Damaged ones are fetched again: what was handed out before them stays."""
        records: list[Any] = []
        try:
            records.extend(islice(item.records, records_max))
        except Exception as error:  # noqa: BLE001  # each decompressor has errors of its own
            partition = item.partition
            partition.position = item.records.next_fetch_offset
            partition.held_until = time.monotonic() + damage.WAIT_S
            if is_damage(error):
                partition.damage.seen(item.records.damage_end)
            self._problems[partition.problem] = (
                f"the records from offset {partition.position} on cannot be decoded, trying again: {describe(error)}"
            )
            self._take_back(partition, islice(self._items, 1, None))
        else:
            item.partition.damage.over()
            self._problems.pop(item.partition.problem, None)
        return records

    def _take_back(self, partition: Partition, items: Iterable[LogEvent | _Batches]) -> None:
        """Drop a partition's batches among ``items``, and the event that claims all of it was handed out."""
        topic = partition.topic
        dropped: list[LogEvent | _Batches] = []
        for item in items:
            if isinstance(item, TopicOpened) and item.topic == topic.name:
                break
            if isinstance(item, _Batches):
                if item.partition is partition:
                    item.records.close()
                    dropped.append(item)
                    self._count(-item.size_bytes)
            elif _claims_all_of(item, partition):
                dropped.append(item)
        # By identity: as tuples, `CaughtUp` and `TopicMissing` of one topic are equal.
        self._items = deque(item for item in self._items if not any(item is one for one in dropped))
        if partition.position < partition.target:
            (topic.late_behind if partition.late else topic.behind).add(partition.index)
            topic.caught_up = topic.caught_up and partition.late

    def _count(self, size_bytes: int) -> None:
        self.size_bytes += size_bytes
        if self.size_bytes < QUEUE_BYTES_MAX:
            self._room.set()
        else:
            self._room.clear()

    def _count_history(self, event: History | HistoryRead, sign: int) -> None:
        if isinstance(event, History):
            self._history_records += sign * len(event.records)
        if self._history_records < HISTORY_RECORDS_MAX:
            self._history_room.set()
        else:
            self._history_room.clear()


def _claims_all_of(event: LogEvent, partition: Partition) -> bool:
    """Whether an event claims that a partition has been handed out as far as it went when it was opened."""
    if partition.late:
        return isinstance(event, PartitionCaughtUp) and event[:2] == (partition.topic.name, partition.index)
    return isinstance(event, CaughtUp) and event.topic == partition.topic.name


def _events_of(item: _Batches, records: list[Any]) -> Iterator[LogEvent]:
    """The next ``records`` of an item, with the terms that begin among them."""
    partition, next_offset = item.partition, item.records.next_fetch_offset
    name, index = partition.topic.name, partition.index
    while item.epochs and item.epochs[0].start_offset < next_offset:
        epoch, start = item.epochs.popleft()
        if epoch == partition.term:
            continue
        before = bisect_left(records, start, key=_OFFSET)
        if before:
            yield Records(name, index, records[:before], start)
            records = records[before:]
        partition.term = epoch
        yield TermBegan(name, index, start, epoch)
    if records:
        yield Records(name, index, records, next_offset)
