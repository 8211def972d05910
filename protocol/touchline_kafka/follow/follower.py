"""Following whole topics: all partitions, without a group, from a time on.

Rules:

1. Offsets are ours: nothing is reset silently. Where the log does not hold them (retention was faster, the topic was
   created again), `RecordsLost` is handed out before what comes next, from the log's beginning.
2. A log that was cut back, and grew again with other records under the same offsets, is noticed by its leader epochs,
   before a record of it is handed out. `RecordsLost` is handed out, and then the records from the divergence on. Only a
   partition's leader can answer for its log, but any replica serves fetches: what comes while there is no leader is
   fetched again later.
3. A topic that does not exist is looked for again, without creating it; so are partitions that are added.
4. The follower waits for a Kafka that is away. It raises an error that only an operator can fix.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from touchline_kafka.client import RELEASE_S
from touchline_kafka.cluster import Cluster
from touchline_kafka.errors import REQUEST_ERRORS, describe, is_refusal, operator_error
from touchline_kafka.fetch import epoch_ends
from touchline_kafka.leader_epochs import UNKNOWN_EPOCH, EpochEntry, LeaderEpochs, divergence
from touchline_kafka.repairs import Consumer
from touchline_kafka.topics import NO_LEADER, Topic, Topics
from touchline_protocol.records import Record

POLL_MS = 100
"""How long a poll waits, so how late a caller learns that nothing came."""
FETCH_WAIT_MS = 100
"""How long the broker waits for records before it answers that there are none: until then nobody can know."""
FETCH_BYTES_MAX = 8 << 20
"""The size of one answer: some 30,000 records as large as an action."""
METADATA_AGE_MS_MAX = 30_000
"""How soon a partition's new leader is noticed, if the old one does not answer."""
RECORDS_MAX = 1_000
"""Records of one poll: some 10 ms of work, after which the loop serves others."""
LOOK_EVERY_S = 5.0
"""How often to look for topics that were created, partitions that were added, which are read from their beginning, and
leaders that moved."""
RETRY_S = 1.0

_log = logging.getLogger("touchline.kafka")


class FollowedRecord(NamedTuple):
    """A record. ``complete``: all records of its partition since offset 0 were handed out."""

    topic: str
    record: Record
    complete: bool


class RecordsLost(NamedTuple):
    """Records of this topic were missed, or some that were handed out are not in its log any more."""

    topic: str


class _Progress:
    """Where a partition is being read."""

    __slots__ = ("checked_connection", "checked_epoch", "complete", "next_offset")

    def __init__(self, next_offset: int, checked_epoch: int, checked_connection: int) -> None:
        self.next_offset = next_offset
        self.complete = next_offset == 0
        self.checked_epoch = checked_epoch
        """The newest leader epoch whose log is known to hold what was read."""
        self.checked_connection = checked_connection
        """How many connections had been lost when that was checked."""


class Follower:
    """Reads ``topics`` from the records of ``since_ms`` (Unix milliseconds) on, or all of them if that is None.

    Use it as ``async with``; entering raises what `Cluster.consumer` raises.
    """

    def __init__(self, cluster: Cluster, topics: Sequence[str], *, since_ms: int | None) -> None:
        self._cluster = cluster
        self._names = topics
        self._since_ms = since_ms
        self._progress: dict[TopicPartition, _Progress] = {}
        self._consumer: Consumer
        self._topics: Topics
        self._looked_at = 0.0
        self._checked_connection = 0
        """How many connections had been lost when all logs that have a leader were checked."""
        self._known_s: float | None = None
        self.missing: frozenset[str] = frozenset()
        """Topics that do not exist."""
        self.lags: Mapping[tuple[str, int], int] = {}
        """How many offsets of each partition were not handed out, by topic and number, as of its newest answer."""

    async def __aenter__(self) -> Self:
        self._consumer = await self._cluster.consumer(
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            fetch_max_bytes=FETCH_BYTES_MAX,
            metadata_max_age_ms=METADATA_AGE_MS_MAX,
        )
        self._topics = Topics(self._consumer.client)
        self._consumer.client.compare_leaders(self._topics.described)
        try:
            await self._look(self._since_ms)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        await self._consumer.stop_within(RELEASE_S)

    @property
    def known_s(self) -> float | None:
        """Everything that was in the topics at this time (of `time.monotonic`) was handed out; None until all that was
        there at first was."""
        return self._known_s

    def answer_ages_s(self) -> dict[tuple[str, int], float]:
        """How long ago Kafka last answered about each partition, by topic and number; without those it never did."""
        now_ms = time.time() * 1000  # aiokafka's clock
        at_ms = {tp: self._consumer.answered_ms(tp) for tp in list(self._progress)}
        return {(tp.topic, tp.partition): max(0.0, now_ms - at) / 1000 for tp, at in at_ms.items() if at is not None}

    async def poll(self) -> list[FollowedRecord | RecordsLost]:
        """Wait a moment for records. Those of one partition are in order.

        Raises:
            OperatorError: Kafka refuses.
        """
        try:
            return await self._poll()
        except REQUEST_ERRORS as error:
            if is_refusal(error):
                raise operator_error(f"{', '.join(self._names)} cannot be read", error) from error
            _log.warning("%s cannot be read now, trying again: %s", ", ".join(self._names), describe(error))
            for tp, progress in self._progress.items():  # a poll that failed may have lost what it had fetched
                self._consumer.seek(tp, progress.next_offset)
            await asyncio.sleep(RETRY_S)
            return []

    async def _poll(self) -> list[FollowedRecord | RecordsLost]:
        if time.monotonic() - self._looked_at > LOOK_EVERY_S:
            await self._look(None)
        if not self._progress:
            self._known_s = time.monotonic()
            await asyncio.sleep(POLL_MS / 1000)
            return []
        try:
            fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
        except OffsetOutOfRangeError as error:
            return await self._begin_again(list(error.args[0]))
        lost = set() if self._all_checked(fetched) else await self._check(fetched)
        found: list[FollowedRecord | RecordsLost] = [RecordsLost(topic) for topic in sorted({tp.topic for tp in lost})]
        for tp, records in fetched.items():
            if tp in lost:
                continue
            if self._is_checked(tp, records):
                found += [self._follow(tp, record) for record in records]
            else:
                self._consumer.seek(tp, self._progress[tp].next_offset)
        if fetched and not found:
            await asyncio.sleep(POLL_MS / 1000)  # a leader is being elected
        await self._note_known()
        return found

    def _seen(self, tp: TopicPartition, records: Sequence[Record]) -> int:
        """The newest leader epoch of what was fetched."""
        entry = self._consumer.epochs[tp].before(records[-1].offset + 1)
        return UNKNOWN_EPOCH if entry is None else entry.epoch

    def _is_checked(self, tp: TopicPartition, records: Sequence[Record]) -> bool:
        """Whether the log that these records are from is known to hold what was read before."""
        progress = self._progress[tp]
        is_same_connection = progress.checked_connection == self._consumer.client.connections_lost
        return is_same_connection and self._seen(tp, records) <= progress.checked_epoch

    def _all_checked(self, fetched: Mapping[TopicPartition, Sequence[Record]]) -> bool:
        return self._checked_connection == self._consumer.client.connections_lost and all(
            self._is_checked(tp, records) for tp, records in fetched.items()
        )

    async def _check(self, fetched: Mapping[TopicPartition, Sequence[Record]]) -> set[TopicPartition]:
        """Go back where a log does not hold what was read; returns those partitions.

        Partitions without a leader stay unchecked.
        """
        connection = self._consumer.client.connections_lost
        seen = {tp: self._seen(tp, records) for tp, records in fetched.items()}
        topics = await self._topics.describe(self._names)
        lost: dict[TopicPartition, int] = {}
        checked: dict[TopicPartition, int] = {}
        for name, topic in topics.items():
            led = {TopicPartition(name, index) for index, leader in topic.leaders.items() if leader != NO_LEADER}
            read = {tp: one for tp, one in self._progress.items() if tp in led}
            lost |= await self._divergences(topic, read, seen)
            epochs = topic.leader_epochs
            checked |= {tp: max(epochs.get(tp.partition, UNKNOWN_EPOCH), seen.get(tp, UNKNOWN_EPOCH)) for tp in read}
        begins = await self._consumer.beginning_offsets(list(lost)) if lost else {}
        # Nothing fails from here on: a log counts as checked only once what was found is acted on.
        self._checked_connection = connection
        for tp, epoch in checked.items():
            self._progress[tp].checked_epoch, self._progress[tp].checked_connection = epoch, connection
        for tp, offset in lost.items():
            self._go_back(tp, max(offset, begins[tp]))
        return set(lost)

    async def _divergences(
        self, topic: Topic, read: Mapping[TopicPartition, _Progress], seen: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """Where the logs of a topic's partitions depart from what was read."""
        entries = {tp: self._consumer.epochs[tp].before(one.next_offset) for tp, one in read.items()}
        known = {tp: entry for tp, entry in entries.items() if entry is not None and entry.epoch != UNKNOWN_EPOCH}
        ends = await epoch_ends(
            self._consumer.client,
            topic,
            {tp.partition: entry.epoch for tp, entry in known.items()},
            {tp.partition: epoch for tp, epoch in seen.items() if tp.topic == topic.name},
        )
        found = {tp: divergence(entry, ends[tp.partition], read[tp].next_offset) for tp, entry in known.items()}
        return {tp: offset for tp, offset in found.items() if offset is not None}

    def _go_back(self, tp: TopicPartition, offset: int) -> None:
        _log.warning(
            "%s, partition %d: its log was cut back and has lost what it held from offset %d on, of which records up "
            "to %d had been read",
            *(*tp, offset, self._progress[tp].next_offset),
        )
        self._begin(tp, offset, self._progress[tp].checked_epoch)
        self._progress[tp].complete = False

    def _begin(self, tp: TopicPartition, offset: int, leader_epoch: int) -> None:
        """Read a partition from an offset on, from the log of the leader that has this epoch."""
        self._progress[tp] = _Progress(offset, leader_epoch, self._checked_connection)
        epochs = self._consumer.epochs[tp] = LeaderEpochs()
        epochs.add(EpochEntry(leader_epoch, offset))
        self._consumer.seek(tp, offset)

    def _follow(self, tp: TopicPartition, record: Record) -> FollowedRecord:
        progress = self._progress[tp]
        progress.complete = progress.complete and record.offset == progress.next_offset
        progress.next_offset = record.offset + 1
        return FollowedRecord(tp.topic, record, progress.complete)

    async def _note_known(self) -> None:
        """Once every partition is handed out up to the end in its newest answer, all is known as of those answers."""
        now_s, now_ms, age_ms_max = time.monotonic(), time.time() * 1000, 0.0
        ends = {tp: self._consumer.last_stable_offset(tp) for tp in self._progress}
        lags = {tp: max(0, end - await self._consumer.position(tp)) for tp, end in ends.items() if end is not None}
        self.lags = {(tp.topic, tp.partition): lag for tp, lag in lags.items()}
        if len(lags) < len(ends) or any(lags.values()):
            return
        for tp in lags:
            at_ms = self._consumer.last_poll_timestamp(tp)
            if at_ms is None or at_ms > now_ms + 1:
                return  # the computer's clock, which aiokafka uses, was set back since: wait for the next answers
            age_ms_max = max(age_ms_max, now_ms - at_ms)
        self._known_s = max(self._known_s or 0.0, now_s - age_ms_max / 1000)

    async def _look(self, since_ms: int | None) -> None:
        """Read the topics that exist. New partitions are read from ``since_ms`` on, or from their beginning."""
        self._looked_at = time.monotonic()
        topics = await self._topics.describe(self._names)
        found = {name: topic.leaders for name, topic in topics.items()}
        self.missing = frozenset(name for name, leaders in found.items() if not leaders)
        existing = {TopicPartition(name, index) for name, leaders in found.items() for index in leaders}
        new = existing - self._progress.keys()
        if not new:
            return
        self._consumer.assign([*self._progress, *new])
        for tp, progress in self._progress.items():
            self._consumer.seek(tp, progress.next_offset)
        for tp, offset in (await self._starts(new, since_ms)).items():
            self._begin(tp, offset, topics[tp.topic].leader_epochs.get(tp.partition, UNKNOWN_EPOCH))

    async def _starts(self, new: set[TopicPartition], since_ms: int | None) -> dict[TopicPartition, int]:
        begins: dict[TopicPartition, int] = await self._consumer.beginning_offsets(list(new))
        if since_ms is None:
            return begins
        ends = await self._consumer.end_offsets(list(new))
        times = await self._consumer.offsets_for_times(dict.fromkeys(new, max(0, since_ms)))
        return {tp: ends[tp] if times[tp] is None else max(begins[tp], times[tp].offset) for tp in new}

    async def _begin_again(self, partitions: Sequence[TopicPartition]) -> list[FollowedRecord | RecordsLost]:
        lost = await self._check({})
        others = [tp for tp in partitions if tp not in lost]
        for tp, offset in (await self._consumer.beginning_offsets(others) if others else {}).items():
            _log.warning("%s, partition %d: some records were deleted before they were read", *tp)
            self._begin(tp, offset, self._progress[tp].checked_epoch)
            self._progress[tp].complete = False
        return [RecordsLost(topic) for topic in sorted({tp.topic for tp in (*partitions, *lost)})]
