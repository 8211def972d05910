"""One task per broker that fetches, in one request that waits at the broker, all partitions that are read from it.

That is the partition's leader, or a replica in our own rack that the leader has named (`ReadReplicas`).

Rules:

1. A partition moves on when its records enter the queue.
2. While the queue is full, no fetch is sent.
3. A fetcher never looks at metadata: when it is refused it leaves the partition out and calls the watcher.
4. Of a replica that does not lead, records are taken and nothing else. Whatever it refuses, the leader is asked next:
   one that is behind takes our offset for one that the log does not have, or our epochs for those of another log.
"""

import asyncio
import time
from collections.abc import Callable

from touchline_kafka.client import Client
from touchline_kafka.decoding import epochs_in
from touchline_kafka.error_codes import CORRUPT_MESSAGE, MISSING_CODES, MOVED_CODES, OFFSET_OUT_OF_RANGE
from touchline_kafka.errors import REQUEST_ERRORS, describe, error_of
from touchline_kafka.fetch import Fetched, fetch
from touchline_kafka.metadata.read_replicas import NO_REPLICA, ReadReplicas
from touchline_kafka.retry import Retry
from touchline_kafka.wire import TopicPartitionId

from . import damage
from .open_topics import REFUSED_WAIT_S, OpenTopics, Partition
from .queue import Queue

FETCH_WAIT_MS = 250
"""How long a broker holds a fetch when there is nothing new. A partition that joins waits for it once."""
FETCH_BYTES_MAX = 4 << 20
PARTITION_BYTES_MAX = 1 << 20
"""Limits of one answer, in all and for one partition: at 100 MB/s it takes 40 ms, and no partition takes all of it."""


class Fetchers:
    """The fetching tasks. ``client`` is theirs alone: a connection answers in order, and a fetch waits. ``replicas``
    knows which brokers to fetch from.

    ``on_end`` is called with a task that has ended.
    """

    def __init__(
        self,
        client: Client,
        topics: OpenTopics,
        replicas: ReadReplicas,
        queue: Queue,
        on_end: Callable[[asyncio.Task[None]], None],
    ) -> None:
        self._client = client
        self._topics = topics
        self._replicas = replicas
        self._problems = topics.problems
        self._queue = queue
        self._on_end = on_end
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def start_missing(self) -> None:
        """Have a task for each broker that a partition is read from."""
        now_s = time.monotonic()
        for node in {self._replicas.node(partition.place, leader, now_s) for partition, leader in self._topics.led()}:
            if node not in self._tasks or self._tasks[node].done():
                task = asyncio.create_task(self._fetch_from(node), name=f"kafka-fetcher-{node}")
                self._tasks[node] = task
                task.add_done_callback(self._on_end)

    async def stop(self) -> None:
        """End all tasks."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    def _read_from(self, node: int) -> list[Partition]:
        now_s = time.monotonic()
        led = self._topics.led()
        return [partition for partition, leader in led if self._replicas.node(partition.place, leader, now_s) == node]

    async def _fetch_from(self, node: int) -> None:
        retry = Retry()
        broker = self._client.cluster.broker_metadata(node)
        problem = f"{broker.host}:{broker.port}" if broker else f"broker {node}"
        while partitions := self._read_from(node):
            await self._queue.wait_room()
            now = time.monotonic()
            wanted = {partition.place: partition for partition in partitions if partition.held_until <= now}
            if not wanted:
                await asyncio.sleep(REFUSED_WAIT_S)
                continue
            try:
                await self._fetch_once(node, wanted)
            except REQUEST_ERRORS as error:
                self._problems[problem] = f"no answer, trying again: {describe(error)}"
                self._replicas.give_up_node(node, time.monotonic())
                self.start_missing()
                self._topics.check_wanted.set()
                await retry.wait()
            else:
                self._problems.pop(problem, None)
                retry.reset()
        self._problems.pop(problem, None)

    async def _fetch_once(self, node: int, wanted: dict[TopicPartitionId, Partition]) -> None:
        positions = {place: partition.fetch_position for place, partition in wanted.items()}
        answers = await fetch(
            self._client,
            node,
            positions,
            wait_ms=FETCH_WAIT_MS,
            bytes_max=FETCH_BYTES_MAX,
            partition_bytes_max=PARTITION_BYTES_MAX,
            rack=self._replicas.rack(time.monotonic()),
        )
        cut = any(answer.data for answer in answers)
        some_elsewhere = False
        for answer in answers:
            place = (answer.topic_id, answer.partition)
            partition = wanted[place]
            if not self._topics.is_open(partition) or partition.position != positions[place].offset:
                continue
            if self._is_elsewhere(node, partition, answer):
                some_elsewhere = True
            else:
                self._take(partition, answer, cut=cut)
        if some_elsewhere:
            self.start_missing()

    def _is_elsewhere(self, node: int, partition: Partition, answer: Fetched) -> bool:
        """Whether another broker has to be asked: the replica that the leader names, or the leader again."""
        now_s = time.monotonic()
        if answer.preferred_replica not in (NO_REPLICA, node):
            self._replicas.choose(partition.place, answer.preferred_replica, now_s)
            return True
        if node == partition.topic.known.leaders.get(partition.index):
            return False
        if answer.error or answer.diverging is not None:
            self._replicas.give_up(partition.place, now_s)
            return True
        return False

    def _take(self, partition: Partition, answer: Fetched, *, cut: bool) -> None:
        """Queue what was fetched. ``cut``: the answer may hold less of this partition than there is."""
        if answer.error:
            self._refused(partition, answer.error)
            return
        partition.end, partition.answered_s = answer.last_stable_offset, time.monotonic()
        if answer.diverging is not None:
            partition.diverging = answer.diverging
            self._hand_over(partition)
            return
        if not answer.data:
            self._problems.pop(partition.problem, None)
        else:
            try:
                next_offset = answer.next_offset(partition.position)
            except REQUEST_ERRORS as error:
                self._replicas.give_up(partition.place, time.monotonic())  # the leader's copy may be whole
                self._problems[partition.problem] = f"what was fetched is damaged, trying again: {describe(error)}"
                partition.held_until = time.monotonic() + damage.WAIT_S
                partition.damage.seen(None)
                return
            epochs = list(epochs_in(answer.data, partition.position))
            for entry in epochs:
                partition.epochs.add(entry)
            records = answer.records(partition.topic.name, partition.position)
            self._queue.put_batches(partition, records, epochs, len(answer.data))
            partition.position = next_offset
        # Where compaction left nothing before the target, no batch leads up to it.
        nothing_left = not cut and answer.last_stable_offset >= partition.target
        if partition.position >= partition.target or nothing_left:
            self._queue.put_fetched(partition)

    def _refused(self, partition: Partition, error: int) -> None:
        if error == OFFSET_OUT_OF_RANGE:
            self._hand_over(partition)
            return
        partition.held_until = time.monotonic() + REFUSED_WAIT_S
        if error not in MOVED_CODES:
            partition.held_until = time.monotonic() + damage.WAIT_S
            if error == CORRUPT_MESSAGE:
                partition.damage.seen(None)
            self._problems[partition.problem] = f"Kafka refuses to hand it out: {describe(error_of(error))}"
        elif error not in MISSING_CODES:
            self._problems[partition.problem] = "its broker cannot serve it now, looking for another one"
        self._topics.check_wanted.set()

    def _hand_over(self, partition: Partition) -> None:
        """Have the watcher move a partition; until then it is not fetched."""
        partition.held_until = float("inf")
        self._topics.overtaken.append(partition)
        self._topics.check_wanted.set()
