"""A counter of any server on its way in: it takes the steps of an opening, and then counts events."""

import os
import socket
from collections.abc import Sequence

from touchline_loadtest.wire.opening import Progress, Step

from .event_counts import EventCounts
from .pool import CounterPool

READ_BYTES = 256 * 1024
SHOWN_BYTES = 200
"""The most that a message about a refused client quotes of what the server sent."""
_SWITCHING = b"HTTP/1.1 101 "


class StepJoin:
    """One client. Once only counting is left to do, ``pool`` takes over."""

    __slots__ = ("_counts", "_pool", "_progress", "_reads", "_sock")

    def __init__(self, pool: CounterPool, counts: EventCounts, steps: Sequence[Step], port: int) -> None:
        self._pool = pool
        self._counts = counts
        self._progress = Progress(steps)
        self._reads = 0
        self._sock = pool.connect(port, 0, self._connected)

    @property
    def number(self) -> int:
        """The client's key in the pool."""
        return self._sock.fileno()

    def _connected(self) -> None:
        if code := self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._pool.lose(self.number, f"it could not connect: {os.strerror(code)}")
            return
        self._pool.connected(self.number, self._ready)
        self._advance()

    def _ready(self) -> None:
        try:
            data = self._sock.recv(READ_BYTES)
        except OSError as error:
            self._pool.lose(self.number, str(error))
            return
        refused = not self._reads and not data.startswith(_SWITCHING[: len(data)])
        if not data or refused:
            self._pool.lose(self.number, f"the server closed the connection, or refused it: {data[:SHOWN_BYTES]!r}")
            return
        self._reads += 1
        if self._progress.receive(data):
            self._advance()

    def _advance(self) -> None:
        if not self._progress.done:
            self._sock.send(self._progress.to_send)
            return
        self._pool.join(self.number)
        unread = self._progress.unread
        self._counts.add(self.number)
        self._counts.count(self.number, bytearray(unread), len(unread))
        self._pool.count(self.number, len(unread), self._counts.receiver(self._sock))
