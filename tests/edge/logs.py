"""Logs for tests of the edge: one that fails on demand, and one that returns the events a test chooses."""

import asyncio
import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from touchline_protocol.errors import LogUnavailable
from touchline_protocol.records import Record
from touchline_server.config.tables import SqliteSettings
from touchline_server.core.log import (
    NO_TERM,
    AppendFailed,
    Chunk,
    Entry,
    LogEvent,
    OffsetOutOfRange,
    PartitionProgress,
    Position,
    ReadBack,
    Records,
    TopicOptions,
)
from touchline_server.core.rooms.feed import Feed
from touchline_server.log.sqlite.log import SqliteLog

TOPIC = "score-events"
ACTIONS = "player-actions"
VERDICTS = "cheat-verdicts"
ALL = 1 << 30
FEED = Feed("score", TOPIC)
OTHER_TOPICS: dict[str, str | None] = dict.fromkeys(("match-events", ACTIONS, VERDICTS))


class BreakableLog(SqliteLog):
    """A log in memory whose reads for catch-ups and appends of actions can be made to fail or wait."""

    def __init__(self, settings: SqliteSettings | None = None) -> None:
        super().__init__(None, settings or SqliteSettings(), OTHER_TOPICS | {TOPIC: None})
        self.reads = 0
        self.ends = 0
        self.appends = 0
        """How many appends of actions were requested. `reads` and `ends` count the calls for catch-ups."""
        self._appends_taken = ALL
        self._seen_by_check = True
        self.appends_go = asyncio.Event()
        self.appends_go.set()
        self._unreachable: str | None = None
        self._error: Exception | None = None
        self._open = asyncio.Event()
        self._open.set()

    @contextlib.contextmanager
    def reads_failing(self, error: Exception | None = None) -> Iterator[None]:
        """Let reads for catch-ups raise ``error``, or else `LogUnavailable`."""
        self._error = error or LogUnavailable("the broker is away")
        try:
            yield
        finally:
            self._error = None

    @contextlib.contextmanager
    def reads_waiting(self) -> Iterator[None]:
        """Hold back reads for catch-ups until the end of the block."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    @contextlib.contextmanager
    def appends_waiting(self) -> Iterator[None]:
        """Hold back appends of actions until the end of the block."""
        self.appends_go.clear()
        try:
            yield
        finally:
            self.appends_go.set()

    @contextlib.contextmanager
    def appends_failing(self, taken: int = 0, *, seen_by_check: bool = True) -> Iterator[None]:
        """Accept only the first ``taken`` actions of an append, and report a failure, as `check_writable` does too."""
        self._appends_taken = taken
        self._seen_by_check = seen_by_check
        try:
            yield
        finally:
            self._appends_taken = ALL

    @contextlib.contextmanager
    def unreachable_with(self, why: str) -> Iterator[None]:
        """Let the log report that it is unreachable."""
        self._unreachable = why
        try:
            yield
        finally:
            self._unreachable = None

    @property
    def unreachable(self) -> str | None:
        return self._unreachable

    async def append(self, topic: str, entries: Sequence[Entry], *, independent: bool = False) -> list[Position]:
        if topic != ACTIONS:
            return await super().append(topic, entries)
        self.appends += 1
        await self.appends_go.wait()
        if self._unreachable:
            raise AppendFailed(self._unreachable)
        if self._appends_taken < len(entries):
            positions = await super().append(topic, entries[: self._appends_taken])
            raise AppendFailed("the disk is full", len(positions))
        return await super().append(topic, entries)

    async def check_writable(self, topic: str) -> None:
        if self._appends_taken != ALL and self._seen_by_check:
            raise LogUnavailable("the disk is full")
        await super().check_writable(topic)

    async def records(self, topic: str = ACTIONS) -> Sequence[Record]:
        """All records of a topic."""
        found = await self._store.call(
            lambda store: store.queries.read(
                store.topics[topic].partitions[0], after=-1, up_to=1 << 40, records_max=1 << 20
            )
        )
        return found.records

    async def read(
        self, topic: str, epoch: str, partition: int, *, after: int, up_to: int, records_max: int, term: int = NO_TERM
    ) -> Chunk:
        self.reads += 1
        await self._answers()
        return await super().read(topic, epoch, partition, after=after, up_to=up_to, records_max=records_max)

    async def end(self, topic: str, epoch: str, partition: int, *, term: int = NO_TERM) -> int:
        self.ends += 1
        await self._answers()
        return await super().end(topic, epoch, partition, term=term)

    async def find_offset(self, topic: str, epoch: str, partition: int, *, since_ms: int) -> int | None:
        await self._answers()
        return await super().find_offset(topic, epoch, partition, since_ms=since_ms)

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
    """A log whose `poll` returns the events that a test emits. It holds no records for catch-ups."""

    def __init__(self, *events: LogEvent) -> None:
        self.ends: dict[int, int] = {}
        self._queue: asyncio.Queue[LogEvent] = asyncio.Queue()
        for event in events:
            self.emit(event)

    @property
    def problems(self) -> Mapping[str, str]:
        return {}

    @property
    def progress(self) -> Mapping[str, str]:
        return {}

    def emit(self, event: LogEvent) -> None:
        self._queue.put_nowait(event)

    def emit_records(self, partition: int, *records: ScriptedRecord) -> None:
        self.emit(Records(TOPIC, partition, records, records[-1].offset + 1))

    def partition_of(self, key: bytes, partitions: int) -> int:
        return key[0] % partitions

    @property
    def partitions(self) -> Mapping[tuple[str, int], PartitionProgress]:
        return {}

    @property
    def unread_bytes(self) -> int:
        return 0

    @property
    def unreachable(self) -> str | None:
        return None

    async def open(
        self,
        topics: Sequence[str],
        *,
        since_ms: int,
        from_start: Collection[str] = (),
        read_back: ReadBack | None = None,
    ) -> None:
        pass

    async def poll(self) -> list[LogEvent]:
        return [await self._queue.get()]

    async def read(
        self, topic: str, epoch: str, partition: int, *, after: int, up_to: int, records_max: int, term: int = NO_TERM
    ) -> Chunk:
        raise OffsetOutOfRange

    async def end(self, topic: str, epoch: str, partition: int, *, term: int = NO_TERM) -> int:
        return self.ends[partition]

    async def find_offset(self, topic: str, epoch: str, partition: int, *, since_ms: int) -> int | None:
        raise OffsetOutOfRange

    async def append(self, topic: str, entries: Sequence[Entry], *, independent: bool = False) -> list[Position]:
        raise NotImplementedError

    async def check_writable(self, topic: str) -> None:
        pass

    async def create_topics(
        self, topics: Sequence[str], *, partitions: int, replication: int | None, compacted: Collection[str] = ()
    ) -> list[str]:
        raise NotImplementedError

    async def topic_options(self, topics: Collection[str]) -> Mapping[str, TopicOptions]:
        return dict.fromkeys(topics, TopicOptions())

    async def close(self) -> None:
        pass
