"""Reads topics back: their older records, newest first, for the state of their rooms (`core.log.ReadBack`).

A partition is read back from where its live reading began, in chunks: each is read forwards, but the newest chunk comes
first, and of a chunk the newest records. So wherever this ends, nothing newer is missing from what was handed out.

Rules:

1. A chunk is handed out when all of it has been read.
2. Partitions take turns, chunk by chunk, and a few chunks are read at once. Their requests never hold up live ones.
3. A read that fails is tried again until the time is over. Retention that overtakes the reading ends it: the log has
   no more.
4. `HistoryRead` comes once per partition, however its reading ends, unless the reading is cancelled or begun again.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping

import structlog

from touchline_kafka.client import Client
from touchline_kafka.errors import REQUEST_ERRORS, describe
from touchline_kafka.fetch import EARLIEST, list_offsets
from touchline_protocol.errors import LogUnavailable
from touchline_protocol.printable import counted
from touchline_server.core.log import (
    NOTHING_READ_MS,
    History,
    HistoryBegan,
    HistoryRead,
    OffsetOutOfRange,
    ReadBack,
)

from .chunks import ChunkReader, ChunkSpan, OlderRecords
from .open_topics import OpenTopic
from .queue import POLL_RECORDS_MAX, Queue

CONCURRENCY = 2
"""Chunks that are read at once: while one is fetched, another is decoded. More would only take memory."""
RETRY_S = 0.2
"""Between two attempts for a partition that cannot be read, for example because its leader moves."""
PROGRESS_EVERY_S = 5.0

logger = structlog.get_logger("touchline.log")


class _Partition:
    """One partition: everything from ``upper`` to ``start`` was read. ``begin`` is the log's, once that is known.

    ``since_ms`` is the time of the oldest record that was read.
    """

    __slots__ = ("begin", "index", "since_ms", "span", "start", "upper")

    def __init__(self, index: int, start: int) -> None:
        self.index = index
        self.start = start
        self.upper = start
        self.begin: int | None = None
        self.since_ms = NOTHING_READ_MS
        self.span = ChunkSpan()


class _Reading:
    """One topic being read back.

    ``unfinished`` has its partitions, and ``waiting`` those of them that no worker is busy with. ``cut`` says which
    limit ended it before the age that was asked for.
    """

    def __init__(self, opened: OpenTopic, starts: Mapping[int, int]) -> None:
        self.opened = opened
        self.unfinished = {index: _Partition(index, start) for index, start in starts.items()}
        self.waiting = deque(self.unfinished.values())
        self.records = 0
        self.incomplete: list[int] = []
        self.cut: str | None = None
        self.trouble: str | None = None
        self.began_s = self.reported_s = time.monotonic()

    @property
    def subject(self) -> str:
        """Its key in `Log.progress` and `Log.problems`."""
        return f"{self.opened.name}/state"

    @property
    def progress(self) -> str:
        """How far it is, for an operator."""
        return f"the state of its rooms is being read: {counted(self.records, 'record')} so far"

    def drop(self, index: int) -> None:
        """Read a partition no more, without a `HistoryRead`."""
        partition = self.unfinished.pop(index, None)
        if partition is not None and partition in self.waiting:
            self.waiting.remove(partition)

    def is_reading(self, partition: _Partition) -> bool:
        """Whether a partition's reading goes on."""
        return self.unfinished.get(partition.index) is partition


class HistoryReader:
    """Reads topics back. ``client`` is asked for offsets, ``problems`` and ``progress`` are the log's, and ``on_end``
    gets tasks that have ended."""

    def __init__(
        self,
        client: Client,
        chunks: ChunkReader,
        queue: Queue,
        read_back: ReadBack,
        problems: dict[str, str],
        progress: dict[str, str],
        on_end: Callable[[asyncio.Task[None]], None],
    ) -> None:
        self._client = client
        self._chunks = chunks
        self._queue = queue
        self._limits = read_back
        self._problems = problems
        self._progress = progress
        self._on_end = on_end
        self._tasks: dict[asyncio.Task[None], _Reading] = {}

    def begin(self, opened: OpenTopic, starts: Mapping[int, int]) -> None:
        """Read partitions of a topic back, each from an offset on. Call it where their state becomes unknown: right
        after the event that tells so was queued."""
        older = {index: start for index, start in starts.items() if start > 0}
        for index in starts:
            self._drop(opened, index)
        if not older or opened.name not in self._limits.topics:
            return
        for index in older:
            opened.reading_back.add(index)
            self._queue.put(HistoryBegan(opened.name, index))
        reading = _Reading(opened, older)
        task = asyncio.create_task(self._read(reading), name=f"kafka-history-{opened.name}")
        self._tasks[task] = reading
        task.add_done_callback(self._ended)

    def cancel(self, opened: OpenTopic) -> None:
        """Read a topic no more, and drop what was not handed out: it is another log now, or does not exist."""
        for index in opened.partitions:
            self._drop(opened, index)

    async def stop(self) -> None:
        """End all tasks."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _drop(self, opened: OpenTopic, index: int) -> None:
        for task, reading in self._tasks.items():
            if reading.opened is opened:
                reading.drop(index)
                if not reading.unfinished:
                    task.cancel()
        opened.reading_back.discard(index)
        self._queue.drop_history(opened, index)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._forget(self._tasks.pop(task))
        self._on_end(task)

    async def _read(self, reading: _Reading) -> None:
        self._progress[reading.subject] = reading.progress
        try:
            async with asyncio.timeout(self._limits.s_max), asyncio.TaskGroup() as workers:
                for _ in range(min(CONCURRENCY, len(reading.waiting))):
                    workers.create_task(self._work(reading))
        except TimeoutError:
            reading.cut = f"state_start_s_max ({self._limits.s_max:g} s)"
            for partition in list(reading.unfinished.values()):
                self._finish(reading, partition, complete=False)

    async def _work(self, reading: _Reading) -> None:
        """Read a chunk of one partition after the other, until none is left that no other worker is busy with."""
        while reading.waiting:
            partition = reading.waiting.popleft()
            await self._queue.wait_history_room()
            try:
                await self._step(reading, partition)
            except OffsetOutOfRange:  # retention, or another topic by that name: then the watcher ends this
                partition.begin = None
                await asyncio.sleep(RETRY_S)
            except (*REQUEST_ERRORS, LogUnavailable) as error:
                reading.trouble = f"partition {partition.index}: {describe(error)}"
                self._problems[reading.subject] = f"its older records cannot be read, trying again: {reading.trouble}"
                await asyncio.sleep(RETRY_S)
            else:
                reading.trouble = None
                self._problems.pop(reading.subject, None)
            if reading.is_reading(partition):
                reading.waiting.append(partition)
                self._report_progress(reading)

    async def _step(self, reading: _Reading, partition: _Partition) -> None:
        """Read and hand out a chunk."""
        topic = reading.opened.known
        if partition.begin is None:
            found = await list_offsets(self._client, topic, [partition.index], EARLIEST)
            partition.begin = found[partition.index]
        first = max(partition.begin, partition.upper - partition.span.offsets)
        chunk = await self._chunks.read(topic.name, topic.epoch, partition.index, first, partition.upper)
        partition.span.adapt(chunk.reached - first, chunk.size_bytes)
        if chunk.reached < partition.upper or not reading.is_reading(partition):
            return
        self._hand_out(reading, partition, chunk, first)
        if partition.upper <= partition.begin:
            self._finish(reading, partition, complete=True)
        elif self._is_far_enough(reading, chunk):
            self._finish(reading, partition, complete=False)

    def _is_far_enough(self, reading: _Reading, chunk: OlderRecords) -> bool:
        if reading.records >= self._limits.records_max:
            reading.cut = f"state_records_max ({self._limits.records_max:,})"
            return True
        newest_ms = max((record.timestamp for record in chunk.records), default=self._limits.since_ms)
        return newest_ms < self._limits.since_ms

    def _hand_out(self, reading: _Reading, partition: _Partition, chunk: OlderRecords, first: int) -> None:
        partition.upper = min(first, partition.upper)
        records = chunk.records
        if records:
            partition.since_ms = records[0].timestamp
        reading.records += len(records)
        for end in range(len(records), 0, -POLL_RECORDS_MAX):
            begin = max(0, end - POLL_RECORDS_MAX)
            part = records[begin:end]
            reaches_to = part[0].offset if begin else first
            event = History(reading.opened.name, partition.index, part, reaches_to)
            self._queue.put_history(reading.opened, event)

    def _finish(self, reading: _Reading, partition: _Partition, *, complete: bool) -> None:
        del reading.unfinished[partition.index]
        if not complete:
            reading.incomplete.append(partition.index)
        if not reading.unfinished:
            self._forget(reading)
            _report_end(reading)
        since_ms = 0 if complete else partition.since_ms
        self._queue.put_history(reading.opened, HistoryRead(reading.opened.name, partition.index, complete, since_ms))

    def _forget(self, reading: _Reading) -> None:
        self._problems.pop(reading.subject, None)
        self._progress.pop(reading.subject, None)

    def _report_progress(self, reading: _Reading) -> None:
        self._progress[reading.subject] = reading.progress
        now = time.monotonic()
        if now - reading.reported_s >= PROGRESS_EVERY_S:
            reading.reported_s = now
            logger.info("state_read_progress", topic=reading.opened.name, progress=reading.progress)


def _report_end(reading: _Reading) -> None:
    took_s = time.monotonic() - reading.began_s
    fields = {"topic": reading.opened.name, "records": reading.records, "took_s": round(took_s, 1)}
    if not reading.incomplete:
        logger.info("state_read", complete=True, **fields)
    elif reading.cut is None:
        logger.info("state_read", complete=False, why="state_s asks for no more", **fields)
    else:
        logger.warning(
            "state_read_stopped",
            why=reading.cut,
            incomplete_partitions=sorted(reading.incomplete),
            last_problem=reading.trouble,
            **fields,
        )
