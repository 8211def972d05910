"""Administers the topics of a Kafka cluster for tests: creates, deletes, extends, trims and describes them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest
from aiokafka.structs import TopicPartition

from touchline_kafka.metadata.operations import Operation
from touchline_loadtest.rig.kafka.java import LIMITED_USER

TOPIC_TIMEOUT_S = 60.0
FENCED = 39
"""INVALID_REPLICA_ASSIGNMENT: the broker that is to have a replica has just come back."""

TOPIC, GROUP, LITERAL, ALLOW = 2, 3, 3, 3
LIMITED = f"User:{LIMITED_USER}"


class KafkaTopics:
    """The topics of the broker or cluster at ``address``, with ``replicas`` replicas each."""

    replicas = 1

    @property
    def address(self) -> str:
        """The address for clients without TLS: one or more ``host:port``, separated by commas."""
        raise NotImplementedError

    async def create(self, topic: str, partitions: int = 1, configs: Mapping[str, str] | None = None) -> None:
        """Create a topic, and wait until all of its partitions can be used."""
        await self._create(NewTopic(topic, partitions, self.replicas, topic_configs=dict(configs or {})), partitions)

    async def delete(self, topic: str) -> None:
        """Delete a topic, and wait until it is gone."""
        async with self._admin() as admin:
            deleted = await admin.delete_topics([topic])
            assert deleted.topic_error_codes[0][1] == 0, deleted
            deadline = time.monotonic() + TOPIC_TIMEOUT_S
            while topic in await admin.list_topics():  # asking for the topic itself might create it
                assert time.monotonic() < deadline, f"{topic} was not deleted in time"
                await asyncio.sleep(0.02)

    async def add_partitions(self, topic: str, total: int) -> None:
        """Raise a topic's number of partitions to ``total``."""
        async with self._admin() as admin:
            await admin.create_partitions({topic: NewPartitions(total)})
            await _until_partitions(admin, topic, total)

    async def trim(self, topic: str, partition: int, before: int) -> None:
        """Delete the records below an offset, as retention does."""
        async with self._admin() as admin:
            await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before)})

    async def config(self, topic: str, name: str) -> str:
        """The value of one setting of a topic."""
        async with self._admin() as admin:
            (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
            (resource,) = answer.resources
            values = {entry[0]: entry[1] for entry in resource[4]}
            return str(values[name])

    async def configure(self, topic: str, configs: Mapping[str, str]) -> None:
        """Replace the settings of a topic that differ from the broker's defaults."""
        async with self._admin() as admin:
            (answer,) = await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, dict(configs))])
            assert answer.resources[0][0] == 0, answer

    async def allow(self, name: str, *operations: Operation, kind: int = TOPIC) -> None:
        """Allow `LIMITED_USER` operations on a topic or `GROUP`. To read or write includes to describe."""
        for operation in operations:
            request = CreateAclsRequest(kind, name, LITERAL, LIMITED, "*", operation, ALLOW)
            ((code, _),) = (await self._ask(request)).creation_responses
            assert code == 0, code

    async def forbid(self, name: str, *operations: Operation, kind: int = TOPIC) -> None:
        """Undo `allow`."""
        for operation in operations:
            request = DeleteAclsRequest(kind, name, LITERAL, LIMITED, "*", operation, ALLOW)
            ((code, _, matching),) = (await self._ask(request)).filter_responses
            assert (code, len(matching)) == (0, 1)

    async def _ask(self, request: Any) -> Any:
        async with self._admin() as admin:
            return await admin._client.send(admin._client.get_random_node(), request)

    async def leader(self, topic: str, partition: int = 0) -> int:
        """Wait until a broker leads a partition, and return its id."""
        deadline = time.monotonic() + TOPIC_TIMEOUT_S
        while True:
            # The client may contact a broker that was just killed but is still listed.
            with contextlib.suppress(KafkaError):
                async with self._admin() as admin:
                    (described,) = await admin.describe_topics([topic])
                leaders = {each["partition"]: int(each["leader"]) for each in described["partitions"]}
                if leaders[partition] >= 0:
                    return leaders[partition]
            assert time.monotonic() < deadline, f"partition {partition} of {topic} has no leader"
            await asyncio.sleep(0.05)

    async def topics(self) -> set[str]:
        """The names of all topics. Uses the one request that never creates a topic."""
        async with self._admin() as admin:
            return set(await admin.list_topics())

    async def _create(self, new: NewTopic, partitions: int) -> None:
        async with self._admin() as admin:
            deadline = time.monotonic() + TOPIC_TIMEOUT_S
            while (made := await admin.create_topics([new])).topic_errors[0][1] == FENCED:
                assert time.monotonic() < deadline, made
                await asyncio.sleep(0.05)
            assert made.topic_errors[0][1] == 0, made
            await _until_partitions(admin, new.name, partitions)

    @contextlib.asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()


async def _until_partitions(admin: AIOKafkaAdminClient, topic: str, count: int) -> None:
    deadline = time.monotonic() + TOPIC_TIMEOUT_S
    while True:
        (described,) = await admin.describe_topics([topic])
        ready = [partition for partition in described["partitions"] if partition["leader"] >= 0]
        if len(ready) == count:
            return
        assert time.monotonic() < deadline, described
        await asyncio.sleep(0.02)
