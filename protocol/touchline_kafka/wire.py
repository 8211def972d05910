"""Requests that aiokafka does not speak, or not in these versions.

Metadata v12 and Fetch v13 name topics by id (KIP-516): aiokafka's own stop before that, and its metadata requests ask
the broker to create what is missing. OffsetForLeaderEpoch v3 (KIP-320) tells where logs diverge. The price of these
versions is Kafka 3.1 or newer. Schemas are those of Kafka's protocol guide; aiokafka encodes them.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from io import BytesIO
from typing import NamedTuple, TypeAlias

from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Array,
    Boolean,
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Int64,
    Schema,
    String,
    TaggedFields,
)

CONSUMER = -1
"""In place of a broker's number: the request comes from a client."""

TopicPartitionId: TypeAlias = tuple[bytes, int]
"""A partition, by its topic's id and its number."""

NOT_KNOWN = -1
"""In place of an epoch or an offset that the client leaves to the broker."""

_NO_TOPIC_ID = bytes(16)
_NO_SESSION = (0, -1)


class FetchPosition(NamedTuple):
    """Where to fetch from. A broker that knows another ``leader_epoch`` of the partition refuses (KIP-320).

    ``read_epoch`` is that of the last batch before the offset. If it ends earlier in the broker's log, the answer says
    where (KIP-595), and holds no records.
    """

    offset: int
    leader_epoch: int = NOT_KNOWN
    read_epoch: int = NOT_KNOWN


class _Uuid(AbstractType):  # type: ignore[misc]  # aiokafka has no types
    """16 bytes as they are: aiokafka's protocol types have no UUID."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(16)


_TEXT = CompactString("utf-8")


class _MetadataResponse(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(("id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), ("tags", TaggedFields)),
        ),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", _TEXT),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _MetadataStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 12
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", _TEXT), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class MetadataRequest(Request[_MetadataStruct]):  # type: ignore[misc]
    """Asks for topics by name, and what this user may do with them, without creating any."""

    API_KEY = 3

    def __init__(self, topics: Collection[str]) -> None:
        self._topics: list[tuple[object, ...]] = [(_NO_TOPIC_ID, topic, {}) for topic in topics]

    def build(self, request_struct_class: type[_MetadataStruct]) -> _MetadataStruct:
        return request_struct_class(self._topics, False, True, {})


class _FetchResponse(Response):  # type: ignore[misc]
    API_KEY = 1
    API_VERSION = 13
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("session_id", Int32),
        (
            "topics",
            CompactArray(
                ("topic_id", _Uuid),
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
                ("topic_id", _Uuid),
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
            CompactArray(("topic_id", _Uuid), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)),
        ),
        ("rack_id", _TEXT),
        ("tags", TaggedFields),
    )


class FetchRequest(Request[_FetchStruct]):  # type: ignore[misc]
    """Asks for committed records from positions on, by topic id. Sizes are in bytes.

    A leader that is told the client's ``rack`` may name a replica that is in it, in place of records (KIP-392).
    """

    API_KEY = 1

    def __init__(
        self,
        positions: Mapping[TopicPartitionId, FetchPosition],
        wait_ms: int,
        bytes_max: int,
        partition_bytes_max: int,
        rack: str = "",
    ) -> None:
        topics: defaultdict[bytes, list[tuple[object, ...]]] = defaultdict(list)
        for (topic_id, partition), (offset, leader_epoch, read_epoch) in positions.items():
            topics[topic_id].append((partition, leader_epoch, offset, read_epoch, NOT_KNOWN, partition_bytes_max, {}))
        self._topics: list[tuple[object, ...]] = [(topic_id, partitions, {}) for topic_id, partitions in topics.items()]
        self._limits = (wait_ms, 1, bytes_max)
        self._rack = rack

    def build(self, request_struct_class: type[_FetchStruct]) -> _FetchStruct:
        limits = (*self._limits, READ_COMMITTED)
        return request_struct_class(CONSUMER, *limits, *_NO_SESSION, self._topics, [], self._rack, {})


class _OffsetForLeaderEpochResponse(Response):  # type: ignore[misc]
    API_KEY = 23
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            Array(
                ("topic", String("utf-8")),
                (
                    "partitions",
                    Array(("error_code", Int16), ("partition", Int32), ("leader_epoch", Int32), ("end_offset", Int64)),
                ),
            ),
        ),
    )


class _OffsetForLeaderEpochStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 23
    API_VERSION = 3
    RESPONSE_TYPE = _OffsetForLeaderEpochResponse
    SCHEMA = Schema(
        ("replica_id", Int32),
        (
            "topics",
            Array(
                ("topic", String("utf-8")),
                ("partitions", Array(("partition", Int32), ("current_leader_epoch", Int32), ("leader_epoch", Int32))),
            ),
        ),
    )


class OffsetForLeaderEpochRequest(Request[_OffsetForLeaderEpochStruct]):  # type: ignore[misc]
    """Asks a leader where epochs end in its log.

    ``asked`` has (partition, the partition's current leader epoch, the epoch in question).
    """

    API_KEY = 23

    def __init__(self, topic: str, asked: Collection[tuple[int, int, int]]) -> None:
        self._topics = [(topic, list(asked))]

    def build(self, request_struct_class: type[_OffsetForLeaderEpochStruct]) -> _OffsetForLeaderEpochStruct:
        return request_struct_class(CONSUMER, self._topics)
