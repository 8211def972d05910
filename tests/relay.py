"""A network that fails: a TCP relay in front of servers, whose connections a test can cut."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

CHUNK_BYTES = 64 * 1024


class Relay:
    """Takes connections on ``port`` and passes each on to one of ``ports``, chosen at random, where one answers."""

    def __init__(self, ports: Sequence[int], random_: random.Random) -> None:
        self.port = 0
        self.cuts = 0
        self._ports = ports
        self._random = random_
        self._writers: dict[asyncio.StreamWriter, asyncio.StreamWriter] = {}

    def cut_one(self) -> None:
        """Cut a connection on both sides, without a word."""
        if self._writers:
            client = self._random.choice(list(self._writers))
            self.cuts += 1
            for writer in (client, self._writers[client]):
                writer.transport.abort()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Relay"]:
        """Relay until the end of the block."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=2048)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for client, upstream in list(self._writers.items()):
                client.transport.abort()
                upstream.transport.abort()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            from_edge, edge = await self._connect()
        except OSError:
            client.transport.abort()
            return
        self._writers[client] = edge
        try:
            await asyncio.gather(_pass_on(reader, edge), _pass_on(from_edge, client))
        finally:
            del self._writers[client]

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ports = self._random.sample(self._ports, len(self._ports))
        try:
            return await asyncio.open_connection("127.0.0.1", ports[0])
        except OSError:
            return await asyncio.open_connection("127.0.0.1", ports[-1])


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
