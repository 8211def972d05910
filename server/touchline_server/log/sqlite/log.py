"""The embedded log: `core.log.Log` and `core.room_store.RoomStore` in one SQLite file, or in memory, for one process.

`schema` opens the file, `store` reads and writes it, `retention` removes old records from it, `thread` is the one
thread that uses it, and `reader` decides what `poll` returns. This module puts them together.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from touchline_server.config.tables import SqliteSettings
from touchline_server.core.log import AppendFailed, Chunk, Entry, LogEvent, OffsetOutOfRange, Position
from touchline_server.core.room_store import RoomKey, StoredRoom

from .reader import Found, LiveReader
from .records import Topic, Write, Written, partition_of
from .store import Store
from .thread import StoreThread


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class SqliteLog:
    """The embedded log in the file ``path``, or in memory if that is None.

    Opening it creates the topics in ``key_fields``, which maps each to its `Feed.key_field`. ``now_ms`` is the clock
    for timestamps and retention.
    """

    def __init__(
        self,
        path: Path | None,
        settings: SqliteSettings,
        key_fields: Mapping[str, str | None] = MappingProxyType({}),
        *,
        now_ms: Callable[[], int] = _now_ms,
    ) -> None:
        self._path = path
        self._settings = settings
        self._key_fields = key_fields
        self._now_ms = now_ms
        self._reader = LiveReader()
        self._thread: StoreThread | None = None

    @property
    def problems(self) -> Mapping[str, str]:
        """See `core.log.Log.problems`."""
        return self._reader.problems | (self._thread.problems if self._thread else {})

    @property
    def unreachable(self) -> str | None:
        """See `core.log.Log.unreachable`. Only using the file shows whether something is wrong with it."""
        return None

    def partition_of(self, key: bytes, partitions: int) -> int:
        """See `core.log.Log.partition_of`. No other producer writes to this log, so the answer is certain."""
        return partition_of(key, partitions)

    async def open(self, topics: Sequence[str], *, since_ms: int, from_start: Collection[str] = ()) -> None:
        """See `core.log.Log.open`."""
        thread = self._thread = StoreThread(self._make_store, self._written)
        await thread.start()
        found = await thread.call(lambda store: _find(store, topics, since_ms, from_start))
        for name in dict.fromkeys(topics):
            if name in found:
                self._reader.open(found[name], asked=True)
            else:
                self._reader.await_topic(name)

    def _make_store(self) -> Store:
        return Store(self._path, self._settings, self._key_fields, self._now_ms)

    def _written(self, written: Written) -> None:
        self._reader.written(written.records)

    async def poll(self) -> list[LogEvent]:
        """See `core.log.Log.poll`."""
        return await self._reader.poll(self._opened)

    async def read(self, topic: str, epoch: str, partition: int, *, after: int, up_to: int, records_max: int) -> Chunk:
        """See `core.log.Log.read`."""
        return await self._opened.call(
            lambda store: store.read(
                store.partition(topic, epoch, partition), after=after, up_to=up_to, records_max=records_max
            )
        )

    async def end(self, topic: str, epoch: str, partition: int) -> int:
        """See `core.log.Log.end`."""
        return await self._opened.call(lambda store: store.partition(topic, epoch, partition).next)

    async def load(self, key: RoomKey, *, before: int) -> StoredRoom | None:
        """See `core.room_store.RoomStore.load`."""

        def find(store: Store) -> StoredRoom | None:
            try:
                partition = store.partition(key.topic, key.epoch, key.partition)
            except OffsetOutOfRange:
                return None
            return store.room(partition, key.room_id, before)

        return await self._opened.call(find)

    async def append(self, topic: str, entries: Sequence[Entry]) -> list[Position]:
        """See `core.log.Log.append`. Either all of the entries are appended, or none."""
        if self._thread is None:
            raise AppendFailed("the log is not open, so nothing can be appended")
        return await self._thread.append(Write(topic, entries))

    async def check_writable(self, topic: str) -> None:
        """See `core.log.Log.check_writable`."""
        await self._opened.call(lambda store: store.check(topic))

    async def create_topics(
        self, topics: Sequence[str], *, partitions: int, replication: int, compacted: Collection[str] = ()
    ) -> list[str]:
        """See `core.log.Log.create_topics`. There are no replicas here, so ``replication`` is ignored.

        Topics are not compacted either: the newest record of each event key is kept anyway, as a room's state.
        """
        made = await self._opened.call(lambda store: store.create(topics, partitions))
        for topic in made:
            self._reader.open(_as_new(topic))
        return [topic.name for topic in made]

    async def deletes_old(self, topic: str) -> bool:
        """See `core.log.Log.deletes_old`. The newest records are kept as state, whatever retention removes."""
        return False

    async def close(self) -> None:
        """See `core.log.Log.close`."""
        if self._thread is not None:
            await self._thread.stop()

    @property
    def _opened(self) -> StoreThread:
        assert self._thread is not None, "open comes first"  # noqa: S101  # could only be a bug of ours
        return self._thread


def _find(store: Store, topics: Sequence[str], since_ms: int, from_start: Collection[str]) -> dict[str, Found]:
    return {
        name: Found(
            topic,
            [
                partition.first if name in from_start else store.start(partition, since_ms)
                for partition in topic.partitions
            ],
            [partition.next for partition in topic.partitions],
            [
                store.newest_of_keys(partition, partition.first) if name in from_start else []
                for partition in topic.partitions
            ],
        )
        for name in topics
        if (topic := store.topics.get(name)) is not None
    }


def _as_new(topic: Topic) -> Found:
    """A topic that was just created is read from its beginning, and nothing was in it."""
    nothing = [0] * len(topic.partitions)
    return Found(topic, nothing, nothing, [[] for _ in topic.partitions])
