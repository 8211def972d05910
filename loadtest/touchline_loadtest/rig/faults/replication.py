"""The leaders of a cluster's partitions, and whether all replicas are in sync, as another Kafka client sees them."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from touchline_kafka.errors import describe
from touchline_kafka.partitioner import partition_of
from touchline_loadtest.rig.topics import PARTITIONS
from touchline_protocol.errors import OperatorError

LOOK_S = 0.2
REQUEST_TIMEOUT_MS = 5_000


async def leader_of(address: str, topic: str, room_id: str) -> int:
    """The node id of the broker that leads the partition of ``topic`` with the records of a room.

    Raises:
        OperatorError: the cluster cannot be asked.
    """
    try:
        partitions = (await _topics(address))[topic]
    except KafkaError as error:
        raise OperatorError(f"Kafka at {address}: {describe(error)}") from error
    number = partition_of(room_id.encode(), PARTITIONS)
    return int(next(each["leader"] for each in partitions if each["partition"] == number))


async def until_replicated(address: str, timeout_s: float) -> str:
    """Wait until each partition has a leader, and all replicas are in sync; returns what was wrong at the end."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        try:
            behind = [
                f"{topic}-{partition['partition']}"
                for topic, partitions in (await _topics(address)).items()
                for partition in partitions
                if partition["leader"] < 0 or len(partition["isr"]) < len(partition["replicas"])
            ]
            problem = f"not all replicas are in sync: {', '.join(behind)}" if behind else ""
        except KafkaError as error:
            problem = describe(error)
        if not problem or time.monotonic() > deadline_s:
            return problem
        await asyncio.sleep(LOOK_S)


async def _topics(address: str) -> Mapping[str, list[dict[str, Any]]]:
    """The partitions of all topics."""
    admin = AIOKafkaAdminClient(bootstrap_servers=address, request_timeout_ms=REQUEST_TIMEOUT_MS)
    try:
        await admin.start()
        return {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}
    finally:
        await admin.close()
