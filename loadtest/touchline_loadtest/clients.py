"""A crowd of clients in one process: they connect, join a room, and count what comes.

A sample of them (`Crowd.checked`), spread evenly, parses every frame and checks order and lateness; the others count
bytes and events without parsing, by `wire.EVENT_MARK`. One buffer is shared by all, as a read is dealt with before the
next one begins.

Rule: what is done per read is all that this process is here for, so nothing else may be.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from typing import cast

from touchline_protocol.frames import OP_CLOSE, OP_TEXT
from touchline_protocol.messages import RoomRequest

from . import wire
from .checking import OrderCheck

READ_BYTES = 256 * 1024
CONNECTING_MAX = 500
"""Connections under way at once where a scenario does not ask for a storm: fewer than a listener's backlog."""
CONNECT_TIMEOUT_S = 60.0
POLL_S = 0.002
"""How often it is looked at whether a crowd has all that it waits for."""

_EDGE_BYTES = len(wire.EVENT_MARK) - 1
"""Of the end of a read: what may be the beginning of a mark that the next read ends."""


class CrowdFailed(Exception):
    """Clients were refused, lost, or not served in time: there is nothing to measure."""


class Crowd:
    """Clients of one server. ``handshake`` is whether it speaks WebSocket at all."""

    def __init__(self, port: int, *, handshake: bool = True) -> None:
        self.buffer = bytearray(READ_BYTES)
        self.events = 0
        self.bytes = 0
        self.reads = 0
        self.joined = 0
        self.lost: list[str] = []
        self.closing = False
        self.clients: list[Client] = []
        self.port = port
        self.opening = wire.opening("127.0.0.1", port) if handshake else b""

    @property
    def checked(self) -> list[OrderCheck]:
        """What the sampled clients found."""
        return [client.check for client in self.clients if client.check is not None]

    async def connect(
        self,
        count: int,
        request: RoomRequest | None = None,
        *,
        check_every: int = 0,
        at_once: int = CONNECTING_MAX,
    ) -> None:
        """Connect ``count`` more clients; returns when all of them have joined the room of ``request``.

        Without a request they join nothing, as at a baseline. Every ``check_every``th is checked, 0 checks none.

        Raises:
            CrowdFailed: not all of them could.
        """
        goal = self.joined + count
        greeting = b"" if request is None else wire.greeting(request)
        gate = asyncio.Semaphore(at_once)
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                checked = request is not None and check_every and number % check_every == 0
                check = OrderCheck(request.after) if request is not None and checked else None
                group.create_task(self._connect_one(gate, Client(self, greeting, check)))
        await self._until(lambda: self.joined >= goal, CONNECT_TIMEOUT_S, "joined")

    async def until_events(self, count: int, timeout_s: float) -> None:
        """Wait until ``count`` events have come to all clients together.

        Raises:
            CrowdFailed: they did not in time.
        """
        await self._until(lambda: self.events >= count, timeout_s, f"got {count} events")

    def read_lazily(self, low_water_bytes: int) -> None:
        """Have the kernel wake the counting clients once so many bytes are there (SO_RCVLOWAT); 1 is at once."""
        for client in self.clients:
            if client.check is None:
                sock = client.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, low_water_bytes)

    async def close(self) -> None:
        """Leave."""
        self.closing = True
        for client in self.clients:
            client.transport.abort()
        await asyncio.sleep(0)

    async def _connect_one(self, gate: asyncio.Semaphore, client: "Client") -> None:
        async with gate:
            try:
                await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", self.port)
            except OSError as error:
                self.lost.append(f"it could not connect: {error}")
            else:
                self.clients.append(client)

    async def _until(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if self.lost:
                raise CrowdFailed(f"{len(self.lost)} clients were lost, the first one since {self.lost[0]}")
            if time.monotonic() > deadline:
                raise CrowdFailed(
                    f"in {timeout_s:g} s not all clients {what}: {self.joined} of {len(self.clients)} joined, "
                    f"{self.events} events came"
                )
            await asyncio.sleep(POLL_S)


class Client(asyncio.BufferedProtocol):
    """One client: what it does with a read changes as it goes on from the handshake to the room."""

    __slots__ = ("_crowd", "_edge", "_greeting", "_head", "_reader", "_take", "check", "events", "transport")

    transport: asyncio.Transport

    def __init__(self, crowd: Crowd, greeting: bytes, check: OrderCheck | None) -> None:
        self._crowd = crowd
        self._greeting = greeting
        self.check = check
        self.events = 0
        self._head = b""
        self._edge = b""
        self._reader: wire.FrameReader | None = None
        self._take: Callable[[int], None] = self._take_head

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake, where there is one."""
        self.transport = cast(asyncio.Transport, transport)
        if self._crowd.opening:
            self.transport.write(self._crowd.opening)
        else:
            self._join()

    def get_buffer(self, _sizehint: int) -> bytearray:
        """The one buffer."""
        return self._crowd.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came."""
        self._take(nbytes)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, which nobody wanted unless the crowd closes."""
        if not self._crowd.closing:
            self._crowd.lost.append(str(exc or "the server closed the connection"))

    def _take_head(self, size: int) -> None:
        self._head += self._crowd.buffer[:size]
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end and len(self._head) < wire.HEAD_BYTES_MAX:
            return
        if not head.startswith(b"HTTP/1.1 101 "):
            self._crowd.lost.append(f"the handshake was answered {head[:100]!r}")
            return
        self._head = b""
        if not self._greeting:
            self._join()
            self._counted(rest, len(rest))
            return
        self._reader = wire.FrameReader()
        self._take = self._take_frames
        self.transport.write(self._greeting)
        if rest:
            self._frames(rest)

    def _take_frames(self, size: int) -> None:
        self._frames(bytes(self._crowd.buffer[:size]))

    def _frames(self, data: bytes) -> None:
        """Read frames one by one: a checked client always, another one until it has joined."""
        assert self._reader is not None  # noqa: S101 - set with the state that leads here
        now_ns = time.monotonic_ns()
        self._counted(data, len(data))
        for opcode, payload in self._reader.feed(data):
            if opcode == OP_CLOSE:
                self._crowd.lost.append(f"the server closed with {payload[2:].decode(errors='replace')}")
            elif opcode == OP_TEXT and self.check is not None:
                self._check(self.check, payload, now_ns)
            elif opcode == OP_TEXT and payload.startswith(b'{"type":"subscribed"'):
                self._reader = None
                self._join()
                return  # what else came is counted, and is looked at no more
            elif opcode == OP_TEXT and payload.startswith(b'{"type":"error"'):
                self._crowd.lost.append(f"the server answered {payload.decode(errors='replace')}")

    def _check(self, check: OrderCheck, payload: bytes, now_ns: int) -> None:
        joined = check.joined
        check.take(payload, now_ns)
        if check.joined and not joined:
            self._crowd.joined += 1
        if check.unexpected:
            self._crowd.lost.append(f"the server said {check.unexpected[-1]}")

    def _join(self) -> None:
        self._take = self._count
        self._crowd.joined += 1

    def _count(self, size: int) -> None:
        self._counted(self._crowd.buffer, size)

    def _counted(self, data: bytes | bytearray, size: int) -> None:
        """Count the marks in the first ``size`` bytes, and one that the read before began."""
        edge = self._edge + data[: min(size, _EDGE_BYTES)]
        events = data.count(wire.EVENT_MARK, 0, size) + edge.count(wire.EVENT_MARK)
        self._edge = bytes(data[size - _EDGE_BYTES : size]) if size >= _EDGE_BYTES else edge[-_EDGE_BYTES:]
        crowd = self._crowd
        crowd.bytes += size
        crowd.reads += 1
        crowd.events += events
        self.events += events


def short_clients(clients: Sequence[Client], events: int) -> int:
    """How many clients did not get exactly ``events``."""
    return sum(client.events != events for client in clients)
