"""A client that asks for as much as it may at once, and looks at nothing that it gets."""

import asyncio
from typing import cast

from touchline_loadtest.wire.frames import masked
from touchline_loadtest.wire.greeting import hello
from touchline_loadtest.wire.handshake import after_upgrade, upgrade_request
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import RoomRequest, Subscribe


class Hog(asyncio.Protocol):
    """A connection that subscribes once, to all rooms of ``requests``. ``bytes`` is how much it received."""

    transport: asyncio.Transport

    def __init__(self, port: int, requests: list[RoomRequest]) -> None:
        self.bytes = 0
        self._upgrade = upgrade_request("127.0.0.1", port)
        self._greeting = hello() + masked(JSON.encode(Subscribe(rooms=requests)))
        self._head: bytes | None = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._upgrade)

    def data_received(self, data: bytes) -> None:
        """Subscribe once the handshake is complete."""
        self.bytes += len(data)
        if self._head is not None:
            self._head += data
            if after_upgrade(self._head) is not None:
                self._head = None
                self.transport.write(self._greeting)


async def open_hog(port: int, requests: list[RoomRequest]) -> Hog:
    """Connect a hog; it has not subscribed yet when this returns."""
    hog = Hog(port, requests)
    await asyncio.get_running_loop().create_connection(lambda: hog, "127.0.0.1", port)
    return hog
