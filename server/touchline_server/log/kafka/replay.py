"""Reading old records of one partition, beside the live reader: its requests do not wait at the broker.

Rules: each answer comes by topic id, so it belongs to the epoch that was asked for. Offsets need not be dense, so the
batches tell how far a read came, not the last record.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping

from touchline_kafka.client import Client
from touchline_kafka.decoding import epochs_in, has_append_times
from touchline_kafka.error_codes import LEADER_NOT_AVAILABLE, MOVED_CODES, OFFSET_OUT_OF_RANGE
from touchline_kafka.errors import REQUEST_ERRORS, describe, error_of, is_damage
from touchline_kafka.fetch import EARLIEST, LATEST, Fetched, fetch, list_offsets
from touchline_kafka.metadata.read_replicas import NO_REPLICA, ReadReplicas
from touchline_kafka.retry import RETRY_FIRST_S
from touchline_kafka.topics import NO_LEADER, Topic, Topics
from touchline_kafka.wire import FetchPosition, TopicPartitionId
from touchline_protocol.errors import BadRecord, LogUnavailable
from touchline_protocol.records import Record
from touchline_server.core.log import NO_TERM, Chunk, OffsetOutOfRange

READ_BYTES_MAX = 256 * 1024
"""The size of one fetch: about a chunk of some hundred events; any more would be decoded for nothing."""
CHUNK_BYTES_MAX = 1024 * 1024
"""The values of one answer: it is kept in memory for a moment, and some records are as large as a megabyte each."""
TRIES_MAX = 5
"""How often a partition whose leader moves is asked, each time after `RETRY_FIRST_S`."""
EMPTY_WAITS_MS = (0, 100, 600)
"""The waits of the fetches that must find nothing before a hole up to the last stable offset is believed: a broker that
has to get old segments from remote storage (KIP-405) gives an empty answer after trying for 500 ms."""
TOPIC_AGE_S_MAX = 60.0
"""How long what is known of leaders is used; a broker that no longer leads says so."""


class ReplayReader:
    """Implements `Log.read`, `Log.end` and `Log.find_offset`.

    ``lost`` has the end of the last records that the live reader gave up as damaged, by epoch and partition.
    ``replicas`` knows which brokers to fetch from. Of one that does not lead, only records are taken: that it has none
    says nothing, since it may be behind.
    """

    def __init__(
        self, client: Client, topics: Topics, replicas: ReadReplicas, lost: Mapping[tuple[str, int], int]
    ) -> None:
        self._lost = lost
        self._client = client
        self._topics = topics
        self._replicas = replicas

    async def read(
        self, name: str, epoch: str, partition: int, *, after: int, up_to: int, records_max: int, term: int
    ) -> Chunk:
        """See `core.log.Log.read`. Each fetch has to follow from the one before it."""
        records: list[Record] = []
        terms: list[tuple[int, int]] = []
        offset, size, holes = after + 1, 0, Holes()
        while offset <= up_to:
            answer = await self._fetch_next(name, epoch, partition, offset, term, wait_ms=holes.wait_ms)
            for entry in epochs_in(answer.data, offset):
                term = entry.epoch
                terms.append((entry.start_offset, term))
            try:
                with contextlib.closing(answer.records(name, offset)) as iterator:
                    for record in iterator:
                        if record.offset > up_to:
                            return Chunk(records, up_to, terms)
                        records.append(record)
                        size += value_bytes(record)
                        if len(records) == records_max or size >= CHUNK_BYTES_MAX:
                            return Chunk(records, record.offset, terms)
            except Exception as error:  # each decompressor has errors of its own
                if is_damage(error) and offset < self._lost.get((epoch, partition), 0):
                    raise OffsetOutOfRange(f"{name}/{partition} is damaged from {offset} on") from error
                raise undecodable(name, partition, error) from error
            if holes.reach_end(offset, iterator.next_fetch_offset, answer.last_stable_offset):
                break
            offset = iterator.next_fetch_offset
        return Chunk(records, max(after, up_to), terms)

    async def _fetch_next(
        self, name: str, epoch: str, partition: int, offset: int, term: int, *, wait_ms: int
    ) -> Fetched:
        """One fetch of what follows a record of ``term``."""
        answer = await self.fetch(name, epoch, partition, offset, wait_ms=wait_ms, term=term)
        if answer.diverging is not None:
            raise OffsetOutOfRange(f"{name}/{partition} has lost what came before {offset} in term {term}")
        return answer

    async def begin(self, name: str, epoch: str, partition: int) -> int:
        """The first offset that a partition has. It may rise at any time."""
        topic, offsets = await self._list(name, epoch, partition, EARLIEST)
        if topic.epoch != epoch:
            raise OffsetOutOfRange(f"{epoch} is not the epoch of {name} now")
        return offsets[EARLIEST]

    async def end(self, name: str, epoch: str, partition: int, term: int) -> int:
        """See `core.log.Log.end`. Asked by name first, which may be another topic's by now, then verified by id."""
        _, offsets = await self._list(name, epoch, partition, LATEST)
        listed = offsets[LATEST]
        answer = await self.fetch(name, epoch, partition, listed, wait_ms=0, leader_only=True)
        end = answer.last_stable_offset
        if term == NO_TERM:
            return end
        try:
            answer = await self.fetch(name, epoch, partition, listed, wait_ms=0, term=term, leader_only=True)
        except OffsetOutOfRange:  # the term is newer than all that the leader knows
            return 0
        if answer.diverging is None:
            return end
        return answer.diverging.end_offset if answer.diverging.epoch == term else 0

    async def find_offset(self, name: str, epoch: str, partition: int, since_ms: int) -> int | None:
        """See `core.log.Log.find_offset`. Asked by name first, as for the end, then verified by id."""
        _, offsets = await self._list(name, epoch, partition, LATEST, since_ms, EARLIEST)
        start, end = offsets[EARLIEST], offsets[LATEST]
        place = min(offsets.get(since_ms, end), end)  # a record later than the end came between the two questions
        newest = max(start, end - 1)  # at the end there is no record that would show who set its time
        found = await self.fetch(name, epoch, partition, min(place, newest), wait_ms=0, leader_only=True)
        return None if place <= start or has_append_times(found.data) else place

    async def _list(self, name: str, epoch: str, partition: int, *times_ms: int) -> tuple[Topic, dict[int, int]]:
        """The topic that has the name, and the first offset of each time that has one."""
        try:
            topic = await self._topics.topic(name, age_s_max=TOPIC_AGE_S_MAX)
            found = {time: await list_offsets(self._client, topic, [partition], time) for time in times_ms}
        except REQUEST_ERRORS as error:
            self._topics.forget(name)
            await self._check_epoch(name, epoch, error)
            raise LogUnavailable(f"Kafka did not report offsets of {name}/{partition}: {describe(error)}") from error
        return topic, {time: offsets[partition] for time, offsets in found.items() if partition in offsets}

    async def fetch(
        self,
        name: str,
        epoch: str,
        partition: int,
        offset: int,
        *,
        wait_ms: int,
        term: int = NO_TERM,
        leader_only: bool = False,
    ) -> Fetched:
        """One fetch that succeeded, wherever the partition's leader is by now. ``term``: that of the record before.

        Raises:
            OffsetOutOfRange: the log does not hold the offset, or the topic has another epoch.
            LogUnavailable: the log did not answer.
        """
        why: BaseException = error_of(LEADER_NOT_AVAILABLE)
        for tried in range(TRIES_MAX):
            if tried:
                self._topics.forget(name)
                await asyncio.sleep(RETRY_FIRST_S)
            try:
                topic = await self._topics.topic(name, age_s_max=TOPIC_AGE_S_MAX)
                if topic.epoch != epoch:  # what is remembered may be old: only a fresh answer counts
                    topic = (await self._topics.describe([name]))[name]
                    if topic.epoch != epoch:
                        raise OffsetOutOfRange(f"{epoch} is not the epoch of {name} now")
                answer = await self._fetch_once(topic, partition, offset, term, wait_ms, leader_only)
            except REQUEST_ERRORS as error:
                why = error
                continue
            if not answer.error:
                return answer
            if answer.error == OFFSET_OUT_OF_RANGE:
                raise OffsetOutOfRange(f"{name}/{partition} has no offset {offset}")
            why = error_of(answer.error)
            if answer.error not in MOVED_CODES:
                break
        raise LogUnavailable(f"Kafka did not hand out {name}/{partition}: {describe(why)}") from why

    async def _fetch_once(
        self, topic: Topic, partition: int, offset: int, term: int, wait_ms: int, leader_only: bool
    ) -> Fetched:
        if partition not in topic.leaders:
            raise OffsetOutOfRange(f"{topic.name} has no partition {partition}")
        leader = topic.leaders[partition]
        if leader == NO_LEADER:
            raise error_of(LEADER_NOT_AVAILABLE)
        place = (topic.topic_id, partition)
        positions = {place: FetchPosition(offset, topic.leader_epochs[partition], term)}
        if not leader_only:
            now_s = time.monotonic()
            node = self._replicas.node(place, leader, now_s)
            if node == leader:
                answer = await self._ask(leader, positions, wait_ms, self._replicas.rack(now_s))
                if answer.preferred_replica == NO_REPLICA:
                    return answer
                node = answer.preferred_replica
                self._replicas.choose(place, node, now_s)
            if (records := await self._ask_replica(node, positions)) is not None:
                return records
        return await self._ask(leader, positions, wait_ms, "")

    async def _ask(
        self, node: int, positions: Mapping[TopicPartitionId, FetchPosition], wait_ms: int, rack: str
    ) -> Fetched:
        (answer,) = await fetch(
            self._client,
            node,
            positions,
            wait_ms=wait_ms,
            bytes_max=READ_BYTES_MAX,
            partition_bytes_max=READ_BYTES_MAX,
            rack=rack,
        )
        return answer

    async def _ask_replica(self, node: int, positions: Mapping[TopicPartitionId, FetchPosition]) -> Fetched | None:
        """The records that a replica has from there on; None if it hands out none."""
        try:
            answer = await self._ask(node, positions, 0, "")
        except REQUEST_ERRORS:
            self._replicas.give_up_node(node, time.monotonic())
            return None
        if answer.data and not answer.error:
            return answer
        if answer.error or answer.diverging is not None:
            self._replicas.give_up(next(iter(positions)), time.monotonic())
        return None

    async def _check_epoch(self, name: str, epoch: str, error: BaseException) -> None:
        """Raise `OffsetOutOfRange` if the failure came from a topic that was deleted, or created again."""
        try:
            topic = (await self._topics.describe([name]))[name]
        except REQUEST_ERRORS:
            return
        if topic.epoch != epoch:
            raise OffsetOutOfRange(f"{epoch} is not the epoch of {name} now") from error


class Holes:
    """Counts the fetches in a row that found nothing, to tell a hole that is still being looked for from the end."""

    def __init__(self) -> None:
        self._empty = 0

    @property
    def wait_ms(self) -> int:
        """How long the broker may wait with its next answer."""
        return EMPTY_WAITS_MS[self._empty]

    def reach_end(self, offset: int, next_offset: int, last_stable_offset: int) -> bool:
        """Whether nothing follows ``offset``, after a fetch from there that brought the reader to ``next_offset``."""
        if next_offset > offset:
            self._empty = 0
            return False
        if offset >= last_stable_offset or self._empty == len(EMPTY_WAITS_MS) - 1:
            return True
        self._empty += 1
        return False


def undecodable(name: str, partition: int, error: BaseException) -> LogUnavailable:
    """The error for records that cannot be decoded."""
    return LogUnavailable(f"records of {name}/{partition} cannot be decoded: {describe(error)}")


def value_bytes(record: Record) -> int:
    """The size of a record's value; 0 if the record cannot be decoded."""
    try:
        return len(record.value or b"")
    except BadRecord:
        return 0
