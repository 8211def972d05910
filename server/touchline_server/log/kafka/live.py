"""The live reader: everything new in some topics, in order, as `core.log.LogEvent`s.

Three kinds of tasks fill one queue, and `LiveReader.poll` empties it:

- one fetcher per broker asks, in one request that waits at the broker, for all partitions that the broker leads
  (`fetchers`);
- one watcher asks for the topics' ids, partition counts and leaders, every ``epoch_check_s`` and as soon as a fetcher
  is refused. It alone opens topics, extends them, and moves a partition to another offset
  (`watcher`);
- one reader of older records reads a topic back for its rooms' state, if that is asked for (`history`).

Rules:

1. Records are fetched by topic id, and what follows from a topic's state goes through the same queue as its records.
   So no record of a new log can come before its `TopicOpened`, whatever the timing.
2. A partition's position moves on when its records enter the queue; they leave it in that order or not at all.
3. The queue is bounded in bytes: beyond `queue.QUEUE_BYTES_MAX` no fetch is sent.
4. Nothing raises out of `poll`: what goes wrong is reported in ``problems`` and tried again.
"""

import asyncio
import contextlib
import time
from collections.abc import Collection, Mapping, Sequence

from touchline_kafka.client import Client
from touchline_kafka.errors import REQUEST_ERRORS
from touchline_kafka.metadata.read_replicas import ReadReplicas
from touchline_kafka.topics import Topics
from touchline_server.core.log import LogEvent, PartitionProgress, ReadBack

from .chunks import ChunkReader
from .fetchers import Fetchers
from .history import HistoryReader
from .open_topics import OpenTopics
from .partition_choice import PartitionChoice
from .queue import Queue
from .replay import ReplayReader
from .stalled_replicas import StalledReplicas
from .watcher import Watcher

POLL_S = 1.0
"""How long a poll waits for something to happen."""


class LiveReader:
    """Reads ``names`` from the records of ``since_ms`` on, and those that are in ``from_start`` from their beginning.

    ``choice`` narrows that to some partitions, and places of their own.

    ``fetch_client`` is used for fetches of new records alone, and ``read_back_client`` to read topics back, so that
    neither waits for the other. A reader in a ``rack`` reads from replicas in the same one. ``problems`` and
    ``progress`` are kept up to date for an operator, ``lost`` with the end of the last records that were given up as
    damaged, by epoch and partition.
    """

    def __init__(
        self,
        client: Client,
        fetch_client: Client,
        topics: Topics,
        names: Sequence[str],
        *,
        since_ms: int,
        from_start: Collection[str],
        read_back: ReadBack,
        read_back_client: Client,
        rack: str | None,
        check_s: float,
        problems: dict[str, str],
        lost: dict[tuple[str, int], int],
        progress: dict[str, str],
        choice: PartitionChoice | None = None,
    ) -> None:
        self._clients = (client, fetch_client, read_back_client)
        self._queue = Queue(problems)
        open_topics = self._topics = OpenTopics(names, problems, lost)
        replicas = ReadReplicas(rack)
        self._fetchers = Fetchers(fetch_client, open_topics, replicas, self._queue, self._ended)
        self._stalls = StalledReplicas(client, open_topics, replicas, self._fetchers.start_missing) if rack else None
        chunks = ChunkReader(ReplayReader(read_back_client, topics, ReadReplicas(rack), lost))
        self._history = HistoryReader(read_back_client, chunks, self._queue, read_back, problems, progress, self._ended)
        self._watcher = Watcher(
            client,
            topics,
            open_topics,
            self._queue,
            self._history,
            since_ms=since_ms,
            from_start=from_start,
            check_s=check_s,
            find_brokers=self._find_brokers,
            on_checked=self._fetchers.start_missing,
            choice=choice,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._bug: BaseException | None = None
        """What ended a task that must not end: a bug of ours, so it is raised where it is seen."""

    async def start(self) -> None:
        """Check the topics once, and read on in the background.

        Raises:
            KafkaError, OSError, TimeoutError: the brokers do not answer.
        """
        await self._watcher.check()
        self._tasks.append(asyncio.create_task(self._watcher.run(), name="kafka-watcher"))
        if self._stalls is not None:
            self._tasks.append(asyncio.create_task(self._stalls.run(), name="kafka-stalled-replicas"))
        for task in self._tasks:
            task.add_done_callback(self._ended)

    async def stop(self) -> None:
        """End all tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._fetchers.stop()
        await self._history.stop()

    @property
    def unread_bytes(self) -> int:
        """See `core.log.Log.unread_bytes`."""
        return self._queue.size_bytes

    def progress(self) -> Mapping[tuple[str, int], PartitionProgress]:
        """See `core.log.Log.partitions`."""
        return self._topics.progress(time.monotonic())

    async def poll(self) -> list[LogEvent]:
        """See `core.log.Log.poll`. Events leave the queue and are returned without a wait, so none gets lost."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._queue.wait_filled()
        if self._bug is not None:
            raise self._bug
        return self._queue.take()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._bug = task.exception()

    async def _find_brokers(self) -> None:
        """Ask the configured addresses for the brokers: all of them may have moved."""
        with contextlib.suppress(*REQUEST_ERRORS):
            for client in self._clients:
                await client.bootstrap()
