"""The log: topics whose partitions are appended to over virtual time, and what goes wrong with a real one.

`rooms` keeps every event ever appended, for the checker; what the log itself still holds begins at each partition's
``start``. A topic's ``journal`` has the records of all its partitions in the order in which they were appended: readers
go through it, so a room that moves to another partition is read in its order.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from touchline_loadtest.checks.partition_log import Entry, LogId
from touchline_loadtest.checks.room_log import RoomLog, Starts, TopicFacts
from touchline_server.core.effects import LogRange, Unreachable
from touchline_server.core.log import Chunk
from touchline_server.core.room_store import NotYet, RoomKey, StoredRoom
from touchline_server.core.rooms.partition_window import PartitionWindow

from .world import MS_US, START_UNIX_MS, World

RETENTION_MS = 120_000
"""How long records are kept: clients that are away for longer start over."""

READ_RECORDS_MAX = 40
"""What one read returns at most, whatever was asked for: a log may return less, and so catch-ups take several reads."""

BEHIND_MS = (0, 0, 3_600_000)
"""How far the clocks of producers are behind."""

FACTS = TopicFacts(restarts=True, lag=1 << 50)
"""An edge that misses deleted records starts its clients over, also those that are ahead of it, and each edge reads the
partitions of a room at its own pace. `EdgeKnowledge` says exactly what an edge may show."""

UNREACHABLE = Unreachable("the log is away")


class LogRecord(NamedTuple):
    """A record, as the core is given it. ``appended_ms`` is by the brokers' clock, ``timestamp`` by the producer's."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    appended_ms: int


def value_of(data: Any) -> int:
    """What an event is known by: its number and its padding, and 0 for a removal, which has neither."""
    return 0 if data is None else data["n"] << 16 | len(data["pad"]) << 8 | data["pad"].count("x")


class Partition:
    """Records from ``start`` on; what was before has been deleted."""

    def __init__(self) -> None:
        self.records: list[LogRecord] = []
        self.start = 0
        self.next_offset = 0

    def start_at(self, time_ms: int) -> int:
        """The first offset that a reader from ``time_ms`` on can get."""
        index = bisect_left(self.records, time_ms, key=lambda record: record.appended_ms)
        return max(self.start, self.records[index].offset if index < len(self.records) else self.next_offset)


class Topic:
    """One topic, as long as it is the same log. ``starts`` says to the checker what has been deleted."""

    def __init__(self, name: str, generation: int, starts: Starts) -> None:
        self.name = name
        self.generation = generation
        self.epoch = f"t{generation}"
        self.partitions: list[Partition] = []
        self.starts = starts
        self.journal: list[tuple[int, LogRecord]] = []
        self.kept_from = 0

    def delete_before(self, time_ms: int, now_ms: int) -> None:
        """Delete the records from before a time."""
        changed: set[int] = set()
        while self.kept_from < len(self.journal) and self.journal[self.kept_from][1].appended_ms < time_ms:
            partition, record = self.journal[self.kept_from]
            self.partitions[partition].start = record.offset + 1
            self.kept_from += 1
            changed.add(partition)
        for partition in changed:
            self.starts.add(self.log_id(partition), now_ms, self.partitions[partition].start)

    def log_id(self, partition: int) -> LogId:
        """What the checker calls a partition."""
        return LogId(self.name, self.generation, partition)


class Log:
    """All topics. ``watchers`` are called after each append and change; ``away`` while nobody can reach the log.

    For the checker: ``rooms`` has the history of each room, and ``log_ids`` the partition that each epoch stands for.
    """

    def __init__(self, world: World) -> None:
        self.topics: dict[str, Topic] = {}
        self.rooms: dict[str, RoomLog] = {}
        self.log_ids: dict[str, LogId] = {}
        self.away = False
        self.watchers: list[Callable[[], None]] = []
        self._world = world
        self._starts: dict[str, Starts] = {}
        self._generations = 0
        self._serial = 0

    @property
    def time_ms(self) -> int:
        """The brokers' clock, which is never set."""
        return START_UNIX_MS + self._world.now_us // MS_US

    def create(self, name: str, partitions: int) -> None:
        """Create a topic, in place of the one of that name if there is one."""
        if name in self.topics:
            self.topics[name].delete_before(self.time_ms + 1, self.time_ms)
        self._generations += 1
        self.topics[name] = Topic(name, self._generations, self._starts.setdefault(name, Starts()))
        for _ in range(partitions):
            self._add_partition(self.topics[name])
        self._changed()

    def add_partition(self, name: str) -> None:
        self._add_partition(self.topics[name])
        self._changed()

    def _add_partition(self, topic: Topic) -> None:
        log = topic.log_id(len(topic.partitions))
        topic.partitions.append(Partition())
        topic.starts.add(log, self.time_ms, 0)
        self.log_ids[epoch_of(log)] = log

    def append(self, feed: str, room_id: str, key: str | None, *, remove: bool = False, pad: int = 0) -> None:
        """Append an event. Its data is unlike that of all others."""
        topic = self.topics[f"{feed}-events"]
        number = partition_of(room_id.encode(), len(topic.partitions))
        partition = topic.partitions[number]
        self._serial += 1
        data = None if remove else {"n": self._serial, "pad": "x" * pad}
        offset = partition.next_offset + (self._world.random.randint(1, 3) if self._world.chance(0.05) else 0)
        headers = [("key", key.encode())] if key is not None else []
        timestamp = self.time_ms - BEHIND_MS[self._serial % len(BEHIND_MS)]
        record = LogRecord(offset, timestamp, room_id.encode(), msgspec.json.encode(data), headers, self.time_ms)
        partition.records.append(record)
        partition.next_offset = offset + 1
        topic.journal.append((number, record))
        self.room(f"{feed}:{room_id}").append(
            topic.log_id(number), Entry(offset, value_of(data), key, removal=remove, order=self.time_ms)
        )
        topic.delete_before(self.time_ms - RETENTION_MS, self.time_ms)
        self._changed()

    def room(self, name: str) -> RoomLog:
        """Every event that a room ever had."""
        room = self.rooms.get(name)
        if room is None:
            starts = self._starts.setdefault(f"{name.partition(':')[0]}-events", Starts())
            room = self.rooms[name] = RoomLog(name, FACTS, starts)
        return room

    # What an edge asks.

    def read(self, wanted: LogRange, records_max: int) -> Chunk | Unreachable | None:
        """The records of a range, or the first of them."""
        if self.away:
            return UNREACHABLE
        partition = self._partition(wanted.window)
        if partition is None or wanted.after + 1 < partition.start:
            return None
        begin = bisect_right(partition.records, wanted.after, key=lambda record: record.offset)
        end = bisect_right(partition.records, wanted.up_to, key=lambda record: record.offset)
        most = min(records_max, READ_RECORDS_MAX)
        records = partition.records[begin : min(end, begin + most)]
        return Chunk(records, records[-1].offset if end - begin > most else wanted.up_to)

    def end(self, window: PartitionWindow) -> int | None:
        """Where a partition ends; None if that cannot be known."""
        partition = None if self.away else self._partition(window)
        return None if partition is None else partition.next_offset

    def find_offset(self, window: PartitionWindow, since_ms: int) -> int | Unreachable | None:
        """The first record of a time or later; None if the partition does not reach back that far."""
        if self.away:
            return UNREACHABLE
        partition = self._partition(window)
        if partition is None:
            return None
        kept = [record for record in partition.records if record.offset >= partition.start]
        first = next((r.offset for r in kept if r.timestamp >= since_ms), partition.next_offset)
        return first if kept and first > kept[0].offset else None

    def load(self, key: RoomKey, before: int) -> StoredRoom | NotYet | None:
        """A room as a store of room states knows it, from its whole history below ``before``."""
        topic = self.topics[key.topic]
        if topic.epoch != key.epoch:
            return NotYet("the topic was created again")
        newest: dict[bytes, LogRecord] = {}
        head = None
        for record in topic.partitions[key.partition].records:
            if record.offset < before and record.key == key.room_id.encode():
                head = record.offset
                if record.headers:
                    newest[record.headers[0][1]] = record
        if head is None:
            return None
        return StoredRoom(head, [record for record in newest.values() if record.value != b"null"])

    def _changed(self) -> None:
        for watch in self.watchers:
            watch()

    def _partition(self, window: PartitionWindow) -> Partition | None:
        topic = self.topics[window.topic]
        return topic.partitions[window.partition] if topic.epoch == window.topic_epoch else None


def epoch_of(log: LogId) -> str:
    """The epoch under which clients know a partition."""
    return f"t{log.generation}-{log.partition}-0"


def partition_of(key: bytes, partitions: int) -> int:
    """The partition that producers choose for a key."""
    return crc32(key) % partitions
