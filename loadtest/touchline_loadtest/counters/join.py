"""A counter on its way in: from the connect through the handshake and `subscribed` to the first event of its room.

Until then it reads frames, so that the bytes of `subscribed`, and of the beats in a quiet room, are not counted.
"""

import os
import socket
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from touchline_loadtest.checks.room_check import HARMLESS
from touchline_loadtest.wire.frames import BadReply, frame_at
from touchline_loadtest.wire.handshake import after_upgrade
from touchline_protocol.frames import OP_TEXT

from .pool import CounterPool

READ_BYTES = 256 * 1024


class Opening(NamedTuple):
    """The bytes to send once a client is connected, and once its handshake is complete; empty to skip that step."""

    upgrade_request: bytes
    greeting: bytes


class _Typed(msgspec.Struct):
    type: str


_DECODER = msgspec.json.Decoder(_Typed)


class Join:
    """One client. Once only counting is left to do, ``pool`` takes over."""

    __slots__ = ("_joined", "_opening", "_pool", "_received", "_sock", "_step")

    def __init__(self, pool: CounterPool, opening: Opening, port: int, receive_buffer_bytes: int, source: str) -> None:
        self._pool = pool
        self._opening = opening
        self._received = b""
        self._joined = False
        self._step: Callable[[], None] = self._connected
        self._sock = pool.connect(port, receive_buffer_bytes, self._ready, source=source)

    @property
    def number(self) -> int:
        """The client's key in the pool."""
        return self._sock.fileno()

    def _ready(self) -> None:
        try:
            self._step()
        except (OSError, BadReply) as error:
            self._lose(str(error))

    def _connected(self) -> None:
        if code := self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._lose(f"it could not connect: {os.strerror(code)}")
            return
        self._pool.connected(self.number)
        if self._opening.upgrade_request:
            self._sock.send(self._opening.upgrade_request)
            self._step = self._read_head
        else:
            self._count_all(0)

    def _read_head(self) -> None:
        if not self._receive():
            return
        rest = after_upgrade(self._received)
        if rest is None:
            return
        if self._opening.greeting:
            self._received = rest
            self._step = self._read_frames
            self._sock.send(self._opening.greeting)
        else:
            self._count_all(len(rest))

    def _read_frames(self) -> None:
        """Read frames until an event arrives; its bytes, and all that follow, are counted."""
        if not self._receive():
            return
        received, position = self._received, 0
        while (found := frame_at(received, position)) is not None:
            begin, end = found
            if received[position] & 0xF != OP_TEXT:
                self._lose(f"the server sent {received[begin:end]!r}")
                return
            kind = _DECODER.decode(received[begin:end]).type
            if kind == "subscribed" and not self._joined:
                self._joined = True
                self._pool.join(self.number)
            elif kind == "event" and self._joined:
                self._pool.count(self.number, len(received) - position)
                return
            elif kind not in HARMLESS:
                self._lose(f"the server sent {received[begin:end].decode(errors='replace')[:200]}")
                return
            position = end
        self._received = received[position:]

    def _count_all(self, size: int) -> None:
        self._pool.join(self.number)
        self._pool.count(self.number, size)

    def _receive(self) -> bool:
        data = self._sock.recv(READ_BYTES)
        if not data:
            self._lose("the server closed the connection")
        self._received += data
        return bool(data)

    def _lose(self, reason: str) -> None:
        self._pool.lose(self.number, reason)
