"""What topics there are: their ids, partition counts and leaders, asked for without ever creating one.

aiokafka's own metadata requests stop at version 5, have no topic id, and ask the broker to create what is missing.
Version 12 has the id (KIP-516, Kafka 3.1): a topic that is deleted and made anew under its old name has another one, so
it is the log's epoch. An id is never used again.
"""

import base64
import time
from collections.abc import Collection, Mapping
from io import BytesIO
from typing import NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, KafkaError, for_code
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

NO_TOPIC_ID = bytes(16)
NO_LEADER = -1

UNKNOWN_TOPIC = 3
INVALID_TOPIC = 17
TOPIC_FORBIDDEN = 29


class Uuid(AbstractType):  # type: ignore[misc]  # aiokafka has no types
    """16 bytes, as they are: aiokafka's protocol types have no UUID."""

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
                ("topic_id", Uuid),
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
        ("topics", CompactArray(("topic_id", Uuid), ("name", _TEXT), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataStruct]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, topics: Collection[str]) -> None:
        self._topics: list[tuple[object, ...]] = [(NO_TOPIC_ID, topic, {}) for topic in topics]

    def build(self, request_struct_class: type[_MetadataStruct]) -> _MetadataStruct:
        return request_struct_class(self._topics, False, False, {})


def error_of(code: int) -> KafkaError:
    """The exception for an error code in an answer."""
    error: KafkaError = for_code(code)()
    return error


class Topic(NamedTuple):
    """A topic as a broker knows it. ``leaders`` has the node of every partition, `NO_LEADER` where there is none now.

    ``error`` is a Kafka error code: 0, or why nothing else is known of the topic.
    """

    name: str
    topic_id: bytes
    leaders: Mapping[int, int]
    error: int = 0

    @property
    def epoch(self) -> str:
        """The id as text, in the form in which Kafka's own tools print it."""
        return base64.urlsafe_b64encode(self.topic_id).rstrip(b"=").decode()


class Topics:
    """Asks for topics, and remembers the newest answer for each."""

    def __init__(self, client: AIOKafkaClient) -> None:
        self._client = client
        self._node: int | None = None
        self._known: dict[str, tuple[float, Topic]] = {}

    async def describe(self, names: Collection[str]) -> dict[str, Topic]:
        """Ask a broker for topics.

        It is always the same broker until it fails: what one broker says never goes back in time, but another one may
        be behind it, and a topic would seem to change to and fro.

        Raises:
            KafkaError, OSError, TimeoutError: there is no answer.
        """
        if self._node is None:
            self._node = self._client.get_random_node()
        if self._node is None:
            raise KafkaConnectionError("the cluster named none of its brokers")
        try:
            response = await self._client.send(self._node, _MetadataRequest(names))
        except BaseException:
            self._node = None
            raise
        found = {
            name: Topic(name, topic_id, {partition[1]: partition[2] for partition in partitions}, error)
            for error, name, topic_id, _, partitions, _, _ in response.topics
        }
        now = time.monotonic()
        self._known.update({name: (now, topic) for name, topic in found.items()})
        return found

    async def topic(self, name: str, *, age_s_max: float) -> Topic:
        """One topic, as it was at most ``age_s_max`` seconds ago.

        Raises:
            KafkaError, OSError, TimeoutError: there is no answer.
        """
        at, topic = self._known.get(name, (0.0, None))
        if topic is None or topic.error or time.monotonic() - at > age_s_max:
            topic = (await self.describe([name]))[name]
        return topic

    def forget(self, name: str) -> None:
        """A broker contradicted what is known of a topic: ask anew the next time."""
        self._known.pop(name, None)
