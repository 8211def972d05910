"""The request ElectLeaders (KIP-183), which aiokafka does not have."""

from collections.abc import Sequence

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int16, Int32, Schema, String

TIMEOUT_MS = 30_000


class _ElectLeadersResponse(Response):  # type: ignore[misc]  # aiokafka has no types
    API_KEY = 43
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            Array(
                ("topic", String("utf-8")),
                ("partitions", Array(("partition", Int32), ("error_code", Int16), ("error_message", String("utf-8")))),
            ),
        ),
    )


class _ElectLeadersStruct(RequestStruct):  # type: ignore[misc]
    """ElectLeaders v0 (KIP-183), which elects preferred leaders."""

    API_KEY = 43
    API_VERSION = 0
    RESPONSE_TYPE = _ElectLeadersResponse
    SCHEMA = Schema(
        ("topic_partitions", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))), ("timeout_ms", Int32)
    )


class ElectLeaders(Request[_ElectLeadersStruct]):  # type: ignore[misc]
    """Makes the preferred replicas of some partitions their leaders."""

    API_KEY = 43

    def __init__(self, topic: str, partitions: Sequence[int]) -> None:
        self._topics = [(topic, list(partitions))]

    def build(self, request_struct_class: type[_ElectLeadersStruct]) -> _ElectLeadersStruct:
        return request_struct_class(self._topics, TIMEOUT_MS)
