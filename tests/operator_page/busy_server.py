"""Clients and events for a server with workers over a real Kafka, so that the operator's page has something to show."""

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect

from auth.signed import SECRET
from e2e.worker_server import WorkerServer
from edge.players import token

KEYS = {"TOUCHLINE_AUTH__HS256_SECRET": SECRET}
"""Settings of a server that knows players."""


async def join(url: str, room: str, *, player: str | None = None) -> ClientConnection:
    """A client in a room, as a player if one is named."""
    client = await connect(url, compression=None, max_size=None)
    hello = {"type": "hello"} | ({} if player is None else {"token": token(player)})
    await client.send(json.dumps(hello))
    await client.send(json.dumps({"type": "subscribe", "rooms": [{"room": room}]}))
    assert json.loads(await client.recv())["type"] == "welcome"
    return client


async def join_and_sleep(server: WorkerServer, room: str, player: str) -> asyncio.StreamWriter:
    """A client that reads nothing any more once it is in a room."""
    at = urlsplit(server.url)
    assert at.port is not None
    reader, writer = await asyncio.open_connection(at.hostname, at.port, limit=2048)
    head = f"GET /v1/rooms/{room}/events HTTP/1.1\r\nHost: {at.netloc}\r\nAuthorization: Bearer {token(player)}\r\n\r\n"
    writer.write(head.encode())
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    return writer


async def read_all(client: ClientConnection) -> None:
    with contextlib.suppress(Exception):
        async for _ in client:
            pass


@contextlib.asynccontextmanager
async def crowd(server: WorkerServer, sizes: Sequence[int]) -> AsyncIterator[list[ClientConnection]]:
    """Clients that read everything: as many per room as ``sizes`` says."""
    clients = [
        await join(server.url, f"score:{15946 + room}", player=f"player-{room}-{number}")
        for room, size in enumerate(sizes)
        for number in range(size)
    ]
    reading = [asyncio.create_task(read_all(client)) for client in clients]
    try:
        yield clients
    finally:
        for client in clients:
            client.transport.abort()
        await asyncio.gather(*reading)


async def publish_for(server: WorkerServer, seconds: float, rooms: int, *, per_second: float = 30.0) -> None:
    """Publish scores to random rooms for a time."""
    chance = random.Random(7)
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        room = f"score:{15946 + min(chance.randrange(rooms), chance.randrange(rooms))}"
        await asyncio.to_thread(server.post, f"/v1/rooms/{room}/events", {"data": {"home": 1}, "key": "score"})
        await asyncio.sleep(1 / per_second * chance.uniform(0.2, 1.8))
