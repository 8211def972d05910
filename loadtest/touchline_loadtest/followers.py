"""Clients that behave like people's phones: they stop reading, come back, leave, or are gone without a word.

Each reads every frame, and what it finds is its `Following`'s. There are some hundreds of them at most: thousands that
only read are `clients.Crowd`'s.
"""

import asyncio
import socket
import struct
import time
from typing import cast

from touchline_protocol.codes import NORMAL
from touchline_protocol.frames import FIN, OP_CLOSE, OP_TEXT

from . import wire
from .clients import CrowdFailed
from .following import Following

JOIN_TIMEOUT_S = 30.0
LEAVE_TIMEOUT_S = 10.0
HOST = "127.0.0.1"
SEGMENT_BYTES = 1400
"""Of TCP for a client with a small receive buffer: what fits through a phone's link."""

_GOODBYE = struct.pack("!BB4xH", FIN | OP_CLOSE, 0x80 | 2, NORMAL.code)
"""A client's close frame, masked with zeros."""


class Follower(asyncio.Protocol):
    """One connection of a client. ``lost`` says why it ended, where the client did not want that."""

    transport: asyncio.Transport

    def __init__(self, following: Following, port: int) -> None:
        self.following = following
        self.lost: str | None = None
        self.gone = asyncio.Event()
        self._opening = wire.opening(HOST, port)
        self._greeting = wire.greeting(following.request())
        self._joined = asyncio.Event()
        self._leaving = False
        self._head: bytes | None = b""
        self._reader = wire.FrameReader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._opening)

    def data_received(self, data: bytes) -> None:
        """Read the answer to the handshake, then frames."""
        if self._head is None:
            self._frames(data)
        else:
            self._take_head(self._head + data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._lose(str(exc or "the server closed the connection"))
        self.gone.set()
        self._joined.set()

    async def joined(self) -> None:
        """Wait until the room is joined.

        Raises:
            CrowdFailed: it was not in time.
        """
        try:
            async with asyncio.timeout(JOIN_TIMEOUT_S):
                await self._joined.wait()
        except TimeoutError:
            raise CrowdFailed(f"a client did not join {self.following.room} in {JOIN_TIMEOUT_S:g} s") from None
        if self.lost is not None:
            raise CrowdFailed(f"a client could not join {self.following.room}, since {self.lost}")

    def stop_reading(self) -> None:
        """Take nothing from the socket any more."""
        self.transport.pause_reading()

    def read_again(self) -> None:
        """Take what has come meanwhile."""
        self.transport.resume_reading()

    async def leave(self) -> None:
        """Say goodbye, as RFC 6455 wants it, and wait for the server's."""
        self._leaving = True
        self.transport.write(_GOODBYE)
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self.gone.wait()
        except TimeoutError:
            self.lost = f"its goodbye was not answered in {LEAVE_TIMEOUT_S:g} s"
            self.transport.abort()

    def vanish(self) -> None:
        """Be gone without a word."""
        self._leaving = True
        self.transport.abort()

    def _take_head(self, received: bytes) -> None:
        try:
            rest = wire.after_opening(received)
        except wire.BadAnswer as error:
            self._lose(str(error))
            return
        self._head = received if rest is None else None
        if rest is not None:
            self.transport.write(self._greeting)
            self._frames(rest)

    def _frames(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        following = self.following
        for framed in self._reader.feed(data):
            if framed.opcode == OP_CLOSE:
                self._lose(f"the server closed with {framed.payload[2:].decode(errors='replace')}")
                self.transport.close()
            elif framed.opcode == OP_TEXT:
                following.take(framed.payload, now_ns)
        if following.unexpected:
            self._lose(f"the server said {following.unexpected[-1]}")
        if following.joined:
            self._joined.set()

    def _lose(self, why: str) -> None:
        if not self._leaving and self.lost is None:
            self.lost = why


async def follow(port: int, following: Following, *, receive_bytes: int | None = None) -> Follower:
    """Connect, and join the room of ``following``. ``receive_bytes`` is its socket's buffer (SO_RCVBUF),
    with which it has segments of a phone's size too.

    Raises:
        CrowdFailed: it could not.
    """
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    try:
        sock.setblocking(False)
        if receive_bytes is not None:
            # Before it connects, since what TCP offers follows from it. With loopback's segments of 64 KiB so small a
            # buffer would be filled by one, and the sender left to probe every 200 ms whether it is empty.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
        await loop.sock_connect(sock, (HOST, port))
        _, follower = await loop.create_connection(lambda: Follower(following, port), sock=sock)
    except OSError as error:
        sock.close()
        raise CrowdFailed(f"a client could not connect: {error}") from error
    await follower.joined()
    return follower
