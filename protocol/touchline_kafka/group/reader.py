"""A member of a consumer group that hands out each record of a topic once, decoded.

aiokafka's consumer fetches and keeps the membership. `delivery` decides what is handed out and committed, `assignment`
from where each partition is read, `commits` commits. Its rules:

1. Partitions are placed by the task that asks for items, so that heartbeats go on meanwhile.
2. Before partitions are given away, what waits to be handed out is dropped, what is in hand is waited for, and what is
   processed is committed.
3. A poll that failed may have lost what it had fetched: every partition is placed again, at what is processed.
4. The reader waits for a Kafka that is away. It raises an error that only an operator can fix.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, Literal, NamedTuple, Self

from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from touchline_kafka.cluster import Cluster
from touchline_kafka.error_codes import TOPIC_AUTHORIZATION_FAILED, UNKNOWN_TOPIC_OR_PARTITION
from touchline_kafka.errors import REQUEST_ERRORS, describe, error_of, is_refusal, operator_error
from touchline_kafka.repairs import Consumer
from touchline_kafka.retry import OncePerInterval
from touchline_kafka.topics import Topics
from touchline_protocol.errors import LogUnavailable, OperatorError, TouchlineError
from touchline_protocol.records import Record

from .assignment import Assignment
from .commits import COMMIT_TIMEOUT_S, Commits
from .consumer_options import consumer_options
from .delivery import Delivery, ItemT, Memory, Skipped
from .offset_lookup import OffsetLookup
from .rebalance import CLOSE_TIMEOUT_S, RELEASE_SHARE, Listener

POLL_MS = 100
"""How long a poll waits for records, so how late an assignment can be noticed."""
POLL_RECORDS_MAX = 1000
"""Records of one poll: some 10 ms of work, after which the loop serves others."""
RETRY_S = 1.0
"""How long to wait after something that failed, for as long as it fails: an outage is never an error."""
TOPIC_CHECK_S = 5.0
"""How often the reader looks whether the topic still exists, and which brokers lead it: nothing else reports that."""

_log = logging.getLogger("touchline.kafka")


class _Member(NamedTuple, Generic[ItemT]):
    """The parts of a reader that is open."""

    consumer: Consumer
    topics: Topics
    assignment: Assignment[ItemT]
    commits: Commits


class GroupReader(Generic[ItemT]):
    """Reads ``topic`` as a member of ``group``, and hands out what ``decode`` makes of a record and its partition.

    ``start`` is where a group begins that never read before. Processed records are committed every ``commit_s``
    seconds. ``new_memory`` makes the memory of a partition, for which the records of the last ``look_back_ms`` of
    record time before the start are read again; 0 reads none. ``options`` go to aiokafka's consumer.

    Raises:
        OperatorError: ``start`` is invalid, or ``options`` has one that callers cannot set.
    """

    closed_error: type[TouchlineError] = TouchlineError
    """What asking for items outside of the ``async with`` raises."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        group: str,
        topic: str,
        decode: Callable[[Record, int], ItemT],
        new_memory: Callable[[], Memory[ItemT]],
        look_back_ms: int,
        start: Literal["end", "beginning"],
        commit_s: float,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        if start not in ("end", "beginning"):
            raise OperatorError(f'start is {start!r}: it must be "end" or "beginning"')
        self._cluster = cluster
        self._options = consumer_options(group, options or {})
        self._group, self._topic, self._first_start = group, topic, start
        self._commit_s, self._look_back_ms, self._new_memory = commit_s, look_back_ms, new_memory
        self._decode = decode
        self._delivery = Delivery(decode, self._report_skipped)
        self._member: _Member[ItemT] | None = None
        self._next_try_at = 0.0
        self._free = asyncio.Event()
        """Nothing is in hand, or nobody will ask any more."""
        self._free.set()
        self._keeper: asyncio.Task[None] | None = None
        self._checked_at = 0.0
        self._forgotten_reported = 0
        self._throttle = OncePerInterval()

    @property
    def skipped(self) -> int:
        """Records that were left out because they could not be decoded."""
        return self._delivery.skipped

    @property
    def duplicates(self) -> int:
        """Items that were left out because they had been handed out before."""
        return self._delivery.duplicates

    @property
    def lags(self) -> dict[int, int]:
        """How many offsets of each of this reader's partitions are not processed yet, as of Kafka's newest answer."""
        lags: dict[int, int] = {}
        if (member := self._member) is None:
            return lags
        for tp, partition in dict(member.assignment.partitions).items():
            if (end := member.consumer.end_seen(tp)) is not None:
                lags[tp.partition] = max(0, end - partition.done)
        return lags

    # Starting and stopping.

    async def __aenter__(self) -> Self:
        """Join the group; returns once this reader knows its partitions.

        Raises:
            OperatorError: the topic does not exist, or Kafka refuses.
            LogUnavailable: Kafka does not answer.
        """
        try:
            async with (
                asyncio.timeout(2 * self._cluster.connect_timeout_s),
                OffsetLookup(self._cluster, self._options) as lookup,
            ):
                if await lookup.begin_group(self._topic, self._first_start):
                    _log.info(
                        "the group %s reads %s for the first time, from its %s on",
                        self._group,
                        self._topic,
                        self._first_start,
                    )
            self._member = await self._new_member()
            await self._join(self._member)
        except BaseException as error:
            await self._stop()
            if isinstance(error, REQUEST_ERRORS):
                raise self._given_up(error) from error
            raise
        self._checked_at = time.monotonic()
        self._keeper = asyncio.create_task(self._keep(self._member), name="kafka-group-keeper")
        return self

    async def _new_member(self) -> _Member[ItemT]:
        consumer = await self._cluster.consumer(**{"client_rack": self._cluster.rack, **self._options})
        assignment = Assignment(
            consumer,
            self._cluster,
            self._options,
            topic=self._topic,
            decode=self._decode,
            new_memory=self._new_memory,
            look_back_ms=self._look_back_ms,
        )
        topics = Topics(consumer.client)
        consumer.client.compare_leaders(topics.described)
        return _Member(consumer, topics, assignment, Commits(consumer))

    async def _join(self, member: _Member[ItemT]) -> None:
        member.consumer.subscribe([self._topic], listener=Listener(member.assignment.assign, self._revoke))
        # The others of the group may keep us waiting for as long as they may finish what is in hand.
        async with asyncio.timeout(self._rebalance_s + self._cluster.connect_timeout_s):
            await member.consumer.getmany(timeout_ms=1)
            while not (member.assignment.is_placed or member.assignment.partitions):
                await self._prepare(member)

    @property
    def _rebalance_s(self) -> float:
        return float(self._options["rebalance_timeout_ms"]) / 1000

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        self._free.set()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        if self._member is None:
            return
        await self._commit(self._member)
        member, self._member = self._member, None
        if not await member.consumer.stop_within(CLOSE_TIMEOUT_S):
            _log.warning("left the group %s without telling it: Kafka or another reader is busy", self._group)

    # Handing out.

    def __aiter__(self) -> AsyncIterator[ItemT]:
        return self

    async def __anext__(self) -> ItemT:
        """Wait for the next item. Safe to cancel."""
        return (await self.batch(1))[0]

    async def batch(self, items_max: int = 1000) -> list[ItemT]:
        """Wait for the next items: at least one, at most ``items_max``, all of one partition. Safe to cancel.

        Raises:
            OperatorError: Kafka refuses, or the topic was deleted. While Kafka is away, it is waited for.
        """
        self.processed()
        while not (items := self._delivery.take(items_max)):
            await self._fetch()
        self._free.clear()
        return items

    def processed(self) -> None:
        """Report the items in hand as processed, as asking for the next ones does."""
        self._delivery.processed()
        self._free.set()

    async def _fetch(self) -> None:
        """Queue records to be handed out, if some come soon."""
        if self._member is None:
            raise self.closed_error("a group is read inside the `async with` that it was opened with")
        member = self._member
        if self._keeper is not None and self._keeper.done():
            self._keeper.result()
        if not await self._prepare(member):
            return
        try:
            fetched = await member.consumer.getmany(timeout_ms=POLL_MS, max_records=POLL_RECORDS_MAX)
        except OffsetOutOfRangeError as error:
            member.assignment.place_again(error.args[0])
        except REQUEST_ERRORS as error:
            member.assignment.place_again(list(member.assignment.partitions))
            await self._failed("reading %s failed, trying again: %s", error)
        else:
            await self._queue(member, fetched)

    async def _prepare(self, member: _Member[ItemT]) -> bool:
        """Place and check partitions if it is time. Returns whether there is something to read."""
        assignment = member.assignment
        if assignment.is_placed and assignment.is_all_checked:
            return True
        if time.monotonic() < self._next_try_at and assignment.partitions:
            return True
        self._next_try_at = time.monotonic() + RETRY_S
        try:
            if not assignment.is_placed:
                await assignment.place()
            if not assignment.is_all_checked:
                await assignment.check({})
        except (*REQUEST_ERRORS, LogUnavailable) as error:
            await self._failed("placing the partitions of %s failed, trying again: %s", error)
            return False
        return True

    async def _queue(self, member: _Member[ItemT], fetched: Mapping[TopicPartition, Sequence[Record]]) -> None:
        """Queue what was fetched, from logs that are known to hold what was read before."""
        assignment = member.assignment
        read = {tp: assignment.partitions[tp] for tp in fetched}
        if not all(assignment.is_checked(tp, records) for tp, records in fetched.items()):
            try:
                await assignment.check(fetched)
            except (*REQUEST_ERRORS, LogUnavailable) as error:
                await self._failed("checking the log of %s failed, trying again: %s", error)
        for tp, records in fetched.items():
            if assignment.partitions.get(tp) is not read[tp]:
                continue  # it is placed again, or not ours any more
            if assignment.is_checked(tp, records):
                self._delivery.add(read[tp], records)
            else:
                member.consumer.seek(tp, read[tp].reached)
        await asyncio.sleep(0)  # a poll that finds records does not wait, and there can be many

    async def _failed(self, message: str, error: Exception) -> None:
        """Wait before the next try, unless trying is useless."""
        if is_refusal(error):
            raise self._given_up(error) from error
        self._warn(message, self._topic, describe(error))
        await asyncio.sleep(RETRY_S)

    def _given_up(self, error: Exception) -> OperatorError:
        return operator_error(f"{self._topic} cannot be read in the group {self._group}", error)

    # What goes on meanwhile.

    async def _revoke(self) -> None:
        """The group wants all partitions back. It waits until this returns."""
        self._delivery.drop()
        release_s = self._rebalance_s * RELEASE_SHARE
        try:
            async with asyncio.timeout(release_s):
                await self._free.wait()
        except TimeoutError:
            _log.warning(
                "what was handed out %g s ago is not processed, and its partition moves: it may be handed out twice",
                release_s,
            )
        if self._member is not None:
            await self._commit(self._member)
            self._member.assignment.revoke()

    async def _keep(self, member: _Member[ItemT]) -> None:
        while True:
            await asyncio.sleep(self._commit_s)
            if member.assignment.is_all_checked:  # a commit would cover up that the broker has lost the one before
                await self._commit(member)
            self._report_forgotten(member)
            if time.monotonic() - self._checked_at >= TOPIC_CHECK_S:
                await self._check_topic(member)

    async def _commit(self, member: _Member[ItemT]) -> None:
        try:
            await member.commits.commit(member.assignment.partitions)
        except REQUEST_ERRORS as error:
            self._warn("what is processed of %s cannot be committed now: %s", self._topic, describe(error))

    async def _check_topic(self, member: _Member[ItemT]) -> None:
        self._checked_at = time.monotonic()
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                topic = (await member.topics.describe([self._topic]))[self._topic]
        except REQUEST_ERRORS:
            return
        if topic.error == UNKNOWN_TOPIC_OR_PARTITION:
            raise OperatorError(f"the topic {self._topic} was deleted while it was read")
        if topic.error == TOPIC_AUTHORIZATION_FAILED:  # without partitions, no fetch would be refused
            raise self._given_up(error_of(topic.error))

    def _report_skipped(self, skipped: Skipped) -> None:
        self._warn(
            "%s, partition %d, offset %d is skipped (%d so far): %s",
            self._topic,
            skipped.partition,
            skipped.offset,
            self._delivery.skipped,
            skipped.error,
        )

    def _report_forgotten(self, member: _Member[ItemT]) -> None:
        forgotten = sum(partition.memory.forgotten for partition in member.assignment.partitions.values())
        if forgotten > self._forgotten_reported:
            self._warn("%s: more is to be remembered than the memory's bound allows: duplicates may pass", self._topic)
        self._forgotten_reported = forgotten

    def _warn(self, message: str, *values: object) -> None:
        if self._throttle.allows(message):
            _log.warning(message, *values)
