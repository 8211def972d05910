"""Following whole topics: all partitions, without a group, from a time on.

Rules:

1. Offsets are ours: nothing is reset silently. Where the log does not hold them (retention was faster, the topic was
   created again), `RecordsLost` is handed out before what comes next, from the log's beginning.
2. A topic that does not exist is looked for again, without creating it; so are partitions that are added.
3. The follower waits for a Kafka that is away. It raises an error that only an operator can fix.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self

from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from touchline_kafka.cluster import Cluster
from touchline_kafka.errors import REQUEST_ERRORS, describe, is_refusal, operator_error
from touchline_kafka.repairs import RELEASE_S, Consumer
from touchline_kafka.topics import Topics
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
LOOK_EVERY_S = 10.0
"""How often to look for topics that were created and partitions that were added. They are read from their beginning."""
RETRY_S = 1.0

_log = logging.getLogger("touchline.kafka")


class FollowedRecord(NamedTuple):
    """A record. ``complete``: all records of its partition since offset 0 were handed out."""

    topic: str
    record: Record
    complete: bool


class RecordsLost(NamedTuple):
    """Records of this topic were missed."""

    topic: str


class _Progress:
    """Where a partition is being read."""

    __slots__ = ("complete", "next_offset")

    def __init__(self, next_offset: int) -> None:
        self.next_offset = next_offset
        self.complete = next_offset == 0


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
        self._known_ms = 0
        self.missing: frozenset[str] = frozenset()
        """Topics that do not exist."""

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
    def known_ms(self) -> int:
        """Everything that was in the topics at this time was handed out; 0 until all that was there at first was."""
        return self._known_ms

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
            self._known_ms = round(time.time() * 1000)
            await asyncio.sleep(POLL_MS / 1000)
            return []
        try:
            fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=RECORDS_MAX)
        except OffsetOutOfRangeError as error:
            return await self._begin_again(list(error.args[0]))
        found: list[FollowedRecord | RecordsLost] = [
            self._follow(tp, record) for tp, records in fetched.items() for record in records
        ]
        await self._note_known()
        return found

    def _follow(self, tp: TopicPartition, record: Record) -> FollowedRecord:
        progress = self._progress[tp]
        progress.complete = progress.complete and record.offset == progress.next_offset
        progress.next_offset = record.offset + 1
        return FollowedRecord(tp.topic, record, progress.complete)

    async def _note_known(self) -> None:
        """Once every partition is handed out up to the end in its newest answer, all is known as of those answers."""
        answered_ms = []
        for tp in self._progress:
            end = self._consumer.last_stable_offset(tp)
            at_ms = self._consumer.last_poll_timestamp(tp)
            if end is None or at_ms is None or await self._consumer.position(tp) < end:
                return
            answered_ms.append(at_ms)
        self._known_ms = max(self._known_ms, min(answered_ms))

    async def _look(self, since_ms: int | None) -> None:
        """Read the topics that exist. New partitions are read from ``since_ms`` on, or from their beginning."""
        self._looked_at = time.monotonic()
        found = {name: topic.leaders for name, topic in (await self._topics.describe(self._names)).items()}
        self.missing = frozenset(name for name, leaders in found.items() if not leaders)
        existing = {TopicPartition(name, index) for name, leaders in found.items() for index in leaders}
        new = existing - self._progress.keys()
        if not new:
            return
        self._consumer.assign([*self._progress, *new])
        self._progress.update({tp: _Progress(offset) for tp, offset in (await self._starts(new, since_ms)).items()})
        for tp, progress in self._progress.items():
            self._consumer.seek(tp, progress.next_offset)

    async def _starts(self, new: set[TopicPartition], since_ms: int | None) -> dict[TopicPartition, int]:
        begins: dict[TopicPartition, int] = await self._consumer.beginning_offsets(list(new))
        if since_ms is None:
            return begins
        ends = await self._consumer.end_offsets(list(new))
        times = await self._consumer.offsets_for_times(dict.fromkeys(new, max(0, since_ms)))
        return {tp: ends[tp] if times[tp] is None else max(begins[tp], times[tp].offset) for tp in new}

    async def _begin_again(self, partitions: Sequence[TopicPartition]) -> list[FollowedRecord | RecordsLost]:
        for tp, offset in (await self._consumer.beginning_offsets(list(partitions))).items():
            _log.warning("%s, partition %d: some records were deleted before they were read", *tp)
            self._progress[tp] = _Progress(offset)
            self._progress[tp].complete = False
            self._consumer.seek(tp, offset)
        return [RecordsLost(topic) for topic in sorted({tp.topic for tp in partitions})]
