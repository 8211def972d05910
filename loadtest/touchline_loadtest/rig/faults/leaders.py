"""Finds the broker that leads the partition of a room."""

from touchline_kafka.errors import REQUEST_ERRORS, describe
from touchline_kafka.partitioner import partition_of
from touchline_kafka.topics import Topics
from touchline_loadtest.publish.broker import cluster_at
from touchline_loadtest.rig.topics import PARTITIONS
from touchline_protocol.errors import OperatorError


async def leader_of(address: str, topic: str, room_id: str) -> int:
    """The node id of the broker that leads the partition of ``topic`` with the records of a room.

    Raises:
        OperatorError: the cluster cannot be asked.
    """
    client = await cluster_at(address).connect()
    try:
        found = await Topics(client).describe([topic])
        return found[topic].usable().leaders[partition_of(room_id.encode(), PARTITIONS)]
    except REQUEST_ERRORS as error:
        raise OperatorError(f"Kafka at {address}: {describe(error)}") from error
    finally:
        await client.release()
