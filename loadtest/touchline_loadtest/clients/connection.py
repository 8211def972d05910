"""One client's connection, which reads every frame: the handshake, a greeting, then whatever the server sends.

It knows frames but not their contents; its subclasses do (`follower.py`, `players.py`).
"""

import asyncio
import struct
import time
from typing import NamedTuple, cast

from touchline_loadtest.wire.frames import BadReply, FrameReader
from touchline_loadtest.wire.handshake import after_upgrade, upgrade_request
from touchline_protocol.codes import ABNORMAL, NORMAL
from touchline_protocol.frames import FIN, OP_CLOSE, OP_TEXT

from .errors import ClientsFailed

HOST = "127.0.0.1"
READY_TIMEOUT_S = 30.0
LEAVE_TIMEOUT_S = 10.0

_CLOSE_FRAME = struct.pack("!BB4xH", FIN | OP_CLOSE, 0x80 | 2, NORMAL.code)
"""A client's close frame, masked with zeros."""


class Closed(NamedTuple):
    """The server's close frame, and when it was read, in nanoseconds of the monotonic clock."""

    code: int
    reason: str
    at_ns: int


class ClientConnection(asyncio.Protocol):
    """``lost`` says why the connection ended if the client did not end it; ``closed`` is the server's close frame.

    ``greeted_ns`` is when the greeting was sent (monotonic clock).
    """

    transport: asyncio.Transport

    def __init__(self, port: int, greeting: bytes, host: str = HOST) -> None:
        self.greeted_ns = 0
        self.lost: str | None = None
        self.closed: Closed | None = None
        self.ready = asyncio.Event()
        self.gone = asyncio.Event()
        self._host = host
        self._port = port
        self._upgrade_request = upgrade_request(host, port)
        self._greeting = greeting
        self._leaving = False
        self._head: bytes | None = b""
        self._reader = FrameReader()

    async def open(self) -> None:
        """Connect to the server.

        Raises:
            OSError: nobody listens there.
        """
        await asyncio.get_running_loop().create_connection(lambda: self, self._host, self._port)

    def message_received(self, payload: bytes, now_ns: int) -> None:
        """A message arrived at ``now_ns`` of the monotonic clock."""
        raise NotImplementedError

    def read_finished(self) -> None:
        """All messages of one read have been passed to `message_received`."""
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._upgrade_request)

    def data_received(self, data: bytes) -> None:
        """Read the response to the handshake, then frames."""
        if self._head is None:
            self._receive_frames(data)
        else:
            self._receive_head(self._head + data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake everybody who waits for this client."""
        self.lose(str(exc or "the server closed the connection"))
        self.gone.set()
        self.ready.set()

    async def until_ready(self, goal: str) -> None:
        """Wait until the server has answered the greeting; ``goal`` is the verb for it in error messages.

        Raises:
            ClientsFailed: the server refused, or did not answer in time.
        """
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await self.ready.wait()
        except TimeoutError:
            raise ClientsFailed(f"a client did not {goal} in {READY_TIMEOUT_S:g} s") from None
        if self.lost is not None:
            raise ClientsFailed(f"a client could not {goal}: {self.lost}")

    async def leave(self) -> None:
        """Close as RFC 6455 asks: send a close frame and wait for the server's."""
        self._leaving = True
        self.transport.write(_CLOSE_FRAME)
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self.gone.wait()
        except TimeoutError:
            self.lost = f"the server did not answer its close frame in {LEAVE_TIMEOUT_S:g} s"
            self.transport.abort()

    def vanish(self) -> None:
        """Drop the connection without a close frame."""
        self._leaving = True
        self.transport.abort()

    def lose(self, reason: str) -> None:
        """Record why the connection failed. The first reason is kept."""
        if not self._leaving and self.lost is None:
            self.lost = reason

    def _receive_head(self, received: bytes) -> None:
        try:
            rest = after_upgrade(received)
        except BadReply as error:
            self.lose(str(error))
            return
        self._head = received if rest is None else None
        if rest is not None:
            self.greeted_ns = time.monotonic_ns()
            self.transport.write(self._greeting)
            self._receive_frames(rest)

    def _receive_frames(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        for framed in self._reader.feed(data):
            if framed.opcode == OP_TEXT:
                self.message_received(framed.payload, now_ns)
            elif framed.opcode == OP_CLOSE:
                self._receive_close(framed.payload, now_ns)
        self.read_finished()

    def _receive_close(self, payload: bytes, now_ns: int) -> None:
        code = int.from_bytes(payload[:2]) or ABNORMAL.code
        self.closed = Closed(code, payload[2:].decode(errors="replace"), now_ns)
        self.lose(f"the server closed with {self.closed.code} {self.closed.reason}")
        self.transport.close()
