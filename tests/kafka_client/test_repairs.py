"""aiokafka's faults, as our clients do not have them; aiokafka itself is left as it is."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from support.kafka_broker import KafkaBroker
from touchline_kafka.access.connection import Connection
from touchline_kafka.client import Client
from touchline_kafka.cluster import Cluster

UNCHANGED = """
import aiokafka.conn, aiokafka.client, aiokafka.producer.message_accumulator as accumulator, importlib
classes = [aiokafka.conn.AIOKafkaConnection, aiokafka.client.AIOKafkaClient, accumulator.MessageAccumulator]
before = [dict(vars(one)) for one in classes]
for module in (
    "touchline_server.log.kafka.log", "touchline.actions.kafka", "touchline_cheatwatch.kafka_sources",
    "touchline_kafka.group.reader", "touchline_kafka.follow", "touchline_kafka.topic_admin",
):
    importlib.import_module(module)
assert [dict(vars(one)) for one in classes] == before
"""


def test_importing_our_modules_changes_nothing_in_aiokafka() -> None:
    subprocess.run([sys.executable, "-c", UNCHANGED], check=True)


async def _of_a_client(cluster: Cluster) -> tuple[Client, Callable[[], Coroutine[Any, Any, object]]]:
    client = await cluster.connect()
    return client, client.release


async def _of_a_consumer(cluster: Cluster) -> tuple[Client, Callable[[], Coroutine[Any, Any, object]]]:
    consumer = await cluster.consumer()
    return consumer.client, consumer.release


@pytest.mark.parametrize("opened", [_of_a_client, _of_a_consumer])
def test_a_connection_that_was_just_lost_is_an_outage_under_uvloop(
    kafka: KafkaBroker, opened: Callable[[Cluster], Coroutine[Any, Any, tuple[Client, Callable[[], Any]]]]
) -> None:
    async def send_after_a_loss() -> None:
        client, release = await opened(Cluster([kafka.address]))
        node = client.get_random_node()
        assert await client.ready(node)
        (connection,) = [one for (at, _), one in client._conns.items() if at == node]
        assert type(connection) is Connection
        connection._writer.transport.abort()
        await asyncio.sleep(0)
        with pytest.raises(KafkaConnectionError):
            await connection.send(MetadataRequest([]))
        await release()

    uvloop.run(send_after_a_loss())


def test_the_repair_is_needed_still(kafka: KafkaBroker) -> None:
    """If this fails, aiokafka has fixed it: remove the repair."""

    async def send_after_a_loss() -> None:
        host, _, port = kafka.address.partition(":")
        connection = AIOKafkaConnection(host, int(port))
        await connection.connect()
        connection._writer.transport.abort()
        await asyncio.sleep(0)
        try:
            with pytest.raises(RuntimeError) as raised:
                await connection.send(MetadataRequest([]))
            assert not isinstance(raised.value, KafkaConnectionError)
        finally:
            connection.close()

    uvloop.run(send_after_a_loss())
