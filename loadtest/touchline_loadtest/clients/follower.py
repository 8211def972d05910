"""Clients that behave like people's phones: they stop reading, come back, leave, or vanish without a close frame.

Each reads every frame and passes it to its `RoomCheck`. There are a few hundred of them at most; the thousands that
only read are counters (`counters/`).
"""

import asyncio
import socket

from touchline_loadtest.checks.room_check import RoomCheck
from touchline_loadtest.wire.greeting import greeting

from .connection import HOST, ClientConnection
from .errors import ClientsFailed

SEGMENT_BYTES = 1400
"""TCP segment size of a client with a small receive buffer: what fits through a phone's link."""


class Follower(ClientConnection):
    """One connection of a client that follows a room."""

    def __init__(self, check: RoomCheck, port: int) -> None:
        super().__init__(port, greeting(check.live.request()))
        self.check = check

    def message_received(self, payload: bytes, now_ns: int) -> None:
        """Check the message."""
        self.check.receive(payload, now_ns)

    def read_finished(self) -> None:
        """Note an unexpected message, and whether the client has joined the room."""
        if self.check.unexpected:
            self.lose(f"the server sent {self.check.unexpected[-1]}")
        if self.check.joined:
            self.ready.set()

    def stop_reading(self) -> None:
        """Read nothing from the socket until `resume_reading`."""
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again, beginning with what has arrived meanwhile."""
        self.transport.resume_reading()


async def follow(port: int, check: RoomCheck, *, receive_buffer_bytes: int | None = None) -> Follower:
    """Connect, and join the room of ``check``.

    With ``receive_buffer_bytes`` the socket has a receive buffer (SO_RCVBUF) of that size, and a phone's segment size.

    Raises:
        ClientsFailed: the client could not connect or join.
    """
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    try:
        sock.setblocking(False)
        if receive_buffer_bytes is not None:
            # Set before connecting, because the window that TCP offers depends on it. A single one of loopback's 64 KiB
            # segments would fill so small a buffer, and the sender would have to probe every 200 ms for free space.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
        await loop.sock_connect(sock, (HOST, port))
        _, follower = await loop.create_connection(lambda: Follower(check, port), sock=sock)
    except OSError as error:
        sock.close()
        raise ClientsFailed(f"a client could not connect: {error}") from error
    await follower.until_ready(f"join {check.live.room}")
    return follower
