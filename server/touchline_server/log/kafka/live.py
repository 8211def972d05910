"""The live reader: everything new in some topics, in order, as `core.log.LogEvent`s.

Two kinds of tasks fill one queue, and `LiveReader.poll` empties it:

- one fetcher per broker asks, in one request that waits at the broker, for all partitions that the broker leads;
- one watcher asks for the topics' ids, partition counts and leaders, every ``epoch_check_s`` and as soon as a fetcher
  is refused. It alone opens topics, extends them, and moves a partition to another offset.

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
from collections.abc import Collection, Sequence

from touchline_kafka.error_codes import (
    INVALID_TOPIC,
    MISSING_CODES,
    MOVED_CODES,
    OFFSET_OUT_OF_RANGE,
    TOPIC_AUTHORIZATION_FAILED,
    UNKNOWN_TOPIC_OR_PARTITION,
)
from touchline_kafka.errors import REQUEST_ERRORS, classify, describe, error_of
from touchline_kafka.fetch import EARLIEST, LATEST, Fetched, fetch, list_offsets
from touchline_kafka.repairs import Client
from touchline_kafka.retry import Retry
from touchline_kafka.topics import NO_LEADER, Topic, Topics
from touchline_kafka.wire import TopicPartitionId
from touchline_server.core.log import CaughtUp, LogEvent, OffsetsLost, PartitionsAdded, TopicMissing, TopicOpened

from .queue import DAMAGED_WAIT_S, Partition, Queue, Reading

POLL_S = 1.0
"""How long a poll waits for something to happen."""
FETCH_WAIT_MS = 250
"""How long a broker holds a fetch when there is nothing new. A partition that joins waits for it once."""
FETCH_BYTES_MAX = 4 << 20
PARTITION_BYTES_MAX = 1 << 20
"""Limits of one answer, in all and for one partition: at 100 MB/s it takes 40 ms, and no partition takes all of it."""
REFUSED_WAIT_S = 0.1
"""How long a partition whose fetch was refused is left out, while the watcher learns more."""
OPEN_TRIES_MAX = 3
"""How often one check asks a topic for its offsets: a leader that was just chosen may not know it yet."""
CHECK_PAUSE_S = 0.05
"""The shortest time between two checks of the topics, however many fetches are refused."""
BROKERS = "kafka"
"""What a problem is filed under when it does not concern a single topic."""


class LiveReader:
    """Reads ``names`` from the records of ``since_ms`` on, and those that are in ``from_start`` from their beginning.

    ``problems`` is kept up to date for an operator.
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
        check_s: float,
        problems: dict[str, str],
    ) -> None:
        self._client = client
        self._fetch_client = fetch_client
        """A client of its own: a connection answers in order, so anything else would wait behind a fetch that waits."""
        self._topics = topics
        self._since_ms = max(0, since_ms)  # below 0 are `EARLIEST` and `LATEST`
        self._from_start = frozenset(from_start)
        self._check_s = check_s
        self._problems = problems
        self._readings: dict[str, Reading | None] = dict.fromkeys(names)
        self._reported: set[str] = set()
        """Topics that `TopicOpened` or `TopicMissing` was handed out for."""
        self._replaced: set[bytes] = set()
        """Ids of topics that another one has replaced: a broker that is behind may still name them."""
        self._overtaken: list[Partition] = []
        self._queue = Queue(problems)
        self._check_wanted = asyncio.Event()
        self._fetchers: dict[int, asyncio.Task[None]] = {}
        self._watcher: asyncio.Task[None] | None = None
        self._bug: BaseException | None = None
        """What ended a task that must not end: a bug of ours, so it is raised where it is seen."""

    async def start(self) -> None:
        """Check the topics once, and read on in the background.

        Raises:
            KafkaError, OSError, TimeoutError: the brokers do not answer.
        """
        await self._check()
        self._watcher = asyncio.create_task(self._watch(), name="kafka-watcher")
        self._watcher.add_done_callback(self._ended)

    async def stop(self) -> None:
        """End all tasks."""
        tasks = [*self._fetchers.values(), *([self._watcher] if self._watcher else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._fetchers.clear()

    async def poll(self) -> list[LogEvent]:
        """See `core.log.Log.poll`. Events leave the queue and are returned without a wait, so none gets lost."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await self._queue.wait_filled()
        if self._bug is not None:
            raise self._bug
        return self._queue.take()

    # The fetchers.

    def _led_by(self, node: int) -> list[Partition]:
        return [
            partition
            for reading in self._readings.values()
            if reading
            for partition in reading.partitions.values()
            if reading.topic.leaders.get(partition.index) == node
        ]

    def _start_fetchers(self) -> None:
        nodes = {node for reading in self._readings.values() if reading for node in reading.topic.leaders.values()}
        for node in nodes - {NO_LEADER}:
            if node not in self._fetchers or self._fetchers[node].done():
                task = asyncio.create_task(self._fetch_from(node), name=f"kafka-fetcher-{node}")
                self._fetchers[node] = task
                task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._bug = task.exception()

    async def _fetch_from(self, node: int) -> None:
        retry = Retry()
        broker = self._fetch_client.cluster.broker_metadata(node)
        problem = f"{broker.host}:{broker.port}" if broker else f"broker {node}"
        while partitions := self._led_by(node):
            await self._queue.wait_room()
            now = time.monotonic()
            wanted = {
                (partition.reading.topic.topic_id, partition.index): partition
                for partition in partitions
                if partition.held_until <= now
            }
            if not wanted:
                await asyncio.sleep(REFUSED_WAIT_S)
                continue
            try:
                await self._fetch_once(node, wanted)
            except REQUEST_ERRORS as error:
                self._problems[problem] = f"no answer, trying again: {describe(error)}"
                self._check_wanted.set()
                await retry.wait()
            else:
                self._problems.pop(problem, None)
                retry.reset()
        self._problems.pop(problem, None)

    async def _fetch_once(self, node: int, wanted: dict[TopicPartitionId, Partition]) -> None:
        offsets = {place: partition.position for place, partition in wanted.items()}
        answers = await fetch(
            self._fetch_client,
            node,
            offsets,
            wait_ms=FETCH_WAIT_MS,
            bytes_max=FETCH_BYTES_MAX,
            partition_bytes_max=PARTITION_BYTES_MAX,
        )
        cut = any(answer.data for answer in answers)
        for answer in answers:
            place = (answer.topic_id, answer.partition)
            partition = wanted[place]
            if self._is_read(partition) and partition.position == offsets[place]:
                self._take(partition, answer, cut=cut)

    def _is_read(self, partition: Partition) -> bool:
        """Whether the partition is still being read: its topic may have been opened again while a request was out."""
        return self._readings.get(partition.reading.topic.name) is partition.reading

    def _take(self, partition: Partition, answer: Fetched, *, cut: bool) -> None:
        """Queue what was fetched. ``cut``: the answer may hold less of this partition than there is."""
        if answer.error:
            self._refused(partition, answer.error)
            return
        if not answer.data:
            self._problems.pop(partition.problem, None)
        else:
            try:
                next_offset = answer.next_offset(partition.position)
            except REQUEST_ERRORS as error:
                self._problems[partition.problem] = f"what was fetched is damaged, trying again: {describe(error)}"
                partition.held_until = time.monotonic() + DAMAGED_WAIT_S
                return
            self._queue.put_batches(
                partition, answer.records(partition.reading.topic.name, partition.position), len(answer.data)
            )
            partition.position = next_offset
        # Where compaction left nothing before the target, no batch leads up to it.
        nothing_left = not cut and answer.last_stable_offset >= partition.target
        if partition.position >= partition.target or nothing_left:
            self._not_behind(partition)

    def _not_behind(self, partition: Partition) -> None:
        behind = partition.reading.behind
        if partition.index in behind:
            behind.discard(partition.index)
            if not behind:
                self._queue.put(CaughtUp(partition.reading.topic.name))

    def _refused(self, partition: Partition, error: int) -> None:
        partition.held_until = time.monotonic() + REFUSED_WAIT_S
        if error == OFFSET_OUT_OF_RANGE:
            partition.held_until = float("inf")  # until the watcher has moved it
            self._overtaken.append(partition)
        elif error not in MOVED_CODES:
            partition.held_until = time.monotonic() + DAMAGED_WAIT_S
            self._problems[partition.problem] = f"Kafka refuses to hand it out: {describe(error_of(error))}"
        elif error not in MISSING_CODES:
            self._problems[partition.problem] = "its broker cannot serve it now, looking for another one"
        self._check_wanted.set()

    # The watcher.

    async def _watch(self) -> None:
        retry = Retry()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._check_s):
                    await self._check_wanted.wait()
            self._check_wanted.clear()
            try:
                await self._check()
            except REQUEST_ERRORS as error:
                self._problems[BROKERS] = f"no broker answers, trying again: {describe(error)}"
                await self._find_brokers()
                await retry.wait()
            else:
                self._problems.pop(BROKERS, None)
                retry.reset()
                await asyncio.sleep(CHECK_PAUSE_S)

    async def _find_brokers(self) -> None:
        """Ask the configured addresses for the brokers: all of them may have moved."""
        with contextlib.suppress(*REQUEST_ERRORS):
            await self._client.bootstrap()
            await self._fetch_client.bootstrap()

    async def _check(self) -> None:
        found = await self._topics.describe(list(self._readings))
        for name, topic in found.items():
            try:
                await self._compare(name, topic)
            except REQUEST_ERRORS as error:
                self._problems[name] = f"it cannot be read now, trying again: {describe(error)}"
        overtaken, self._overtaken = self._overtaken, []
        for partition in overtaken:
            try:
                await self._reposition(partition)
            except REQUEST_ERRORS as error:
                self._overtaken.append(partition)
                name = partition.reading.topic.name
                self._problems[name] = f"partition {partition.index} waits for its offsets: {describe(error)}"
        self._start_fetchers()

    async def _compare(self, name: str, topic: Topic) -> None:
        """Bring how a topic is read in line with how it is now."""
        reading = self._readings[name]
        if topic.error in (UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC, TOPIC_AUTHORIZATION_FAILED):
            self._missing(name, topic.error)
        elif topic.error:
            raise error_of(topic.error)
        elif reading is None or topic.topic_id != reading.topic.topic_id:
            if topic.topic_id not in self._replaced:
                await self._open(name, topic)
        else:
            reading.topic = topic
            self._extend(reading)
            self._report_leaderless(topic)

    def _missing(self, name: str, error: int) -> None:
        self._problems[name] = {
            UNKNOWN_TOPIC_OR_PARTITION: "there is no such topic; it is read as soon as it is created",
            INVALID_TOPIC: "no topic can have this name",
            TOPIC_AUTHORIZATION_FAILED: "Kafka does not let this user see the topic",
        }[error]
        if self._readings[name] is not None or name not in self._reported:
            self._reported.add(name)
            self._readings[name] = None
            self._queue.put(TopicMissing(name))

    async def _open(self, name: str, topic: Topic) -> None:
        """Read a topic from now on. One that appeared after the start is read from its beginning."""
        since_ms = EARLIEST if name in self._reported or name in self._from_start else self._since_ms
        starts, ends = await self._bounds(topic, since_ms)
        if replaced := self._readings[name]:
            self._replaced.add(replaced.topic.topic_id)
        reading = self._readings[name] = Reading(topic, starts, ends)
        self._reported.add(name)
        self._problems.pop(name, None)
        for problem in [one for one in self._problems if one.startswith(f"{name}/")]:
            del self._problems[problem]
        self._queue.put(TopicOpened(name, topic.epoch, starts))
        if not reading.behind:
            self._queue.put(CaughtUp(name))

    async def _bounds(self, topic: Topic, since_ms: int) -> tuple[dict[int, int], dict[int, int]]:
        """Where each partition's records of ``since_ms`` and later begin and end now."""
        for tries_left in reversed(range(OPEN_TRIES_MAX)):
            try:
                # The ends come first: what is appended between the two requests is then read, not skipped.
                ends = await list_offsets(self._client, topic, topic.leaders, LATEST)
                found = await list_offsets(self._client, topic, topic.leaders, since_ms)
            except REQUEST_ERRORS as error:
                if not (classify(error).retriable and tries_left):
                    raise
                await asyncio.sleep(REFUSED_WAIT_S)
            else:
                break
        return {partition: found.get(partition, ends[partition]) for partition in topic.leaders}, ends

    def _extend(self, reading: Reading) -> None:
        added = sorted(reading.topic.leaders.keys() - reading.partitions.keys())
        if added:
            reading.partitions.update({index: Partition(reading, index, 0, 0) for index in added})
            self._queue.put(PartitionsAdded(reading.topic.name, dict.fromkeys(added, 0)))

    def _report_leaderless(self, topic: Topic) -> None:
        leaderless = [str(index) for index, leader in topic.leaders.items() if leader == NO_LEADER]
        if leaderless:
            self._problems[topic.name] = f"no broker leads partition {', '.join(leaderless)} now"
        else:
            self._problems.pop(topic.name, None)

    async def _reposition(self, partition: Partition) -> None:
        """Continue where a partition begins if retention overtook the reader, or where it ends if its end was lost."""
        if not self._is_read(partition):
            return
        topic = partition.reading.topic
        start = (await list_offsets(self._client, topic, [partition.index], EARLIEST))[partition.index]
        end = (await list_offsets(self._client, topic, [partition.index], LATEST))[partition.index]
        partition.held_until = 0.0
        if start <= partition.position <= end:
            return  # the broker that refused was behind
        partition.position = start if partition.position < start else end
        self._queue.put(OffsetsLost(topic.name, partition.index, partition.position))
        if partition.position >= partition.target:
            self._not_behind(partition)
