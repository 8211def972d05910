"""A counting client on its way: from the connect over the handshake and `subscribed` to the first event of its room.

Up to there it reads frames, so that a beat which a quiet room's client is sent counts as little as `subscribed` does.
"""

import os
import socket
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from touchline_protocol.frames import OP_TEXT

from . import wire
from .checking import HARMLESS
from .counting import CountingClients

READ_BYTES = 256 * 1024


class Plan(NamedTuple):
    """What a client sends once it is connected, and once its handshake is answered; nothing where that is not asked."""

    opening: bytes
    greeting: bytes


class _Typed(msgspec.Struct):
    type: str


_DECODER = msgspec.json.Decoder(_Typed)


class Joining:
    """One of them. It leaves itself to ``clients`` when there is only counting left."""

    __slots__ = ("_clients", "_joined", "_plan", "_received", "_sock", "_step")

    def __init__(self, clients: CountingClients, plan: Plan, port: int, receive_buffer_bytes: int) -> None:
        self._clients = clients
        self._plan = plan
        self._received = b""
        self._joined = False
        self._step: Callable[[], None] = self._connected
        self._sock = clients.connect(port, receive_buffer_bytes, self._ready)

    @property
    def number(self) -> int:
        """By which the clients know it."""
        return self._sock.fileno()

    def _ready(self) -> None:
        try:
            self._step()
        except (OSError, wire.BadAnswer) as error:
            self._lose(str(error))

    def _connected(self) -> None:
        if code := self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._lose(f"it could not connect: {os.strerror(code)}")
            return
        self._clients.connected(self.number)
        if self._plan.opening:
            self._sock.send(self._plan.opening)
            self._step = self._take_head
        else:
            self._count_all(0)

    def _take_head(self) -> None:
        if not self._receive():
            return
        rest = wire.after_opening(self._received)
        if rest is None:
            return
        if self._plan.greeting:
            self._received = rest
            self._step = self._take_frames
            self._sock.send(self._plan.greeting)
        else:
            self._count_all(len(rest))

    def _take_frames(self) -> None:
        """Look at frames until an event comes; its bytes and all after them are counted."""
        if not self._receive():
            return
        received, position = self._received, 0
        while (found := wire.frame_at(received, position)) is not None:
            begin, end = found
            if received[position] & 0xF != OP_TEXT:
                self._lose(f"the server sent {received[begin:end]!r}")
                return
            kind = _DECODER.decode(received[begin:end]).type
            if kind == "subscribed" and not self._joined:
                self._joined = True
                self._clients.join(self.number)
            elif kind == "event" and self._joined:
                self._clients.count(self.number, len(received) - position)
                return
            elif kind not in HARMLESS:
                self._lose(f"the server said {received[begin:end].decode(errors='replace')[:200]}")
                return
            position = end
        self._received = received[position:]

    def _count_all(self, size: int) -> None:
        self._clients.join(self.number)
        self._clients.count(self.number, size)

    def _receive(self) -> bool:
        data = self._sock.recv(READ_BYTES)
        if not data:
            self._lose("the server closed the connection")
        self._received += data
        return bool(data)

    def _lose(self, reason: str) -> None:
        self._clients.lose(self.number, reason)
