"""Fetching records by topic id, and offsets by time.

aiokafka's consumer fetches by name, so from a topic that was deleted and made anew under its name it reads on as if
nothing had happened. From version 13 (KIP-516, Kafka 3.1) a fetch names the topic by its id: the broker answers it from
that very log or with an error. That is what makes rule 4 of `core.log` hold without a look at the metadata before each
batch, which would cost a round trip. aiokafka decodes what comes back: batches, compression, aborted transactions.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import LeaderNotAvailableError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.protocol.types import (
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from touchline_protocol.records import Record

from .topics import NO_LEADER, Topic, Uuid, error_of

OFFSET_OUT_OF_RANGE = 1
GONE_ERRORS = frozenset({3, 100, 103})
"""No such topic or partition, or an id that is no topic's (any more): `kafka_topics` knows what became of it."""
MOVED_ERRORS = GONE_ERRORS | {5, 6, 9, 56, 74, 76, 78}
"""The broker does not lead the partition, or cannot serve it now: ask the metadata who does, and try again."""

EARLIEST = -2
LATEST = -1
"""In place of a time: the first offset there is, and the last stable one (the end as a committed reader sees it)."""

_CONSUMER = -1
_NO_SESSION = (0, -1)
_NOT_KNOWN = -1


class _FetchResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 1
    API_VERSION = 13
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("session_id", Int32),
        (
            "topics",
            CompactArray(
                ("topic_id", Uuid),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("high_watermark", Int64),
                        ("last_stable_offset", Int64),
                        ("log_start_offset", Int64),
                        (
                            "aborted_transactions",
                            CompactArray(("producer_id", Int64), ("first_offset", Int64), ("tags", TaggedFields)),
                        ),
                        ("preferred_read_replica", Int32),
                        ("records", CompactBytes),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _FetchStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 1
    API_VERSION = 13
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _FetchResponse
    SCHEMA = Schema(
        ("replica_id", Int32),
        ("max_wait_ms", Int32),
        ("min_bytes", Int32),
        ("max_bytes", Int32),
        ("isolation_level", Int8),
        ("session_id", Int32),
        ("session_epoch", Int32),
        (
            "topics",
            CompactArray(
                ("topic_id", Uuid),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("current_leader_epoch", Int32),
                        ("fetch_offset", Int64),
                        ("last_fetched_epoch", Int32),
                        ("log_start_offset", Int64),
                        ("partition_max_bytes", Int32),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        (
            "forgotten_topics",
            CompactArray(("topic_id", Uuid), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)),
        ),
        ("rack_id", CompactString("utf-8")),
        ("tags", TaggedFields),
    )


Place: TypeAlias = tuple[bytes, int]
"""A partition, by its topic's id and its number."""


class _FetchRequest(Request[_FetchStruct]):  # type: ignore[misc]
    API_KEY = 1

    def __init__(self, offsets: Mapping[Place, int], wait_ms: int, bytes_max: int, partition_bytes_max: int) -> None:
        topics: defaultdict[bytes, list[tuple[object, ...]]] = defaultdict(list)
        for (topic_id, partition), offset in offsets.items():
            topics[topic_id].append((partition, _NOT_KNOWN, offset, _NOT_KNOWN, _NOT_KNOWN, partition_bytes_max, {}))
        self._topics: list[tuple[object, ...]] = [(topic_id, partitions, {}) for topic_id, partitions in topics.items()]
        self._limits = (wait_ms, 1, bytes_max)

    def build(self, request_struct_class: type[_FetchStruct]) -> _FetchStruct:
        return request_struct_class(_CONSUMER, *self._limits, READ_COMMITTED, *_NO_SESSION, self._topics, [], "", {})


class _Records(PartitionRecords):  # type: ignore[misc]
    """Hands out the records as they were decoded: a `ConsumerRecord` of each would cost as much as the decoding."""

    def _consumer_record(self, _place: TopicPartition, record: Record) -> Record:
        return record

    def close(self) -> None:
        """No more records are wanted. Its iterator and it hold each other, and with them all that was fetched."""
        self._records_iterator = iter(())


class Fetched(NamedTuple):
    """A broker's answer for one partition. ``data`` holds whole record batches, and perhaps a part of one more."""

    topic_id: bytes
    partition: int
    error: int
    last_stable_offset: int
    aborted: Sequence[tuple[int, int]]
    data: bytes

    def next_offset(self, offset: int) -> int:
        """Where to fetch on after this answer to a fetch at ``offset``; found in the batches' heads alone."""
        batches = MemoryRecords(self.data)
        while batches.has_next():
            offset = max(offset, batches.next_batch().next_offset)
        return offset

    def records(self, topic: str, offset: int) -> PartitionRecords:
        """An iterator of the committed records from ``offset`` on; its ``next_fetch_offset`` says how far it came.

        Who does not read it to its end has to ``close()`` it.

        Raises, while iterated:
            KafkaError: the data is damaged, or compressed by a method that is not installed.
        """
        place = TopicPartition(topic, self.partition)
        return _Records(place, MemoryRecords(self.data), self.aborted, offset, None, None, True, READ_COMMITTED)


async def fetch(
    client: AIOKafkaClient,
    node: int,
    offsets: Mapping[Place, int],
    *,
    wait_ms: int,
    bytes_max: int,
    partition_bytes_max: int,
) -> list[Fetched]:
    """Fetch from the offsets on. Where there is nothing yet the broker waits ``wait_ms`` for it.

    The first batch comes whole even if it is larger than the limits (KIP-74).

    Raises:
        KafkaError, OSError, TimeoutError: there is no answer.
    """
    response = await client.send(node, _FetchRequest(offsets, wait_ms, bytes_max, partition_bytes_max))
    if response.error_code:
        raise error_of(response.error_code)
    return [
        Fetched(topic_id, partition, error, stable, [pair[:2] for pair in aborted or ()], data or b"")
        for topic_id, partitions, _ in response.topics
        for partition, error, _, stable, _, aborted, _, data, _ in partitions
    ]


async def list_offsets(client: AIOKafkaClient, topic: Topic, partitions: Iterable[int], time_ms: int) -> dict[int, int]:
    """The first offset of each partition whose record is of ``time_ms`` or later; or of `EARLIEST`, `LATEST`.

    Partitions that have no such record are left out. Kafka is asked by the topic's name here, so an answer counts only
    if a fetch by the topic's id succeeds at it.

    Raises:
        KafkaError, OSError, TimeoutError: there is no answer for one of the partitions.
    """
    asked: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for partition in partitions:
        asked[topic.leaders.get(partition, NO_LEADER)].append((partition, time_ms))
    if NO_LEADER in asked:
        raise LeaderNotAvailableError(f"partition {asked[NO_LEADER][0][0]} of {topic.name} has no leader")
    offsets: dict[int, int] = {}
    for node, wanted in asked.items():
        response = await client.send(node, OffsetRequest(_CONSUMER, READ_COMMITTED, [(topic.name, wanted)]))
        for _, answers in response.topics:
            for partition, error, _, offset, *_ in answers:
                if error:
                    raise error_of(error)
                if offset >= 0:
                    offsets[partition] = offset
    return offsets
