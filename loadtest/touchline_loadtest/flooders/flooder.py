"""A client that sends one block over and over, as fast as the server takes it, and reads what it is answered."""

import asyncio
from typing import cast

from touchline_loadtest.wire.handshake import after_upgrade, upgrade_request

HOST = "127.0.0.1"
AGAIN_S = 0.001
"""Until a connection that ended is replaced: the flood is to go on, and the port must not run out."""
DRIBBLE_S = 0.1
HOLD_AGAIN_S = 0.1
"""Until a held connection that ended is replaced: thousands are closed at about the same time."""
UNSENT_BYTES_MAX = 64 * 1024


class Flooder(asyncio.Protocol):
    """One connection. ``gone`` is set at its end; ``sent_bytes`` is what was handed to the socket."""

    transport: asyncio.Transport

    def __init__(self, port: int, greeting: bytes, block: bytes) -> None:
        self.gone = asyncio.Event()
        self.sent_bytes = 0
        self._upgrade = upgrade_request(HOST, port)
        self._greeting = greeting
        self._block = block
        self._head: bytes | None = b""
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=UNSENT_BYTES_MAX, low=0)
        self.transport.write(self._upgrade)

    def data_received(self, data: bytes) -> None:
        """Begin the flood once the handshake is complete."""
        if self._head is None:
            return
        self._head += data
        if after_upgrade(self._head) is not None:
            self._head = None
            self.transport.write(self._greeting)
            self._flood()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has closed it."""
        del exc
        self.gone.set()

    def pause_writing(self) -> None:
        """The server takes no more for now."""
        self._full = True

    def resume_writing(self) -> None:
        """The server takes more."""
        self._full = False
        self._flood()

    def _flood(self) -> None:
        while not self._full and not self.transport.is_closing():
            self.transport.write(self._block)
            self.sent_bytes += len(self._block)


class Holder(asyncio.Protocol):
    """A connection that never says hello, and sends a few bytes now and then if it has any."""

    def __init__(self, begin: bytes, again: bytes) -> None:
        self.gone = asyncio.Event()
        self._begin = begin
        self._again = again
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the beginning."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._begin)
        if self._again:
            self._send_again()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has closed it."""
        del exc
        if self._timer is not None:
            self._timer.cancel()
        self.gone.set()

    def _send_again(self) -> None:
        self._transport.write(self._again)
        self._timer = asyncio.get_running_loop().call_later(DRIBBLE_S, self._send_again)


async def hold(port: int, address: str, begin: bytes, again: bytes) -> None:
    """Hold one connection at a time, from ``address``, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            made = loop.create_connection(lambda: Holder(begin, again), HOST, port, local_addr=(address, 0))
            _, holder = await made
            await holder.gone.wait()
        except OSError:
            pass  # the server is busy, or is stopping
        await asyncio.sleep(HOLD_AGAIN_S)


async def flood(port: int, greeting: bytes, block: bytes) -> None:
    """Flood from one connection at a time, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            _, flooder = await loop.create_connection(lambda: Flooder(port, greeting, block), HOST, port)
            await flooder.gone.wait()
        except OSError:
            pass  # the server is busy, or is stopping
        await asyncio.sleep(AGAIN_S)
