"""Closing a client of Kafka."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator

import pytest
from aiokafka.errors import NodeNotReadyError
from aiokafka.protocol.metadata import MetadataRequest

from support.kafka_broker import KafkaBroker
from support.waiting import eventually
from touchline_kafka.client import Client
from touchline_kafka.cluster import Cluster


class _Proxy:
    """Stands before a broker, and counts its connections. It hands out ``answers_max`` answers on each of them."""

    def __init__(self, broker: str, answers_max: int) -> None:
        self._host, _, self._port = broker.rpartition(":")
        self._answers_max = answers_max
        self.requests = self.open = 0

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        broker_reader, broker_writer = await asyncio.open_connection(self._host, int(self._port))
        with contextlib.suppress(OSError, EOFError):
            answers = 0
            while True:
                broker_writer.write(await _frame(reader))
                self.requests += 1
                if answers < self._answers_max:
                    answers += 1
                    writer.write(await _frame(broker_reader))
        broker_writer.close()
        writer.close()
        self.open -= 1


async def _frame(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    return head + await reader.readexactly(*struct.unpack(">i", head))


async def test_a_cancellation_while_a_client_is_closed_is_not_lost(kafka: KafkaBroker) -> None:
    client = await Cluster([kafka.address]).connect()
    closing = asyncio.create_task(client.release())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing


async def test_a_client_that_is_cancelled_while_it_starts_leaves_no_connection_open(kafka: KafkaBroker) -> None:
    proxy = _Proxy(kafka.address, answers_max=1)  # the versions, but not the brokers
    async with proxy.listening() as address:
        client = Client(bootstrap_servers=[address])
        starting = asyncio.create_task(client.start())
        await eventually(lambda: proxy.requests == 2)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await client.release()
        await eventually(lambda: proxy.open == 0)


async def test_a_client_opens_no_connection_once_it_is_closed(kafka: KafkaBroker) -> None:
    client = await Cluster([kafka.address]).connect()
    (broker,) = client.cluster.brokers()
    connecting = asyncio.create_task(client.ready(broker.nodeId))
    await asyncio.sleep(0)
    assert not connecting.done()
    await client.release()
    assert not await connecting
    assert not await client.ready(broker.nodeId)
    with pytest.raises(NodeNotReadyError):
        await client.send(broker.nodeId, MetadataRequest([]))
