"""An unreliable network: a TCP relay in front of servers, whose connections can be cut, or silenced first."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

CHUNK_BYTES = 64 * 1024


class Relay:
    """Accepts connections on ``port`` and relays each to one of ``ports``, chosen at random among those that answer."""

    def __init__(self, ports: Sequence[int], random_: random.Random, host: str = "127.0.0.1") -> None:
        self.port = 0
        self._host = host
        self.cuts = 0
        self._ports = ports
        self._random = random_
        self._writers: dict[asyncio.StreamWriter, asyncio.StreamWriter] = {}
        self._silent: set[asyncio.StreamWriter] = set()

    def cut_one(self) -> None:
        """Cut a random connection on both sides, without a closing handshake."""
        if self._writers:
            self._cut(self._random.choice(list(self._writers)))

    def cut_all(self) -> int:
        """Cut all connections at once, as `cut_one` does; returns how many."""
        clients = list(self._writers)
        for client in clients:
            self._cut(client)
        return len(clients)

    async def silence_one(self, seconds: float) -> None:
        """Drop everything sent to a random client for ``seconds``, then cut its connection.

        The server still receives what the client sends, but the client cannot know that.
        """
        if self._writers:
            client = self._random.choice(list(self._writers))
            self._silent.add(client)
            await asyncio.sleep(seconds)
            if client in self._writers:
                self._cut(client)
            self._silent.discard(client)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Relay"]:
        """Relay connections until the end of the block."""
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

    def _cut(self, client: asyncio.StreamWriter) -> None:
        self.cuts += 1
        for writer in (client, self._writers[client]):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            from_edge, edge = await self._connect()
        except OSError:
            client.transport.abort()
            return
        self._writers[client] = edge
        try:
            await asyncio.gather(self._pass_on(reader, edge), self._pass_on(from_edge, client))
        finally:
            del self._writers[client]

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ports = self._random.sample(self._ports, len(self._ports))
        try:
            return await asyncio.open_connection(self._host, ports[0])
        except OSError:
            return await asyncio.open_connection(self._host, ports[-1])

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(CHUNK_BYTES):
                if writer not in self._silent:
                    writer.write(data)
                    await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
