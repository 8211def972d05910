"""Clients that count: they connect, join a room, and from its first event on drop what comes and count its bytes.

The kernel drops the bytes (MSG_TRUNC, see tcp(7)), so a read costs its system call and no copy. That is enough to know:
all clients of a room are sent the same frames, and what those are is seen by clients that read them (`clients.py`).

Rules:

1. What is done per read is all that this module is here for, so nothing else may be.
2. A client that is lost is never forgotten: `lost` has the reasons.
"""

import errno
import os
import select
import socket
import time
from collections.abc import Callable

from .spans import Spans

READ_BYTES = 1 << 20
"""Dropped at most by one read. Python wants a buffer of that size, though nothing is written to it."""
READY_MAX = 4096
"""Sockets that one look at the kernel's list brings: with more, commands would be kept waiting."""

Receive = Callable[[bytearray, int, int], int]


class CountingClients:
    """All of them, by their sockets' numbers. ``spans`` is None unless it is noted when each read was."""

    def __init__(self) -> None:
        self.joined = 0
        self.reads = 0
        self.totals: dict[int, int] = {}
        self.lost: list[str] = []
        self.spans: Spans | None = None
        self._epoll = select.epoll()
        self._buffer = bytearray(READ_BYTES)
        self._sockets: dict[int, socket.socket] = {}
        self._counting: dict[int, Receive] = {}
        self._others: dict[int, Callable[[], None]] = {}

    def sweep(self, timeout_s: float | None) -> None:
        """Wait until there is something to read, and read it."""
        counting, totals, spans, buffer = self._counting, self.totals, self.spans, self._buffer
        for number, _ in self._epoll.poll(timeout_s, READY_MAX):
            receive = counting.get(number)
            if receive is None:
                self._others[number]()
                continue
            try:
                size = receive(buffer, READ_BYTES, socket.MSG_TRUNC)
            except OSError as error:
                self.lose(number, str(error))
                continue
            if not size:
                self.lose(number, "the server closed the connection")
                continue
            before = totals[number]
            totals[number] = after = before + size
            self.reads += 1
            if spans is not None:
                spans.note(before, after, time.monotonic_ns())

    def watch(self, number: int, ready: Callable[[], None], mask: int = select.EPOLLIN) -> None:
        """Call ``ready`` when there is something for it, until the client counts."""
        self._others[number] = ready
        self._epoll.register(number, mask)

    def connect(self, port: int, receive_buffer_bytes: int, ready: Callable[[], None]) -> socket.socket:
        """Begin to connect a client; ``ready`` is called when it is, and then when there is something to read."""
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self._sockets[sock.fileno()] = sock
        self.watch(sock.fileno(), ready, select.EPOLLOUT)
        code = sock.connect_ex(("127.0.0.1", port))
        if code not in (0, errno.EINPROGRESS):
            self.lose(sock.fileno(), f"it could not connect: {os.strerror(code)}")
        return sock

    def connected(self, number: int) -> None:
        """A client's connection is there."""
        self._epoll.modify(number, select.EPOLLIN)

    def join(self, number: int) -> None:
        """A client is in its room, and has had no event yet."""
        self.totals[number] = 0
        self.joined += 1

    def count(self, number: int, size: int) -> None:
        """Only count from now on, beginning with ``size`` bytes that have come already."""
        del self._others[number]
        self._counting[number] = self._sockets[number].recv_into
        if size:
            self.totals[number] = size
            self.reads += 1
            if self.spans is not None:
                self.spans.note(0, size, time.monotonic_ns())

    def pause(self, number: int) -> None:
        """Read no more from a client; that it is lost is not seen then."""
        self._epoll.unregister(number)

    def resume(self, number: int) -> None:
        """Read again."""
        self._epoll.register(number, select.EPOLLIN)

    def lose(self, number: int, reason: str) -> None:
        """A client is gone."""
        self.lost.append(reason)
        self._counting.pop(number, None)
        self._others.pop(number, None)
        self._sockets.pop(number).close()  # which takes it off the kernel's list too
