"""What an administrator does to topics and partitions. It tries again while the cluster is disturbed."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import AlterPartitionReassignmentsRequest
from aiokafka.structs import TopicPartition

from cluster.elect_leaders import ElectLeaders

TIMEOUT_S = 120.0
REQUEST_MS = 10_000
POLL_S = 0.1
NO_ERROR, UNKNOWN_TOPIC, TOPIC_EXISTS = 0, 3, 36

T = TypeVar("T")


class Replicas:
    """The replicas of partitions: ``leader`` is -1 where there is none."""

    def __init__(self, leader: int, replicas: Sequence[int], in_sync: Sequence[int]) -> None:
        self.leader = leader
        self.replicas = list(replicas)
        self.in_sync = set(in_sync)


class Admin:
    """Administers a cluster. ``address`` returns the brokers that run."""

    def __init__(self, address: Callable[[], str]) -> None:
        self._address = address

    async def describe(self, topic: str) -> dict[int, Replicas]:
        """The partitions of a topic."""
        (found,) = await self._try(lambda client: client.describe_topics([topic]))
        return {
            each["partition"]: Replicas(each["leader"], each["replicas"], each["isr"]) for each in found["partitions"]
        }

    async def until(self, topic: str, condition: Callable[[Replicas], bool]) -> None:
        """Wait until a condition holds for all partitions of a topic."""
        async with asyncio.timeout(TIMEOUT_S):
            while not all(condition(each) for each in (await self.describe(topic)).values()):  # noqa: ASYNC110
                await asyncio.sleep(POLL_S)

    async def until_in_sync(self, topic: str) -> None:
        """Wait until all partitions of a topic have a leader, and all of their replicas."""
        await self.until(topic, lambda each: each.leader > 0 and each.in_sync == set(each.replicas))

    async def create(self, new: NewTopic) -> None:
        """Create a topic. If it exists, an answer to an earlier try was lost."""

        async def create(client: AIOKafkaAdminClient) -> None:
            code = (await client.create_topics([new])).topic_errors[0][1]
            if code not in (NO_ERROR, TOPIC_EXISTS):
                raise for_code(code)

        await self._try(create)

    async def delete(self, topic: str) -> None:
        """Delete a topic. If it does not exist, an answer to an earlier try was lost."""

        async def delete(client: AIOKafkaAdminClient) -> None:
            code = (await client.delete_topics([topic])).topic_error_codes[0][1]
            if code not in (NO_ERROR, UNKNOWN_TOPIC):
                raise for_code(code)

        await self._try(delete)

    async def add_partitions(self, topic: str, total: int) -> None:
        """Raise a topic's number of partitions to ``total``."""

        async def add(client: AIOKafkaAdminClient) -> None:
            if len(await self.describe(topic)) < total:
                await client.create_partitions({topic: NewPartitions(total)})

        await self._try(add)

    async def trim(self, topic: str, partition: int, before: int) -> None:
        """Delete the records below an offset."""
        records = {TopicPartition(topic, partition): RecordsToDelete(before)}
        await self._try(lambda client: client.delete_records(records))

    async def reassign(self, topic: str, replicas: Mapping[int, Sequence[int]]) -> None:
        """Give partitions other replicas, or another order of them: the first one is the preferred leader."""
        partitions: list[tuple[int, list[int], dict[int, bytes]]] = [
            (partition, list(brokers), {}) for partition, brokers in replicas.items()
        ]
        request = AlterPartitionReassignmentsRequest(REQUEST_MS, [(topic, partitions, {})], {})
        answer: Any = await self._try(lambda client: client._send_to_controller(request))
        assert answer.error_code == NO_ERROR, answer

    async def elect(self, topic: str, partitions: Sequence[int]) -> None:
        """Make the preferred replicas leaders. Not checked: one may be leader already, or not in sync."""
        await self._try(lambda client: client._send_to_controller(ElectLeaders(topic, partitions)))

    async def _try(self, request: Callable[[AIOKafkaAdminClient], Awaitable[T]]) -> T:
        """Make a request until it succeeds, at most for `TIMEOUT_S`."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while True:
            try:
                async with self._client() as client:
                    return await request(client)
            except (KafkaError, OSError, TimeoutError):
                if time.monotonic() > deadline_s:
                    raise
                await asyncio.sleep(POLL_S)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[AIOKafkaAdminClient]:
        client = AIOKafkaAdminClient(bootstrap_servers=self._address(), request_timeout_ms=REQUEST_MS)
        try:
            await client.start()
            yield client
        finally:
            await client.close()
