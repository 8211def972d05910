"""Clients that are checked: each reads every frame, looks at the order, and notes when an event came.

They live in the measuring process, about ten of them beside a crowd that counts (`crowd.py`). One buffer is shared
by all, as a read is dealt with before the next one begins.
"""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, cast

from touchline_protocol.frames import OP_CLOSE, OP_TEXT
from touchline_protocol.messages import RoomRequest

from . import wire
from .checking import OrderCheck

READ_BYTES = 256 * 1024
POLL_S = 0.002
"""How often it is looked at whether all have what is waited for."""


class CrowdFailed(Exception):
    """Clients were refused, lost, or not served in time: there is nothing to measure."""


class Arrival(NamedTuple):
    """An event came: when, and how many bytes of events had come with it since the join."""

    now_ns: int
    end_bytes: int


class CheckedClients:
    """Those of one server."""

    def __init__(self, port: int) -> None:
        self.buffer = bytearray(READ_BYTES)
        self.lost: list[str] = []
        self.closing = False
        self.clients: list[CheckedClient] = []
        self.port = port
        self.opening = wire.opening("127.0.0.1", port)

    async def connect(self, count: int, request: RoomRequest, timeout_s: float) -> list["CheckedClient"]:
        """Connect ``count`` more, all at once; returns them when they have joined the room of ``request``.

        Raises:
            CrowdFailed: not all of them could.
        """
        clients = [CheckedClient(self, request) for _ in range(count)]
        await asyncio.gather(*(self._connect_one(client) for client in clients))
        await self.until(
            lambda: all(client.check.joined for client in clients),
            timeout_s,
            lambda: f"joined: {sum(client.check.joined for client in clients)} of {count} did",
        )
        return clients

    async def until(self, condition: Callable[[], bool], timeout_s: float, what: Callable[[], str]) -> None:
        """Wait until ``condition`` holds of all of them.

        Raises:
            CrowdFailed: it does not in time, or a client was lost.
        """
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            self.raise_if_lost()
            if time.monotonic() > deadline_s:
                raise CrowdFailed(f"in {timeout_s:g} s not all clients {what()}")
            await asyncio.sleep(POLL_S)

    def raise_if_lost(self) -> None:
        """Whether all are still there.

        Raises:
            CrowdFailed: they are not.
        """
        if self.lost:
            raise CrowdFailed(f"{len(self.lost)} clients were lost, the first one since {self.lost[0]}")

    async def close(self) -> None:
        """Leave."""
        self.closing = True
        for client in self.clients:
            client.transport.abort()
        await asyncio.sleep(0)

    async def _connect_one(self, client: "CheckedClient") -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", self.port)
        except OSError as error:
            self.lost.append(f"it could not connect: {error}")
        else:
            self.clients.append(client)


class CheckedClient(asyncio.BufferedProtocol):
    """One of them: first it waits for the handshake's answer, then it reads frames."""

    __slots__ = ("_all", "_greeting", "_head", "_reader", "arrivals", "check", "event_bytes", "reads", "transport")

    transport: asyncio.Transport

    def __init__(self, clients: CheckedClients, request: RoomRequest) -> None:
        self._all = clients
        self._greeting = wire.greeting(request)
        self._head = b""
        self._reader: wire.FrameReader | None = None
        self.check = OrderCheck(request.after)
        self.arrivals: list[Arrival] = []
        self.event_bytes = 0
        self.reads = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._all.opening)

    def get_buffer(self, _sizehint: int) -> bytearray:
        """The one buffer."""
        return self._all.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came."""
        data = bytes(self._all.buffer[:nbytes])
        if self._reader is None:
            self._take_head(data)
        else:
            self._take_frames(self._reader, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, which nobody wanted unless all are closed."""
        if not self._all.closing:
            self._all.lost.append(str(exc or "the server closed the connection"))

    def _take_head(self, data: bytes) -> None:
        self._head += data
        try:
            rest = wire.after_opening(self._head)
        except wire.BadAnswer as error:
            self._all.lost.append(str(error))
            return
        if rest is None:
            return
        self._reader = wire.FrameReader()
        self.transport.write(self._greeting)
        if rest:
            self._take_frames(self._reader, rest)

    def _take_frames(self, reader: wire.FrameReader, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        check = self.check
        self.reads += 1
        for opcode, payload, size_bytes in reader.feed(data):
            if opcode == OP_CLOSE:
                self._all.lost.append(f"the server closed with {payload[2:].decode(errors='replace')}")
            elif opcode == OP_TEXT:
                events = check.events
                check.take(payload, now_ns)
                if check.events > events:
                    self.event_bytes += size_bytes
                    self.arrivals.append(Arrival(now_ns, self.event_bytes))
        if check.unexpected:
            self._all.lost.append(f"the server said {check.unexpected[-1]}")
