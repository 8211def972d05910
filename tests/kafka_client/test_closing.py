"""Closing a client of Kafka."""

import asyncio

import pytest

from support.kafka_broker import KafkaBroker
from touchline_kafka.cluster import Cluster


async def test_a_cancellation_while_a_client_is_closed_is_not_lost(kafka: KafkaBroker) -> None:
    client = await Cluster([kafka.address]).connect()
    closing = asyncio.create_task(client.release())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
