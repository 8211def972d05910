"""Counters: clients that, from the first event of their room on, drop all data and count its bytes.

The kernel drops the bytes (MSG_TRUNC, see tcp(7)), so a read costs a system call and no copy. The count is enough,
because all clients of a room receive the same frames, and the checkers (`clients/checkers.py`) read those.

Rules:

1. `CounterPool.sweep` is the hot loop: it does nothing per read that is not needed to count.
2. A lost client is never forgotten: `lost` holds the reasons.
"""

import errno
import os
import select
import socket
import time
from collections.abc import Callable

from touchline_loadtest.checks.read_spans import ReadSpans

READ_BYTES = 1 << 20
"""The most that one read drops. Python requires a buffer of that size, although nothing is written to it."""
IP_BIND_ADDRESS_NO_PORT = 24
"""An option of Linux that the socket module has no name for: in.h."""
READY_MAX = 4096
"""Sockets handled per poll: with more of them, commands would have to wait."""

Receive = Callable[[bytearray, int, int], int]


class CounterPool:
    """All counters, by the file descriptors of their sockets. ``spans`` is None unless the times of reads are noted."""

    def __init__(self) -> None:
        self.joined = 0
        self.reads = 0
        self.totals: dict[int, int] = {}
        self.lost: list[str] = []
        self.spans: ReadSpans | None = None
        self.on_lost: Callable[[int, str], None] | None = None
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
        """Call ``ready`` whenever the descriptor is ready, until `count` is called for it."""
        self._others[number] = ready
        self._epoll.register(number, mask)

    def connect(
        self,
        port: int,
        receive_buffer_bytes: int,
        ready: Callable[[], None],
        host: str = "127.0.0.1",
        source: str = "",
    ) -> socket.socket:
        """Begin to connect a client; ``ready`` is called once it is connected, and then whenever it can be read.

        ``host`` is an IPv4 address, ``source`` the one to connect from; if that is empty, the system chooses.
        """
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer_bytes:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        if source:
            # Otherwise the port would be taken for connections to all servers, not just to this one: ip(7).
            sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((source, 0))
        self._sockets[sock.fileno()] = sock
        self.watch(sock.fileno(), ready, select.EPOLLOUT)
        code = sock.connect_ex((host, port))
        if code not in (0, errno.EINPROGRESS):
            self.lose(sock.fileno(), f"it could not connect: {os.strerror(code)}")
        return sock

    def connected(self, number: int, ready: Callable[[], None] | None = None) -> None:
        """A client is connected: from now on wait for data. ``ready`` replaces what was given to `connect`."""
        self._epoll.modify(number, select.EPOLLIN)
        if ready is not None:
            self._others[number] = ready

    def join(self, number: int) -> None:
        """A client has joined its room, and has received no event yet."""
        self.totals[number] = 0
        self.joined += 1

    def count(self, number: int, size: int, receive: Receive | None = None) -> None:
        """From now on only count, beginning with ``size`` bytes that have already arrived.

        ``receive`` reads instead of the socket's own method. If it looks at the data, the kernel cannot drop them.
        """
        del self._others[number]
        self._counting[number] = receive or self._sockets[number].recv_into
        if size:
            self.totals[number] = size
            self.reads += 1
            if self.spans is not None:
                self.spans.note(0, size, time.monotonic_ns())

    def read_again(self, number: int, ready: Callable[[], None]) -> None:
        """Count no more: call ``ready`` whenever the client can be read."""
        del self._counting[number]
        self._others[number] = ready

    def close(self, number: int) -> None:
        """Drop a client's connection, as a lost link would."""
        self._counting.pop(number, None)
        self._others.pop(number, None)
        self._sockets.pop(number).close()  # which also removes it from the epoll set

    def pause(self, number: int) -> None:
        """Stop reading from a client. If it is lost meanwhile, that goes unnoticed."""
        self._epoll.unregister(number)

    def resume(self, number: int) -> None:
        """Read from a client again."""
        self._epoll.register(number, select.EPOLLIN)

    def lose(self, number: int, reason: str) -> None:
        """A client has failed: close it and keep the reason."""
        self.lost.append(reason)
        self.close(number)
        if self.on_lost is not None:
            self.on_lost(number, reason)
