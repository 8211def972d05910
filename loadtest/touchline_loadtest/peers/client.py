"""A client of any peer that reads every frame. Ten of them measure latency beside the thousands that only count."""

import asyncio
import struct
import time
from collections.abc import Callable, Sequence
from typing import cast

from touchline_loadtest.wire.frames import BadReply, FrameReader
from touchline_loadtest.wire.handshake import after_upgrade
from touchline_loadtest.wire.opening import Progress
from touchline_protocol.frames import FIN, OP_CLOSE

from .peer import Dialect, PeerFailed, Received, RoomStart

HOST = "127.0.0.1"
JOIN_TIMEOUT_S = 60.0
_OP_PING = 0x9
_PONG = struct.pack("!BB4x", FIN | 0xA, 0x80)
"""An empty pong, masked with zeros."""

OnEvents = Callable[[Sequence[Received], int], None]
"""Called with the events of a frame, and when the frame was read (nanoseconds, monotonic clock)."""


class PeerClient(asyncio.Protocol):
    """One connection. ``joined`` is set once the client is in all its rooms, ``gone`` once the connection has ended.

    ``lost`` says why it ended, unless `close` ended it. ``reader`` has its positions, to come back with.
    """

    def __init__(self, dialect: Dialect, port: int, rooms: Sequence[RoomStart], on_events: OnEvents) -> None:
        self.joined = asyncio.Event()
        self.gone = asyncio.Event()
        self.lost: str | None = None
        self.reader = dialect.reader(rooms)
        self._on_events = on_events
        self._progress = Progress(dialect.opening(port, rooms))
        self._head: bytes | None = None if self._progress.done else b""
        self._frames = FrameReader()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the first step."""
        self._transport = cast(asyncio.Transport, transport)
        self._advance()

    def data_received(self, data: bytes) -> None:
        """Read the response to the handshake, then frames."""
        now_ns = time.monotonic_ns()
        try:
            if self._head is not None:
                self._head += data
                rest = after_upgrade(self._head)
                if rest is None:
                    return
                self._head = None
                self._progress.receive(b"\r\n\r\n")
                self._advance()
                data = rest
            self._read_frames(data, now_ns)
        except (BadReply, PeerFailed) as error:
            self._lose(str(error))
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note why, unless this client closed it."""
        if self._transport is not None:
            self._lose(str(exc or "the server closed the connection"))
        self._transport = None
        self.gone.set()

    def send(self, frames: bytes) -> None:
        """Send frames of the peer's protocol."""
        if self._transport is not None:
            self._transport.write(frames)

    def close(self) -> None:
        """Disconnect at once, without a close frame."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def _advance(self) -> None:
        if self._progress.done:
            self.joined.set()
        else:
            self.send(self._progress.to_send)

    def _read_frames(self, data: bytes, now_ns: int) -> None:
        reader = self.reader
        for opcode, payload, _ in self._frames.feed(data):
            if opcode == OP_CLOSE:
                self._lose(f"the server closed with {payload[2:].decode(errors='replace')}")
            elif opcode == _OP_PING:
                self.send(_PONG)
            else:
                if events := reader.read(payload):
                    self._on_events(events, now_ns)
                if self._progress.receive(payload):
                    self._advance()
        if reader.replies:
            self.send(b"".join(reader.replies))
            reader.replies.clear()

    def _lose(self, reason: str) -> None:
        self.lost = self.lost or reason


async def join(dialect: Dialect, port: int, rooms: Sequence[RoomStart], on_events: OnEvents) -> PeerClient:
    """Connect a client; returns it once it is in its rooms. Events may reach it before that.

    Raises:
        PeerFailed: the server refused it, or did not let it in in time.
    """
    client = PeerClient(dialect, port, rooms, on_events)
    try:
        async with asyncio.timeout(JOIN_TIMEOUT_S):
            await asyncio.get_running_loop().create_connection(lambda: client, HOST, port)
            waits = [asyncio.ensure_future(event.wait()) for event in (client.joined, client.gone)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
    except asyncio.CancelledError:
        client.close()
        raise
    except (OSError, TimeoutError) as error:
        client.close()
        raise PeerFailed(f"a client could not join: {client.lost or error or 'the server did not answer'}") from error
    if client.lost is not None:
        raise PeerFailed(f"a client could not join: {client.lost}")
    return client
