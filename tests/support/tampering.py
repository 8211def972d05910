"""A proxy between clients and an edge that breaks promises: it changes what the server says, message by message."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeAlias

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from touchline_protocol.codecs import CODECS
from touchline_protocol.messages import ServerMessage

Tamper: TypeAlias = Callable[[ServerMessage], Sequence[ServerMessage]]
"""What the client receives instead of a message. It may raise `Broken`."""


class Broken(Exception):
    """The connection is to be closed with ``code``."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@contextlib.asynccontextmanager
async def tampering_proxy(url: str, tamper_of: Callable[[int], Tamper]) -> AsyncIterator[str]:
    """The address of a proxy for the edge at ``url``. ``tamper_of`` makes what the n-th connection (from 0) suffers."""
    connections = 0

    async def handle(client: ServerConnection) -> None:
        nonlocal connections
        tamper = tamper_of(connections)
        connections += 1
        assert client.subprotocol is not None
        codec = next(codec for codec in CODECS if codec.subprotocol == client.subprotocol)
        async with connect(url, subprotocols=[client.subprotocol], compression=None, max_size=None) as edge:

            async def forward() -> None:
                async for payload in client:
                    await edge.send(payload)
                await edge.close()

            forwarding = asyncio.create_task(forward())
            try:
                while True:
                    message = codec.decode_server(await edge.recv(decode=False))
                    for changed in tamper(message):
                        await client.send(codec.encode(changed), text=codec.name == "json")
            except ConnectionClosed:
                await client.close(*_close_of(edge.close_code))
            except Broken as broken:
                await client.close(broken.code)
            finally:
                forwarding.cancel()
                await asyncio.wait([forwarding])

    subprotocols = [Subprotocol(codec.subprotocol) for codec in CODECS]
    async with serve(handle, "127.0.0.1", 0, subprotocols=subprotocols, compression=None, max_size=None) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def _close_of(code: int | None) -> tuple[int]:
    return (1011 if code in (None, 1006) else code,)
