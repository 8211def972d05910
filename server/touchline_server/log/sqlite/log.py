"""The embedded log: `core.log.Log` and `core.room_store.RoomStore` in one SQLite file, or in memory, for one process.

`schema` defines the file, `store` writes it, `queries` read it, `retention` removes old records, `thread` is the only
thread to use it, and `reader` decides what `poll` returns. This module puts them together.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

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
    TopicOptions,
)
from touchline_server.core.room_store import NotYet, RoomKey, StoredRoom

from .reader import LiveReader, ReadPlan
from .records import Append, Commit, Topic, partition_of
from .store import Store
from .thread import StoreThread


def now_ms() -> int:
    """The clock, in Unix milliseconds."""
    return time.time_ns() // 1_000_000


class SqliteLog:
    """The embedded log in the file ``path``, or in memory if ``path`` is None.

    ``key_fields`` maps each topic to its `Feed.key_field`. Opening the log creates those topics that do not exist yet,
    unless it is opened as a ``private_copy``, which leaves the file as it is. ``now_ms`` is the clock for timestamps
    and retention, in Unix milliseconds.
    """

    def __init__(
        self,
        path: Path | None,
        settings: SqliteSettings,
        key_fields: Mapping[str, str | None] = MappingProxyType({}),
        *,
        now_ms: Callable[[], int] = now_ms,
        private_copy: bool = False,
    ) -> None:
        self._path = path
        self._settings = settings
        self._key_fields = key_fields
        self._now_ms = now_ms
        self._private_copy = private_copy
        self._reader = LiveReader()
        self._thread: StoreThread | None = None

    @property
    def problems(self) -> Mapping[str, str]:
        """See `core.log.Log.problems`."""
        return self._reader.problems | (self._thread.problems if self._thread else {})

    @property
    def progress(self) -> Mapping[str, str]:
        """See `core.log.Log.progress`: it reads nothing back."""
        return {}

    @property
    def partitions(self) -> Mapping[tuple[str, int], PartitionProgress]:
        """See `core.log.Log.partitions`: what is committed is handed over at once."""
        return {}

    @property
    def unread_bytes(self) -> int:
        """See `core.log.Log.unread_bytes`: the tails, without records that were read from the file."""
        return self._reader.tail_bytes

    @property
    def unreachable(self) -> str | None:
        """See `core.log.Log.unreachable`. Always None: problems with the file only show when it is used."""
        return None

    def partition_of(self, key: bytes, partitions: int) -> int:
        """See `core.log.Log.partition_of`. The answer is certain, since this log has no other producers."""
        return partition_of(key, partitions)

    async def open(
        self,
        topics: Sequence[str],
        *,
        since_ms: int,
        from_start: Collection[str] = (),
        read_back: ReadBack | None = None,
    ) -> None:
        """See `core.log.Log.open`."""
        thread = self._thread = StoreThread(self._open_store, self._on_commit)
        await thread.start()
        plans = await thread.call(lambda store: _plans(store, topics, since_ms, from_start))
        for name in dict.fromkeys(topics):
            if name in plans:
                self._reader.open(plans[name])
            else:
                self._reader.await_topic(name)

    def _open_store(self) -> Store:
        return Store(self._path, self._settings, self._key_fields, self._now_ms, private_copy=self._private_copy)

    def _on_commit(self, commit: Commit) -> None:
        self._reader.add(commit.records)

    async def poll(self) -> list[LogEvent]:
        """See `core.log.Log.poll`."""
        return await self._reader.poll(self._store)

    async def read(
        self, topic: str, epoch: str, partition: int, *, after: int, up_to: int, records_max: int, term: int = NO_TERM
    ) -> Chunk:
        """See `core.log.Log.read`."""
        return await self._store.call(
            lambda store: store.queries.read(
                store.partition(topic, epoch, partition), after=after, up_to=up_to, records_max=records_max
            )
        )

    async def end(self, topic: str, epoch: str, partition: int, *, term: int = NO_TERM) -> int:
        """See `core.log.Log.end`."""
        return await self._store.call(lambda store: store.partition(topic, epoch, partition).next if term <= 0 else 0)

    async def find_offset(self, topic: str, epoch: str, partition: int, *, since_ms: int) -> int | None:
        """See `core.log.Log.find_offset`."""

        def find(store: Store) -> int | None:
            found = store.partition(topic, epoch, partition)
            first = store.queries.offset_since(found, since_ms)
            return first if store.queries.has_before(found, first) else None

        return await self._store.call(find)

    async def load(self, key: RoomKey, *, before: int) -> StoredRoom | NotYet | None:
        """See `core.room_store.RoomStore.load`."""

        def find(store: Store) -> StoredRoom | NotYet | None:
            try:
                partition = store.partition(key.topic, key.epoch, key.partition)
            except OffsetOutOfRange as error:
                return NotYet(str(error))
            found = store.queries.room(partition, key.room_id, before)
            return found if found is None or key.topic not in store.incomplete else found._replace(complete=False)

        return await self._store.call(find)

    async def append(self, topic: str, entries: Sequence[Entry], *, independent: bool = False) -> list[Position]:
        """See `core.log.Log.append`. Appends either all of the entries or none, and never refuses a record."""
        if self._thread is None:
            raise AppendFailed("the log is not open, so nothing can be appended")
        return await self._thread.append(Append(topic, entries))

    async def check_writable(self, topic: str) -> None:
        """See `core.log.Log.check_writable`."""
        await self._store.call(lambda store: store.check_writable(topic))

    async def create_topics(
        self, topics: Sequence[str], *, partitions: int, replication: int | None, compacted: Collection[str] = ()
    ) -> list[str]:
        """See `core.log.Log.create_topics`. Ignores ``replication``, since this log has no replicas.

        Ignores ``compacted`` as well: the newest record of each event key is always kept, as part of its room's state.
        """
        created = await self._store.call(lambda store: store.create_topics(topics, partitions))
        for topic in created:
            self._reader.open_awaited(_plan_for_new(topic))
        return [topic.name for topic in created]

    async def topic_options(self, topics: Collection[str]) -> Mapping[str, TopicOptions]:
        """See `core.log.Log.topic_options`. Retention keeps the newest record of each key, as state."""
        return dict.fromkeys(topics, TopicOptions())

    async def close(self) -> None:
        """See `core.log.Log.close`."""
        if self._thread is not None:
            await self._thread.stop()

    @property
    def _store(self) -> StoreThread:
        """The thread that has the store, for callers that may assume an open log."""
        assert self._thread is not None, "open must be called first"  # noqa: S101  # a bug of ours, if it happens
        return self._thread


def _plans(store: Store, topics: Sequence[str], since_ms: int, from_start: Collection[str]) -> dict[str, ReadPlan]:
    """A plan for each topic that exists."""
    return {
        name: ReadPlan(
            topic,
            [
                partition.first if name in from_start else store.queries.offset_since(partition, since_ms)
                for partition in topic.partitions
            ],
            [partition.next for partition in topic.partitions],
            [
                store.queries.state_before(partition, partition.first) if name in from_start else []
                for partition in topic.partitions
            ],
        )
        for name in topics
        if (topic := store.topics.get(name)) is not None
    }


def _plan_for_new(topic: Topic) -> ReadPlan:
    """A plan for a topic that was just created: read all of it, from a log that was empty."""
    zeros = [0] * len(topic.partitions)
    return ReadPlan(topic, zeros, zeros, [[] for _ in topic.partitions])
