"""Counts the events of clients whose bytes say too little: some servers join events into frames as it happens.

Each event has the same mark once. A read costs a copy of its data and a search; nothing is parsed.
"""

import socket

from .pool import Receive


class EventCounts:
    """The number of events of each client, by its key in the pool."""

    def __init__(self, mark: bytes) -> None:
        self.events: dict[int, int] = {}
        self._mark = mark
        self._cut: dict[int, bytes] = {}
        """Beginnings of a mark with which a client's last read ended."""

    def add(self, number: int) -> None:
        """A client has joined."""
        self.events[number] = 0

    def count(self, number: int, data: bytearray, size: int) -> None:
        """Count the events in the first ``size`` bytes of ``data``, which a client has read."""
        mark = self._mark
        if begun := self._cut.pop(number, b""):
            data = bytearray(begun) + data[:size]
            size = len(data)
        self.events[number] += data.count(mark, 0, size)
        end = data[max(0, size - len(mark) + 1) : size]
        at = end.find(mark[:1])
        while at >= 0:
            if mark.startswith(end[at:]):
                self._cut[number] = bytes(end[at:])
                break
            at = end.find(mark[:1], at + 1)

    def receiver(self, sock: socket.socket) -> Receive:
        """What reads from a client instead of its socket's method, and counts."""
        number, count, recv_into = sock.fileno(), self.count, sock.recv_into

        def receive(buffer: bytearray, size_max: int, _flags: int) -> int:
            size = recv_into(buffer, size_max)
            count(number, buffer, size)
            return size

        return receive
