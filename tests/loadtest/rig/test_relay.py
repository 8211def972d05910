"""The relay in front of edges."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from touchline_loadtest.rig.relay import Relay


@asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(100):
                writer.write(data)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_all_connections_are_cut_at_once_and_new_ones_work() -> None:
    async with echo_server() as port, Relay([port], random.Random(1)).running() as relay:
        clients = [await asyncio.open_connection("127.0.0.1", relay.port) for _ in range(5)]
        for reader, writer in clients:
            writer.write(b"x")
            assert await reader.read(1) == b"x"
        assert relay.cut_all() == 5
        for reader, writer in clients:
            assert await reader.read(1) == b""
            writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(b"y")
        assert await reader.read(1) == b"y"
        writer.close()


async def test_without_connections_there_is_nothing_to_cut() -> None:
    async with echo_server() as port, Relay([port], random.Random(1)).running() as relay:
        assert relay.cut_all() == 0
