"""A client of several rooms that counts: on its way in it reads frames, then the kernel drops all data, and at the end
it reads again, to learn where it stands.

Its bytes are those of events alone: `subscribed` and what is not about rooms arrives while it reads, except heartbeats.
"""

import os
import re
import socket
import time
from collections.abc import Callable, Mapping

import msgspec

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.clock import now_ms
from touchline_loadtest.counters.pool import CounterPool
from touchline_loadtest.wire.frames import BadReply, frame_at, masked
from touchline_loadtest.wire.greeting import hello
from touchline_loadtest.wire.handshake import after_upgrade, upgrade_request
from touchline_protocol.codecs import JSON
from touchline_protocol.codes import HELLO_TIMEOUT
from touchline_protocol.frames import OP_TEXT
from touchline_protocol.messages import RoomRequest, Subscribe, Unsubscribe

from .commands import Client, Cursor
from .ledger import Counted

READ_BYTES = 256 * 1024
TAIL_BYTES = 64 * 1024
"""How much of the end is kept: several events of each room."""
NS_PER_MS = 1_000_000
HARMLESS = frozenset({"beat"})
_EVENT = re.compile(rb'\{"type":"event","room":"([^"]+)","offset":(\d+),')
_LEFT = re.compile(rb'\{"type":"unsubscribed",[^}]*\}')
SHORT_HEADER_BYTES = 2
"""The header of a frame with a payload below 126 bytes, such as that of ``unsubscribed``, has this size."""


class _Message(msgspec.Struct):
    """The fields of a server's message that matter before a client counts."""

    type: str
    room: str = ""
    epoch: str = ""
    head: int = -1
    recovered: bool = False
    heartbeat_ms: int = 0


_DECODER = msgspec.json.Decoder(_Message)


class CountingClient:
    """One connection of a client, which it first tried to make at ``started_ns``.

    ``connect_ms`` and ``first_state_ms`` get its times, ``breaches`` has what is wrong with it. ``timed_out``: either
    side was so busy that the hello came too late, and the client should try again.
    """

    __slots__ = (
        "_began_ns",
        "_connect_ms",
        "_cursors",
        "_first_state_ms",
        "_heartbeat_ms",
        "_joined",
        "_leaving_ns",
        "_left_ns",
        "_number",
        "_pool",
        "_received",
        "_size",
        "_sock",
        "_started_ns",
        "_step",
        "_subscribed_ns",
        "_token",
        "breaches",
        "client",
        "lost",
        "timed_out",
    )

    def __init__(
        self,
        pool: CounterPool,
        client: Client,
        cursors: Mapping[str, Cursor],
        token: str | None,
        connect_ms: list[float],
        first_state_ms: list[float],
        started_ns: int,
    ) -> None:
        self.client = client
        self.lost = False
        self.timed_out = False
        self.breaches: list[Breach] = []
        self._pool = pool
        self._cursors = cursors
        self._token = token
        self._connect_ms = connect_ms
        self._first_state_ms = first_state_ms
        self._received = b""
        self._size = 0
        self._joined: dict[str, int] = {}
        self._heartbeat_ms = 0
        self._began_ns = self._leaving_ns = self._left_ns = self._subscribed_ns = 0
        self._started_ns = started_ns
        self._step: Callable[[], None] = self._connected
        self._sock = pool.connect(client.port, 0, self._ready, client.host)
        self._number = self._sock.fileno()  # -1 if the attempt has failed at once

    @property
    def number(self) -> int:
        """The client's key in the pool."""
        return self._number

    @property
    def is_in(self) -> bool:
        """Whether it is in all of its rooms, or has been lost."""
        return self.lost or len(self._joined) == len(self.client.rooms)

    @property
    def has_left(self) -> bool:
        """Whether the server has confirmed that it has left all rooms, or it has been lost."""
        return self.lost or self._left_ns > 0

    def lose(self, reason: str) -> None:
        """The connection has ended."""
        self.lost = True
        self._found("unexplained_close", reason)

    def read_again(self) -> None:
        """Count no more, but read what arrives."""
        if not self.lost:
            self._leaving_ns = time.monotonic_ns()
            self._step = self._read_tail
            self._pool.read_again(self._number, self._ready)

    def leave(self) -> None:
        """Leave all rooms."""
        if not self.lost:
            self._send(masked(JSON.encode(Unsubscribe(rooms=self.client.rooms))))

    def counted(self) -> Counted:
        """What it has received. After it has left."""
        tail = self._received
        size = self._pool.totals[self._number] - sum(len(left) + SHORT_HEADER_BYTES for left in _LEFT.findall(tail))
        last = {room.decode(): int(offset) for room, offset in _EVENT.findall(tail)}
        # A server looks at a quiet connection twice per heartbeat, and does not let it get older than that.
        beats_max = 1 + 2 * (self._left_ns - self._began_ns) // NS_PER_MS // max(1, self._heartbeat_ms)
        return Counted(size, self._joined, last, self._leaving_ns, self._left_ns, beats_max)

    def _found(self, kind: str, text: str, room: str = "") -> None:
        self.breaches.append(Breach(kind, self.client.name, text, room, at_ms=now_ms()))

    def _send(self, data: bytes) -> None:
        try:
            self._sock.send(data)
        except OSError as error:
            self._pool.lose(self._number, str(error))

    def _ready(self) -> None:
        try:
            self._step()
        except (OSError, BadReply, msgspec.DecodeError) as error:
            self._pool.lose(self._number, str(error))

    def _connected(self) -> None:
        if code := self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._pool.lose(self._number, f"it could not connect: {os.strerror(code)}")
            return
        self._pool.connected(self._number)
        self._step = self._read_head
        self._sock.send(upgrade_request(self.client.host, self.client.port))

    def _read_head(self) -> None:
        if self._receive() and (rest := after_upgrade(self._received)) is not None:
            self._received = rest
            self._step = self._read_frames
            requests = [RoomRequest(room, *self._cursors.get(room, (None, None))) for room in self.client.rooms]
            self._subscribed_ns = time.monotonic_ns()
            self._sock.send(hello(self._token) + masked(JSON.encode(Subscribe(rooms=requests))))

    def _read_frames(self) -> None:
        """Read until the client is in all of its rooms; events are counted."""
        if not self._receive():
            return
        received, position = self._received, 0
        while not self.is_in and (found := frame_at(received, position)) is not None:
            begin, end = found
            if received[position] & 0xF != OP_TEXT:
                self.timed_out = int.from_bytes(received[begin : begin + 2]) == HELLO_TIMEOUT.code
                reason = received[begin + 2 : end].decode(errors="replace")
                self._pool.lose(self._number, f"the server closed: {reason}")
                return
            message = _DECODER.decode(received[begin:end])
            if message.type == "event":
                self._size += end - position
            else:
                self._take(message, received[begin:end])
            position = end
        self._received = received[position:]
        if self.is_in and not self.lost:
            self._count()

    def _take(self, message: _Message, payload: bytes) -> None:
        now_ns = time.monotonic_ns()
        if message.type == "welcome":
            self._heartbeat_ms = message.heartbeat_ms
            self._connect_ms.append((now_ns - self._started_ns) / NS_PER_MS)
        elif message.type == "subscribed" and message.room not in self._joined:
            self._first_state_ms.append((now_ns - self._subscribed_ns) / NS_PER_MS)
            cursor = self._cursors.get(message.room)
            if cursor is not None and not message.recovered:
                self._found("lost_cursor", f"{cursor} was not honoured", message.room)
            self._joined[message.room] = cursor[1] if cursor is not None and message.recovered else message.head
        elif message.type not in HARMLESS:
            self._pool.lose(self._number, f"the server sent {payload.decode(errors='replace')[:200]}")

    def _count(self) -> None:
        self._began_ns = time.monotonic_ns()
        self._pool.join(self._number)
        self._pool.count(self._number, self._size + len(self._received))
        self._received = b""

    def _read_tail(self) -> None:
        before = len(self._received)
        if not self._receive():
            return
        self._pool.totals[self._number] += len(self._received) - before
        if len(_LEFT.findall(self._received)) == len(self.client.rooms):
            self._left_ns = time.monotonic_ns()
        elif len(self._received) > 2 * TAIL_BYTES:
            self._received = self._received[-TAIL_BYTES:]

    def _receive(self) -> bool:
        data = self._sock.recv(READ_BYTES)
        if not data:
            self._pool.lose(self._number, "the server closed the connection")
        self._received += data
        return bool(data)
