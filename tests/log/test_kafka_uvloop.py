"""What aiokafka makes of a connection that is lost under uvloop, for all who import our Kafka modules."""

import asyncio
import importlib

import pytest
import uvloop
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from support.kafka_broker import KafkaBroker


@pytest.mark.parametrize("module", ["touchline_server.log.kafka.client", "touchline.actions.kafka_connect"])
def test_a_connection_that_was_just_lost_is_an_outage(kafka: KafkaBroker, module: str) -> None:
    importlib.import_module(module)

    async def send_after_a_loss() -> None:
        host, _, port = kafka.address.partition(":")
        connection = await create_conn(host, int(port))
        connection._writer.transport.abort()
        await asyncio.sleep(0)
        with pytest.raises(KafkaConnectionError):
            await connection.send(MetadataRequest([]))
        connection.close()

    uvloop.run(send_after_a_loss())
