"""Clients that behave like people's phones: they stop reading, come back, leave, or are gone without a word.

Each reads every frame, and what it finds is its `Following`'s. There are some hundreds of them at most: thousands that
only read are `clients.Crowd`'s.
"""

import asyncio
import socket

from . import wire
from .clients import CrowdFailed
from .connection import HOST, Connection
from .following import Following

SEGMENT_BYTES = 1400
"""Of TCP for a client with a small receive buffer: what fits through a phone's link."""


class Follower(Connection):
    """One connection of a client that follows a room."""

    def __init__(self, following: Following, port: int) -> None:
        super().__init__(port, wire.greeting(following.request()))
        self.following = following

    def take(self, payload: bytes, now_ns: int) -> None:
        """Follow the room."""
        self.following.take(payload, now_ns)

    def taken(self) -> None:
        """Say what is wrong, and whether the room is joined."""
        if self.following.unexpected:
            self.lose(f"the server said {self.following.unexpected[-1]}")
        if self.following.joined:
            self.ready.set()

    def stop_reading(self) -> None:
        """Take nothing from the socket any more."""
        self.transport.pause_reading()

    def read_again(self) -> None:
        """Take what has come meanwhile."""
        self.transport.resume_reading()


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
    await follower.until_ready(f"join {following.room}")
    return follower
