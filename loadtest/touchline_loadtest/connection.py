"""One client's connection, that reads every frame: the handshake, a greeting, then what the server says.

Knows frames, and nothing of what is in them: that is for those that are made of it (`followers.py`, `players.py`).
"""

import asyncio
import struct
import time
from typing import NamedTuple, cast

from touchline_protocol.codes import ABNORMAL, NORMAL
from touchline_protocol.frames import FIN, OP_CLOSE, OP_TEXT

from . import wire
from .clients import CrowdFailed

HOST = "127.0.0.1"
READY_TIMEOUT_S = 30.0
LEAVE_TIMEOUT_S = 10.0

_GOODBYE = struct.pack("!BB4xH", FIN | OP_CLOSE, 0x80 | 2, NORMAL.code)
"""A client's close frame, masked with zeros."""


class Closed(NamedTuple):
    """How the server closed: its close frame, and when it was read, in nanoseconds of the monotonic clock."""

    code: int
    reason: str
    at_ns: int


class Connection(asyncio.Protocol):
    """``lost`` says why it ended, where the client did not want that; ``closed`` how, where the server said that."""

    transport: asyncio.Transport

    def __init__(self, port: int, greeting: bytes) -> None:
        self.lost: str | None = None
        self.closed: Closed | None = None
        self.ready = asyncio.Event()
        self.gone = asyncio.Event()
        self._opening = wire.opening(HOST, port)
        self._greeting = greeting
        self._leaving = False
        self._head: bytes | None = b""
        self._reader = wire.FrameReader()

    def take(self, payload: bytes, now_ns: int) -> None:
        """A message came at ``now_ns`` of the monotonic clock."""
        raise NotImplementedError

    def taken(self) -> None:
        """All messages of one read have been taken."""
        raise NotImplementedError

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
        self.lose(str(exc or "the server closed the connection"))
        self.gone.set()
        self.ready.set()

    async def until_ready(self, what: str) -> None:
        """Wait until the server has answered the greeting; ``what`` says what that would be.

        Raises:
            CrowdFailed: it did not in time, or not so.
        """
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                await self.ready.wait()
        except TimeoutError:
            raise CrowdFailed(f"a client did not {what} in {READY_TIMEOUT_S:g} s") from None
        if self.lost is not None:
            raise CrowdFailed(f"a client could not {what}, since {self.lost}")

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

    def lose(self, why: str) -> None:
        """Something is wrong; the first reason counts."""
        if not self._leaving and self.lost is None:
            self.lost = why

    def _take_head(self, received: bytes) -> None:
        try:
            rest = wire.after_opening(received)
        except wire.BadAnswer as error:
            self.lose(str(error))
            return
        self._head = received if rest is None else None
        if rest is not None:
            self.transport.write(self._greeting)
            self._frames(rest)

    def _frames(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        for framed in self._reader.feed(data):
            if framed.opcode == OP_TEXT:
                self.take(framed.payload, now_ns)
            elif framed.opcode == OP_CLOSE:
                self._take_close(framed.payload, now_ns)
        self.taken()

    def _take_close(self, payload: bytes, now_ns: int) -> None:
        code = int.from_bytes(payload[:2]) or ABNORMAL.code
        self.closed = Closed(code, payload[2:].decode(errors="replace"), now_ns)
        self.lose(f"the server closed with {self.closed.code} {self.closed.reason}")
        self.transport.close()
