"""What an administrator does to partitions: reassigns replicas, elects preferred leaders, looks who is in sync."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import AlterPartitionReassignmentsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Int16, Int32, Schema, String

TIMEOUT_S = 60.0
TIMEOUT_MS = 30_000
POLL_S = 0.1


class Replicas:
    """The replicas of partitions: ``leader`` is -1 where there is none."""

    def __init__(self, leader: int, replicas: Sequence[int], in_sync: Sequence[int]) -> None:
        self.leader = leader
        self.replicas = list(replicas)
        self.in_sync = set(in_sync)


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


class _ElectLeaders(Request[_ElectLeadersStruct]):  # type: ignore[misc]
    API_KEY = 43

    def __init__(self, topic: str, partitions: Sequence[int]) -> None:
        self._topics = [(topic, list(partitions))]

    def build(self, request_struct_class: type[_ElectLeadersStruct]) -> _ElectLeadersStruct:
        return request_struct_class(self._topics, TIMEOUT_MS)


class Admin:
    """Administers a cluster, and tries again while it is disturbed. ``address`` returns the brokers that run."""

    def __init__(self, address: Callable[[], str]) -> None:
        self._address = address

    async def describe(self, topic: str) -> dict[int, Replicas]:
        """The partitions of a topic."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                async with self._client() as client:
                    (found,) = await client.describe_topics([topic])
            except (KafkaError, OSError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(POLL_S)
            else:
                return {
                    each["partition"]: Replicas(each["leader"], each["replicas"], each["isr"])
                    for each in found["partitions"]
                }

    async def until(self, topic: str, condition: Callable[[Replicas], bool]) -> None:
        """Wait until a condition holds for all partitions of a topic."""
        async with asyncio.timeout(TIMEOUT_S):
            while not all(condition(each) for each in (await self.describe(topic)).values()):  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)

    async def reassign(self, topic: str, replicas: Mapping[int, Sequence[int]]) -> None:
        """Give partitions other replicas, or another order of them: the first one is the preferred leader."""
        partitions: list[tuple[int, list[int], dict[int, bytes]]] = [
            (partition, list(brokers), {}) for partition, brokers in replicas.items()
        ]
        async with self._client() as client:
            answer = await client._send_to_controller(
                AlterPartitionReassignmentsRequest(TIMEOUT_MS, [(topic, partitions, {})], {})
            )
        assert answer.error_code == 0, answer

    async def elect(self, topic: str, partitions: Sequence[int]) -> None:
        """Make the preferred replicas leaders. Not checked: one may be leader already, or not in sync."""
        async with self._client() as client:
            await client._send_to_controller(_ElectLeaders(topic, partitions))

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[AIOKafkaAdminClient]:
        client = AIOKafkaAdminClient(bootstrap_servers=self._address())
        try:
            await client.start()
            yield client
        finally:
            await client.close()
