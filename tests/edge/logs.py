"""Logs for tests of the edge: one that breaks when it is told to, and one that says what the test says."""

import asyncio
import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from touchline_protocol.errors import LogUnavailable
from touchline_server.config_tables import SqliteSettings
from touchline_server.core.feed import Feed
from touchline_server.log.base import Chunk, Entry, LogEvent, OffsetOutOfRange, Position, Records, RoomSnapshot
from touchline_server.log.sqlite import SqliteLog

TOPIC = "score-events"
FEED = Feed("score", TOPIC)
OTHER_TOPICS: dict[str, str | None] = dict.fromkeys(("match-events", "player-actions", "cheat-verdicts"))


class BreakableLog(SqliteLog):
    """The log in memory, whose catch-ups can be made to fail or to wait."""

    def __init__(self, settings: SqliteSettings | None = None) -> None:
        super().__init__(None, settings or SqliteSettings(), OTHER_TOPICS | {TOPIC: None})
        self.reads = 0
        self.ends = 0
        self._error: Exception | None = None
        self._open = asyncio.Event()
        self._open.set()

    @contextlib.contextmanager
    def failing(self, error: Exception | None = None) -> Iterator[None]:
        """What is read for catch-ups raises; without an error: the log does not answer."""
        self._error = error or LogUnavailable("the broker is away")
        try:
            yield
        finally:
            self._error = None

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """What is read for catch-ups is answered only afterwards."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    async def read(self, topic: str, epoch: str, partition: int, *, after: int, up_to: int, records_max: int) -> Chunk:
        self.reads += 1
        await self._answers()
        return await super().read(topic, epoch, partition, after=after, up_to=up_to, records_max=records_max)

    async def end(self, topic: str, epoch: str, partition: int) -> int:
        self.ends += 1
        await self._answers()
        return await super().end(topic, epoch, partition)

    async def _answers(self) -> None:
        await self._open.wait()
        if self._error is not None:
            raise self._error


class ScriptedRecord(NamedTuple):
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp: int = 1_700_000_000_000


class ScriptedLog:
    """A log that tells what the test says, when it says it. Catch-ups find the records that were told."""

    def __init__(self, *events: LogEvent) -> None:
        self.ends: dict[int, int] = {}
        self._told: dict[int, list[ScriptedRecord]] = {}
        self._queue: asyncio.Queue[LogEvent] = asyncio.Queue()
        for event in events:
            self.tell(event)

    @property
    def problems(self) -> Mapping[str, str]:
        return {}

    def tell(self, event: LogEvent) -> None:
        self._queue.put_nowait(event)

    def tell_records(self, partition: int, *records: ScriptedRecord) -> None:
        self._told.setdefault(partition, []).extend(records)
        self.tell(Records(TOPIC, partition, records, records[-1].offset + 1))

    def partition_of(self, key: bytes, partitions: int) -> int:
        return 0

    @property
    def unreachable(self) -> str | None:
        return None

    async def open(self, topics: Sequence[str], *, since_ms: int, whole: Collection[str] = ()) -> None:
        pass

    async def poll(self) -> list[LogEvent]:
        return [await self._queue.get()]

    async def read(self, topic: str, epoch: str, partition: int, *, after: int, up_to: int, records_max: int) -> Chunk:
        raise OffsetOutOfRange

    async def end(self, topic: str, epoch: str, partition: int) -> int:
        return self.ends[partition]

    async def snapshot(self, topic: str, partition: int, before: int) -> Sequence[RoomSnapshot] | None:
        return None

    async def append(self, topic: str, entries: Sequence[Entry]) -> list[Position]:
        raise NotImplementedError

    async def check(self, topic: str) -> None:
        raise NotImplementedError

    async def create_topics(
        self, topics: Sequence[str], *, partitions: int, replication: int, compacted: Collection[str] = ()
    ) -> list[str]:
        raise NotImplementedError

    async def close(self) -> None:
        pass
