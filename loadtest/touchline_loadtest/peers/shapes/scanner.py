"""A client that only looks for stamps in what arrives: cheap enough for 19,000 of them in one process.

It does not split what it receives into frames: every event carries its stamp, whatever is around it. Only a short read
without a stamp is read as frames, because it may be a ping of the peer's protocol, which has to be answered.
"""

import asyncio
from array import array
from collections.abc import Sequence
from time import monotonic_ns
from typing import cast

from touchline_loadtest.peers.client import HOST
from touchline_loadtest.peers.peer import Dialect, PeerFailed, RoomStart
from touchline_loadtest.wire.event_values import scan
from touchline_loadtest.wire.frames import FrameReader
from touchline_loadtest.wire.opening import Progress

JOIN_TIMEOUT_S = 60.0
PING_BYTES_MAX = 200
"""The longest read that may be a ping."""


class Tally:
    """What all scanners found: when each event was due, and how late it was, in the order of arrival."""

    def __init__(self) -> None:
        self.due_ns = array("q")
        self.late_ns = array("q")
        self.lost: list[str] = []


class Scanner(asyncio.Protocol):
    """One connection. ``joined`` is done once it is in its rooms, with an error if the server refused it."""

    def __init__(self, dialect: Dialect, port: int, rooms: Sequence[str], tally: Tally) -> None:
        starts = [RoomStart(room) for room in rooms]
        self.joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reader = dialect.reader(starts)
        self._progress = Progress(dialect.opening(port, starts))
        self._tally = tally
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the first step."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._progress.to_send)

    def data_received(self, data: bytes) -> None:
        """Take the steps, then only look for stamps."""
        if not self._progress.done:
            self._take_steps(data)
            return
        now_ns = monotonic_ns()
        found, rest = scan(self._rest + data if self._rest else data)
        tally = self._tally
        for due_ns, _ in found:
            tally.due_ns.append(due_ns)
            tally.late_ns.append(now_ns - due_ns)
        if not found and not self._rest and len(data) <= PING_BYTES_MAX:
            self._answer(data)
        else:
            self._rest = rest

    def connection_lost(self, exc: Exception | None) -> None:
        """Note why, unless this client closed it."""
        if self._transport is None:
            return
        self._transport = None
        reason = str(exc or "the server closed the connection")
        self._tally.lost.append(reason)
        if not self.joined.done():
            self.joined.set_exception(PeerFailed(f"a client could not join: {reason}"))

    def close(self) -> None:
        """Disconnect."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def _take_steps(self, data: bytes) -> None:
        assert self._transport is not None  # noqa: S101 - steps are taken while connected
        if self._progress.receive(data):
            self._transport.write(self._progress.to_send)
            if self._progress.done:
                self.joined.set_result(None)

    def _answer(self, data: bytes) -> None:
        for framed in FrameReader().feed(data):
            self._reader.read(framed.payload)
        if self._reader.replies and self._transport is not None:
            self._transport.write(b"".join(self._reader.replies))
            self._reader.replies.clear()


async def open_scanner(dialect: Dialect, port: int, rooms: Sequence[str], tally: Tally) -> Scanner:
    """Connect a client; returns it once it is in its rooms.

    Raises:
        PeerFailed: the server refused it, or did not let it in in time.
    """
    scanner = Scanner(dialect, port, rooms, tally)
    try:
        async with asyncio.timeout(JOIN_TIMEOUT_S):
            await asyncio.get_running_loop().create_connection(lambda: scanner, HOST, port)
            await scanner.joined
    except (OSError, TimeoutError) as error:
        scanner.close()
        raise PeerFailed(f"a client could not join: {error or 'the server did not answer'}") from error
    return scanner
