"""One assignment of partitions: reads them from where Redis has them, and writes their rooms, until it is over.

Rules:

1. Redis says where to go on, not the consumer group: it may have been emptied, or restored from an older copy.
2. Before a partition goes on, the log is asked whether it still holds all that may have been written. If not, its rooms
   are discarded, and it is read again from `since_ms` on. So it is if its rooms were built with other settings.
3. Lost records (`OffsetsLost`) may have changed anything: the partition's rooms begin again after them.
4. A session ends with `Moved` if somebody else changed what it writes. Its caller makes another one, which looks again.
"""

import asyncio
import secrets
import time
from collections.abc import Collection, Mapping

import structlog

from touchline_protocol.errors import LogUnavailable
from touchline_server.core.counters.processes import KeeperCounters
from touchline_server.core.log import (
    NO_TERM,
    LogEvent,
    OffsetOutOfRange,
    OffsetsLost,
    PartitionOpened,
    Records,
    TermBegan,
    TopicMissing,
    TopicOpened,
    Truncated,
)
from touchline_server.core.room_keeping import KeptPartition, Moved, Progress, RoomKeeping
from touchline_server.log.kafka.log import KafkaLog
from touchline_server.log.kafka.partition_choice import ResumeAt

from .partition_keeper import KeptFeed, PartitionKeeper
from .room_cache import RoomCache

BATCH_RECORDS_MAX = 5_000
"""Records of one batch: they are in memory until Redis has taken them, and each room is written once a batch."""
LOOK_EVERY_S = 2.0
"""How often a keeper looks whether Redis still has what it wrote, where no records come in."""
CONCURRENCY = 4
"""Partitions that are written at the same time: while Redis works for one, another is computed."""
RETRY_S = 0.2

logger = structlog.get_logger("touchline.keeper")


class Session:
    """Keeps ``owned``: the partitions by topic, and how many each topic has. ``feeds`` are by topic.

    It is the log's `PartitionChoice`.
    """

    def __init__(
        self,
        log: KafkaLog,
        keeping: RoomKeeping,
        cache: RoomCache,
        feeds: Mapping[str, KeptFeed],
        owned: Mapping[str, Collection[int]],
        counts: Mapping[str, int],
        *,
        batch_s: float,
        counters: KeeperCounters,
    ) -> None:
        self._counters = counters
        self._log = log
        self._keeping = keeping
        self._cache = cache
        self._feeds = feeds
        self._owned = owned
        self._counts = counts
        self._batch_s = batch_s
        self._found: dict[KeptPartition, Progress] = {}
        """What Redis had of partitions that are about to be opened."""
        self.keepers: dict[tuple[str, int], PartitionKeeper] = {}
        """The partitions that are being kept."""
        self._looked_at_s = time.monotonic()

    # What the log asks for.

    def chosen(self, topic: str) -> Collection[int]:
        """See `PartitionChoice.chosen`."""
        return self._owned.get(topic, ())

    async def positions(self, topic: str, epoch: str, starts: Mapping[int, int]) -> Mapping[int, ResumeAt]:
        """See `PartitionChoice.positions`."""
        found: dict[int, ResumeAt] = {}
        for index in starts:
            partition = KeptPartition(topic, epoch, index)
            progress = await self._usable_progress(partition)
            if progress is None:
                self._found.pop(partition, None)
                continue
            self._found[partition] = progress
            is_before = progress.term != NO_TERM and progress.term_start < progress.next_offset
            term, start = (progress.term, progress.term_start) if is_before else (NO_TERM, NO_TERM)
            found[index] = ResumeAt(progress.next_offset, term, start)
        return found

    async def _usable_progress(self, partition: KeptPartition) -> Progress | None:
        """The progress of a partition, if this keeper can build on it, and the log holds all that was written."""
        progress = await self._keeping.progress(partition)
        if progress is None:
            return None
        mine, found = self._feeds[partition.topic].built_with, progress.built_with
        if not mine.is_like(found):
            why = f"keeper {found.keeper} built it with {found.settings}, and this one has {mine.settings}"
            await self._discard(partition, progress, why)
            return None
        if progress.term == NO_TERM:
            return progress
        while True:
            try:
                end = await self._log.end(*partition, term=progress.term)
            except OffsetOutOfRange:  # another topic has its name by now
                return None
            except LogUnavailable:
                await asyncio.sleep(RETRY_S)
                continue
            break
        if end >= progress.written:
            return progress
        await self._discard(partition, progress, "the log was cut back", lost_from=end)
        return None

    # What the log reports.

    async def run(self, release: asyncio.Event) -> None:
        """Keep the partitions until ``release`` is set; then all that was read is written.

        Raises:
            Moved: look again.
            StoreUnavailable, StoreRefused: Redis did not take a batch.
        """
        began_s: float | None = None
        while not release.is_set():
            left_s = None if began_s is None else max(0.0, began_s + self._batch_s - time.monotonic())
            for event in await self._poll(left_s):
                await self._take(event)
            if began_s is None and any(keeper.has_news for keeper in self.keepers.values()):
                began_s = time.monotonic()
            waiting = sum(keeper.waiting for keeper in self.keepers.values())
            is_due = began_s is not None and time.monotonic() - began_s >= self._batch_s
            if is_due or waiting >= BATCH_RECORDS_MAX:
                await self.write()
                began_s = None
            await self._look()
        await self.write()

    async def write(self) -> None:
        """Write what has come in of all partitions."""
        due = [keeper for keeper in self.keepers.values() if keeper.has_news]
        slots = asyncio.Semaphore(CONCURRENCY)

        async def write_one(keeper: PartitionKeeper) -> None:
            async with slots:
                began_s, outcome = time.monotonic(), "failed"
                try:
                    await keeper.write()
                    outcome = "ok"
                finally:
                    self._counters.writes[outcome] += 1
                    self._counters.write_ms.observe((time.monotonic() - began_s) * 1000)

        results = await asyncio.gather(*(write_one(keeper) for keeper in due), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _poll(self, timeout_s: float | None) -> list[LogEvent]:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._log.poll()
        except TimeoutError:
            return []

    async def _take(self, event: LogEvent) -> None:
        match event:
            case Records(topic, partition, records, next_offset):
                if (keeper := self.keepers.get((topic, partition))) is not None:
                    keeper.take(records, next_offset)
                    self._counters.records[topic] += len(records)
            case TermBegan(topic, partition, start, term):
                if (keeper := self.keepers.get((topic, partition))) is not None:
                    keeper.begin_term(start, term)
            case TopicOpened() | PartitionOpened() | TopicMissing():
                await self._open(event)
            case Truncated(topic, partition, start):
                await self._cut_back(self.keepers.get((topic, partition)), start)
            case OffsetsLost(topic, partition, start):
                await self._begin_after(self.keepers.pop((topic, partition), None), start)

    async def _open(self, event: TopicOpened | PartitionOpened | TopicMissing) -> None:
        topic = event.topic
        if isinstance(event, PartitionOpened):
            epoch = next((one.partition.epoch for one in self.keepers.values() if one.partition.topic == topic), None)
            if epoch is None:
                raise Moved  # nobody here knows the epoch of a topic without a partition that could be opened
            await self._begin(KeptPartition(topic, epoch, event.partition), event.start)
            return
        for where in [where for where in self.keepers if where[0] == topic]:
            del self.keepers[where]
        if isinstance(event, TopicOpened):
            for index, start in event.starts.items():
                await self._begin(KeptPartition(topic, event.epoch, index), start)

    async def _begin_after(self, keeper: PartitionKeeper | None, start: int) -> None:
        if keeper is not None:
            await self._discard(keeper.partition, keeper.progress, "records were lost", lost_from=start)
            self._cache.clear()
            await self._begin(keeper.partition, start)

    async def _cut_back(self, keeper: PartitionKeeper | None, start: int) -> None:
        if keeper is not None and keeper.cut_back(start):
            await self._discard(keeper.partition, keeper.progress, "the log was cut back", lost_from=start)
            raise Moved

    async def _begin(self, partition: KeptPartition, start: int) -> None:
        """Keep a partition from ``start`` on, where the log reads it."""
        topic, epoch, index = partition
        count = self._counts.get(topic, index + 1)
        scattered = await self._keeping.note_layout(topic, epoch, partitions=count, scattered=False)
        progress = found = self._found.pop(partition, None)
        if progress is None or progress.next_offset != start:
            progress = await self._begin_build(partition, start, was_kept=found is not None)
        self.keepers[topic, index] = PartitionKeeper(
            partition, count, self._feeds[topic], self._keeping, self._cache, progress, scattered=scattered
        )
        logger.info("partition_kept", topic=topic, partition=index, from_offset=start, complete=progress.complete)

    async def _begin_build(self, partition: KeptPartition, start: int, *, was_kept: bool) -> Progress:
        try:
            complete = start <= await self._log.begin(*partition)
        except (LogUnavailable, OffsetOutOfRange):
            raise Moved from None
        built_with = self._feeds[partition.topic].built_with
        fresh = Progress(secrets.token_hex(8), start, start, NO_TERM, NO_TERM, complete, built_with)
        progress = await self._keeping.begin(partition, fresh)
        if progress != fresh:
            raise Moved
        self._counters.builds += 1
        topic, _, index = partition
        # Nothing in Redis is normal at the first start. If it was lost or discarded, another line says so.
        log = logger.warning if was_kept or not complete else logger.info
        log("room_state_begun", topic=topic, partition=index, from_offset=start, complete=complete)
        return progress

    async def _discard(self, partition: KeptPartition, progress: Progress, why: str, **facts: int) -> None:
        topic, _, index = partition
        logger.warning("room_state_discarded", topic=topic, partition=index, why=why, **facts)
        await self._keeping.discard(partition, progress.build)

    async def _look(self) -> None:
        """Look whether Redis still has what was written, and whether rooms are in several partitions by now."""
        if time.monotonic() - self._looked_at_s < LOOK_EVERY_S:
            return
        self._looked_at_s = time.monotonic()
        for keeper in self.keepers.values():
            found = await self._keeping.progress(keeper.partition)
            mine = keeper.progress
            if found is None or found.build != mine.build or found.next_offset < mine.next_offset:
                logger.warning(
                    "room_state_lost",
                    topic=keeper.partition.topic,
                    partition=keeper.partition.partition,
                    written_before=mine.next_offset,
                    found_before=None if found is None else found.next_offset,
                )
                raise Moved
        for topic, epoch in {(keeper.partition.topic, keeper.partition.epoch) for keeper in self.keepers.values()}:
            count = self._counts.get(topic, 1)
            keepers = [keeper for keeper in self.keepers.values() if keeper.partition.topic == topic]
            known = any(keeper.scattered for keeper in keepers)
            scattered = await self._keeping.note_layout(topic, epoch, partitions=count, scattered=known)
            for keeper in keepers:
                keeper.scattered = scattered
