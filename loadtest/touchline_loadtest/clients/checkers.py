"""Clients that read every frame, check the order of events, and note when each event arrived.

The measuring process holds about ten of them, beside the thousands that only count (`counters/`). They share one
receive buffer, because each read is processed before the next one begins.
"""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, cast

from touchline_loadtest.checks.room_check import RoomCheck
from touchline_loadtest.wire.frames import BadReply, FrameReader
from touchline_loadtest.wire.greeting import greeting
from touchline_loadtest.wire.handshake import after_upgrade, upgrade_request
from touchline_protocol.frames import OP_CLOSE, OP_TEXT
from touchline_protocol.messages import RoomRequest

from .errors import ClientsFailed

READ_BYTES = 256 * 1024
POLL_S = 0.002
"""How often a condition on all clients is evaluated."""


class Arrival(NamedTuple):
    """An event arrived: when, and the bytes of events that the client had then received since it joined."""

    now_ns: int
    end_bytes: int


class CheckerPool:
    """The checkers of one server."""

    def __init__(self, port: int) -> None:
        self.buffer = bytearray(READ_BYTES)
        self.lost: list[str] = []
        self.closing = False
        self.checkers: list[Checker] = []
        self.port = port
        self.upgrade_request = upgrade_request("127.0.0.1", port)

    async def connect(self, count: int, request: RoomRequest, timeout_s: float) -> list["Checker"]:
        """Connect ``count`` more, all at once; returns them when they have joined the room of ``request``.

        Raises:
            ClientsFailed: some could not connect or join.
        """
        checkers = [Checker(self, request) for _ in range(count)]
        await asyncio.gather(*(self._connect_one(checker) for checker in checkers))
        await self.until(
            lambda: all(checker.check.joined for checker in checkers),
            timeout_s,
            lambda: f"only {sum(checker.check.joined for checker in checkers)} of {count} clients joined",
        )
        return checkers

    async def until(self, condition: Callable[[], bool], timeout_s: float, failure: Callable[[], str]) -> None:
        """Wait until ``condition`` holds; ``failure`` describes what is wrong if it never does.

        Raises:
            ClientsFailed: it did not hold in time, or a client was lost.
        """
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            self.raise_if_lost()
            if time.monotonic() > deadline_s:
                raise ClientsFailed(f"after {timeout_s:g} s {failure()}")
            await asyncio.sleep(POLL_S)

    def raise_if_lost(self) -> None:
        """Check that all are still connected.

        Raises:
            ClientsFailed: they are not.
        """
        if self.lost:
            raise ClientsFailed(f"{len(self.lost)} clients were lost; the first one: {self.lost[0]}")

    async def close(self) -> None:
        """Disconnect all."""
        self.closing = True
        for checker in self.checkers:
            checker.transport.abort()
        await asyncio.sleep(0)

    async def _connect_one(self, checker: "Checker") -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: checker, "127.0.0.1", self.port)
        except OSError as error:
            self.lost.append(f"it could not connect: {error}")
        else:
            self.checkers.append(checker)


class Checker(asyncio.BufferedProtocol):
    """One client: it completes the handshake, then reads frames."""

    __slots__ = ("_greeting", "_head", "_pool", "_reader", "arrivals", "check", "event_bytes", "reads", "transport")

    transport: asyncio.Transport

    def __init__(self, pool: CheckerPool, request: RoomRequest) -> None:
        self._pool = pool
        self._greeting = greeting(request)
        self._head = b""
        self._reader: FrameReader | None = None
        self.check = RoomCheck(request)
        self.arrivals: list[Arrival] = []
        self.event_bytes = 0
        self.reads = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._pool.upgrade_request)

    def get_buffer(self, _sizehint: int) -> bytearray:
        """The buffer that all checkers share."""
        return self._pool.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Read the response to the handshake, then frames."""
        data = bytes(self._pool.buffer[:nbytes])
        if self._reader is None:
            self._receive_head(data)
        else:
            self._receive_frames(self._reader, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report a connection that ended before `CheckerPool.close`."""
        if not self._pool.closing:
            self._pool.lost.append(str(exc or "the server closed the connection"))

    def _receive_head(self, data: bytes) -> None:
        self._head += data
        try:
            rest = after_upgrade(self._head)
        except BadReply as error:
            self._pool.lost.append(str(error))
            return
        if rest is None:
            return
        self._reader = FrameReader()
        self.transport.write(self._greeting)
        if rest:
            self._receive_frames(self._reader, rest)

    def _receive_frames(self, reader: FrameReader, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        check = self.check
        self.reads += 1
        for opcode, payload, size_bytes in reader.feed(data):
            if opcode == OP_CLOSE:
                self._pool.lost.append(f"the server closed with {payload[2:].decode(errors='replace')}")
            elif opcode == OP_TEXT:
                events = check.events
                check.receive(payload, now_ns)
                if check.events > events:
                    self.event_bytes += size_bytes
                    self.arrivals.append(Arrival(now_ns, self.event_bytes))
        if check.unexpected:
            self._pool.lost.append(f"the server sent {check.unexpected[-1]}")
