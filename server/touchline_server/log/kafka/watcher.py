"""The task that keeps the open topics in line with the cluster: their ids, partition counts and leaders.

It looks every ``epoch_check_s`` seconds and as soon as a fetcher is refused. It alone opens topics, extends them, and
moves a partition to an offset that does not follow from its records.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

import structlog

from touchline_kafka.client import Client
from touchline_kafka.error_codes import (
    INVALID_TOPIC,
    LEADER_NOT_AVAILABLE,
    TOPIC_AUTHORIZATION_FAILED,
    UNKNOWN_TOPIC_OR_PARTITION,
)
from touchline_kafka.errors import REQUEST_ERRORS, describe, error_of
from touchline_kafka.fetch import EARLIEST, LATEST, list_offsets
from touchline_kafka.leader_epochs import UNKNOWN_EPOCH, EpochEnd, EpochEntry, LeaderEpochs, divergence
from touchline_kafka.retry import Retry
from touchline_kafka.topics import HIDDEN, NO_LEADER, OBSTACLES, UNREADABLE, Topic, Topics
from touchline_server.core.log import (
    OffsetsLost,
    PartitionCaughtUp,
    PartitionOpened,
    PartitionsAdded,
    ReadRefused,
    TopicMissing,
    TopicOpened,
)

from .bounds import FoundBounds, find_bounds
from .history import HistoryReader
from .open_topics import Bounds, OpenTopic, OpenTopics, Partition
from .partition_choice import PartitionChoice
from .queue import Queue

OPEN_WAIT_S = 15.0
"""How long a topic is waited for if none of its leaders answers: others take over within `broker.session.timeout.ms`,
9 s by default. After that it is opened without its partitions, so that it does not keep others from being served."""
OFFLINE_WAIT_S = 5.0
"""Between tries to open partitions whose leader does not answer: each of them may take that long, too."""
CHECK_PAUSE_S = 0.05
"""The shortest time between two checks of the topics, however many fetches are refused."""
BROKERS = "kafka"
"""What a problem is filed under when it does not concern a single topic."""

logger = structlog.get_logger("touchline.kafka")


class Watcher:
    """Opens topics from the records of ``since_ms`` on, and those that are in ``from_start`` from their beginning.

    ``choice`` says which partitions, and from where, if that is not all of them from that time on.
    ``find_brokers`` is called when no broker answers, ``on_checked`` after each check.
    """

    def __init__(
        self,
        client: Client,
        topics: Topics,
        open_topics: OpenTopics,
        queue: Queue,
        history: HistoryReader,
        *,
        since_ms: int,
        from_start: Collection[str],
        check_s: float,
        find_brokers: Callable[[], Awaitable[None]],
        on_checked: Callable[[], None],
        choice: PartitionChoice | None = None,
    ) -> None:
        self._client = client
        self._topics = topics
        self._open_topics = open_topics
        self._problems = open_topics.problems
        self._queue = queue
        self._history = history
        self._since_ms = max(0, since_ms)  # below 0 are `EARLIEST` and `LATEST`
        self._from_start = frozenset(from_start)
        self._check_s = check_s
        self._find_brokers = find_brokers
        self._on_checked = on_checked
        self._choice = choice
        self._refused_topics: set[str] = set()
        """Topics that `ReadRefused` was handed out for, and that were not opened since."""
        self._waiting_since: dict[str, float] = {}
        """Topics of which no leader answers yet, and when (of `time.monotonic`) they were to be opened first."""
        self._reported: set[str] = set()
        """Topics that `TopicOpened` or `TopicMissing` was handed out for."""

    async def run(self) -> None:
        """Check again and again; does not end by itself."""
        retry = Retry()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._check_s):
                    await self._open_topics.check_wanted.wait()
            self._open_topics.check_wanted.clear()
            try:
                await self.check()
            except REQUEST_ERRORS as error:
                self._problems[BROKERS] = f"no broker answers, trying again: {describe(error)}"
                await self._find_brokers()
                await retry.wait()
            else:
                self._problems.pop(BROKERS, None)
                retry.reset()
                await asyncio.sleep(CHECK_PAUSE_S)

    async def check(self) -> None:
        """Look at the topics once.

        Raises:
            KafkaError, OSError, TimeoutError: the brokers do not answer.
        """
        found = await self._topics.describe(list(self._open_topics.by_name))
        for name, topic in found.items():
            try:
                await self._compare(name, self._chosen(topic))
            except REQUEST_ERRORS as error:
                self._problems[name] = f"it cannot be read now, trying again: {describe(error)}"
        overtaken, self._open_topics.overtaken = self._open_topics.overtaken, []
        for partition in overtaken:
            try:
                await self._reposition(partition)
            except REQUEST_ERRORS as error:
                self._open_topics.overtaken.append(partition)
                name = partition.topic.name
                self._problems[name] = f"partition {partition.index} waits for its offsets: {describe(error)}"
        for partition in self._open_topics.given_up():
            with contextlib.suppress(*REQUEST_ERRORS):  # it stays given up, and has a problem already
                await self._go_past_damage(partition)
        self._on_checked()

    def _chosen(self, topic: Topic) -> Topic:
        """A topic with those of its partitions that are to be read."""
        if self._choice is None:
            return topic
        chosen = self._choice.chosen(topic.name)
        if chosen is None:
            return topic
        return topic._replace(leaders={index: node for index, node in topic.leaders.items() if index in chosen})

    async def _find_bounds(self, topic: Topic, partitions: Iterable[int], since_ms: int) -> FoundBounds:
        found = await find_bounds(self._client, topic, partitions, since_ms)
        if self._choice is None or not found.bounds:
            return found
        bounds = dict(found.bounds)
        starts = {index: each.start for index, each in bounds.items()}
        for index, at in (await self._choice.positions(topic.name, topic.epoch, starts)).items():
            last = EpochEntry(at.term, at.term_start) if at.term != UNKNOWN_EPOCH else None
            bounds[index] = Bounds(at.offset, bounds[index].end, last)
        return FoundBounds(bounds, found.failures)

    async def _compare(self, name: str, topic: Topic) -> None:
        """Bring how a topic is read in line with how it is now."""
        opened = self._open_topics.by_name[name]
        if topic.error in (UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC):
            self._missing(name, topic.error)
        elif topic.error == TOPIC_AUTHORIZATION_FAILED:
            self._refused(name, HIDDEN)
        elif topic.error:
            raise error_of(topic.error)
        elif not topic.may_read:
            self._refused(name, UNREADABLE)
        elif opened is None or topic.topic_id != opened.known.topic_id or _is_set_back(opened.known, topic):
            await self._open(name, topic)
        else:
            opened.known = topic
            self._extend(opened)
            self._report_leaderless(topic)
            await self._open_offline(opened)

    def _missing(self, name: str, error: int) -> None:
        self._problems[name] = OBSTACLES[error]
        opened = self._open_topics.by_name[name]
        if opened is not None:
            self._history.cancel(opened)
        if opened is not None or name not in self._reported:
            self._reported.add(name)
            self._open_topics.by_name[name] = None
            self._queue.put(TopicMissing(name))

    def _refused(self, name: str, why: str) -> None:
        """Report that a topic may not be read. Once it was opened, its partitions are fetched on, rarely, until it may.

        It is the same log afterwards, so it is then read as at the start.
        """
        self._problems[name] = why
        if self._open_topics.by_name[name] is None and name not in self._refused_topics:
            self._refused_topics.add(name)
            self._queue.put(ReadRefused(name, why))

    async def _open(self, name: str, topic: Topic) -> None:
        """Read a topic from now on, as far as it can be read. One that appeared after the start has no earlier time.

        Raises:
            KafkaError, OSError, TimeoutError: it has leaders, and none has answered for less than `OPEN_WAIT_S`.
        """
        replaced = self._open_topics.by_name[name]
        since_ms = EARLIEST if name in self._reported or name in self._from_start else self._since_ms
        if replaced is not None and replaced.known.topic_id == topic.topic_id:
            since_ms = replaced.since_ms
        bounds, failures = await self._find_bounds(topic, topic.leaders, since_ms)
        waiting_since = self._waiting_since.setdefault(name, time.monotonic())
        if not bounds and time.monotonic() - waiting_since < OPEN_WAIT_S:
            if not topic.leaders:
                raise error_of(LEADER_NOT_AVAILABLE)
            if led := [index for index in failures if topic.leaders[index] != NO_LEADER]:
                raise failures[led[0]]
        del self._waiting_since[name]
        if replaced is not None:
            self._history.cancel(replaced)
        opened = self._open_topics.by_name[name] = OpenTopic(topic, bounds, since_ms)
        self._reported.add(name)
        self._refused_topics.discard(name)
        self._problems.pop(name, None)
        for problem in [one for one in self._problems if one.startswith(f"{name}/")]:
            del self._problems[problem]
        starts = {index: each.start for index, each in bounds.items()}
        self._queue.put(TopicOpened(name, topic.epoch, starts, frozenset(opened.offline)))
        for partition in opened.partitions.values():
            self._queue.put_term(partition)
        self._report_leaderless(topic)
        self._report_offline(opened, failures)
        self._history.begin(opened, starts)
        self._queue.put_caught_up(opened)

    async def _open_offline(self, opened: OpenTopic) -> None:
        """Read the partitions that could not be read when their topic was opened, as soon as they can be."""
        led = [index for index in sorted(opened.offline) if opened.known.leaders[index] != NO_LEADER]
        if not led or time.monotonic() < opened.offline_held_until:
            return
        bounds, failures = await self._find_bounds(opened.known, led, opened.since_ms)
        opened.offline_held_until = time.monotonic() + OFFLINE_WAIT_S if failures else 0.0
        for index, each in bounds.items():
            partition = opened.open_late(index, each)
            self._problems.pop(partition.problem, None)
            self._queue.put(PartitionOpened(opened.name, index, each.start))
            self._queue.put_term(partition)
            self._history.begin(opened, {index: each.start})
            if each.start >= each.end:
                self._queue.put(PartitionCaughtUp(opened.name, index))
        self._report_offline(opened, failures)

    def _report_offline(self, opened: OpenTopic, failures: Mapping[int, BaseException]) -> None:
        """Report the partitions that have a leader, and cannot be read all the same."""
        for index, error in failures.items():
            if opened.known.leaders[index] != NO_LEADER:
                self._problems[f"{opened.name}/{index}"] = f"it cannot be read yet, trying again: {describe(error)}"

    def _extend(self, opened: OpenTopic) -> None:
        added = sorted(opened.known.leaders.keys() - opened.partitions.keys() - opened.offline)
        if added:
            opened.partitions.update({index: Partition(opened, index, Bounds(0, 0)) for index in added})
            self._queue.put(PartitionsAdded(opened.name, dict.fromkeys(added, 0)))

    def _report_leaderless(self, topic: Topic) -> None:
        leaderless = [str(index) for index, leader in topic.leaders.items() if leader == NO_LEADER]
        if leaderless:
            self._problems[topic.name] = f"no broker leads partition {', '.join(leaderless)} now"
        else:
            self._problems.pop(topic.name, None)

    async def _reposition(self, partition: Partition) -> None:
        """Go on where a partition begins if retention overtook the reader, or where what was read departs from it."""
        if not self._open_topics.is_open(partition):
            return
        topic = partition.topic.known
        if partition.diverging is not None:
            await self._cut_back(partition, partition.diverging)
            return
        start = (await list_offsets(self._client, topic, [partition.index], EARLIEST))[partition.index]
        end = (await list_offsets(self._client, topic, [partition.index], LATEST))[partition.index]
        partition.held_until = 0.0
        if start <= partition.position <= end:
            return  # the broker that refused was behind
        if partition.position > end:
            await self._cut_back(partition, EpochEnd(partition.fetch_position.read_epoch, end))
            return
        partition.position = start
        partition.epochs = LeaderEpochs()  # another leader may have written what was not read
        self._queue.put(OffsetsLost(topic.name, partition.index, start))
        if partition.position >= partition.target:
            self._queue.put_fetched(partition)

    async def _cut_back(self, partition: Partition, end: EpochEnd) -> None:
        """The log was cut back, and has other records now than those that were read: ``end`` is how far it is the same.

        Of a topic that is read from its start everything counts, so it is read again.
        """
        name = partition.topic.name
        if name in self._from_start:
            await self._open(name, partition.topic.known)
            return
        last = partition.epochs.before(partition.position)
        cut = end.end_offset if last is None else divergence(last, end, partition.position)
        cut = partition.position if cut is None else cut
        partition.epochs.cut(cut)
        kept = partition.epochs.before(cut)
        partition.diverging = None
        partition.held_until = 0.0
        if self._queue.cut_back(partition, cut, end.epoch if kept is None else kept.epoch):
            self._history.begin(partition.topic, {partition.index: cut})
        if partition.position >= partition.target:
            self._queue.put_fetched(partition)

    async def _go_past_damage(self, partition: Partition) -> None:
        """Give up records that have been damaged for too long, and continue after them."""
        topic, position = partition.topic.known, partition.position
        end = (await list_offsets(self._client, topic, [partition.index], LATEST))[partition.index]
        start = partition.damage.skip(position, end)
        if start == position:
            return
        partition.position = self._open_topics.lost[topic.epoch, partition.index] = start
        partition.epochs = LeaderEpochs()  # another leader may have written the damaged records
        partition.held_until = 0.0
        lost = f"the records from offset {position} up to {start} are damaged, and are left out"
        self._problems[f"{partition.problem}@{position}"] = lost
        logger.error(
            "damaged_records_left_out",
            topic=topic.name,
            partition=partition.index,
            from_offset=position,
            before_offset=start,
        )
        self._queue.put(OffsetsLost(topic.name, partition.index, start))
        if start >= partition.target:
            self._queue.put_fetched(partition)


def _is_set_back(known: Topic, topic: Topic) -> bool:
    """Whether the cluster was restored from an older copy, so what is known of a topic's leader epochs is void."""
    return any(epoch > topic.leader_epochs.get(index, UNKNOWN_EPOCH) for index, epoch in known.leader_epochs.items())
