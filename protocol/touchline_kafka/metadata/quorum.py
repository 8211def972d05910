"""Asks Kafka for the time of its controller: the answer about the quorum (KIP-836, Kafka 3.3 or newer) has it."""

from typing import Any

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

_TEXT = CompactString("utf-8")
_REPLICAS = CompactArray(
    ("replica_id", Int32),
    ("log_end_offset", Int64),
    ("last_fetch_ms", Int64),
    ("last_caught_up_ms", Int64),
    ("tags", TaggedFields),
)
METADATA_TOPIC = "__cluster_metadata"


class _QuorumResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 55
    API_VERSION = 1
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "topics",
            CompactArray(
                ("name", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("high_watermark", Int64),
                        ("voters", _REPLICAS),
                        ("observers", _REPLICAS),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _QuorumStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 55
    API_VERSION = 1
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _QuorumResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("name", _TEXT),
                ("partitions", CompactArray(("partition", Int32), ("tags", TaggedFields))),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class QuorumRequest(Request[_QuorumStruct]):  # type: ignore[misc]
    """Asks for the quorum of controllers. The user needs Describe on the cluster."""

    API_KEY = 55

    def build(self, request_struct_class: type[_QuorumStruct]) -> _QuorumStruct:
        return request_struct_class([(METADATA_TOPIC, [(0, {})], {})], {})


def controller_time_ms(answer: Any) -> int | None:
    """When the active controller answered, by its own clock (Unix); None if it refused.

    It is its own last follower that has caught up: as of now.
    """
    for _, partitions, _ in answer.topics:
        for _, code, leader, _, _, voters, *_ in partitions:
            for replica, _, _, caught_up_ms, _ in voters:
                if not code and replica == leader and caught_up_ms > 0:
                    return int(caught_up_ms)
    return None
