"""One end of the socket between a supervisor and a worker, on the event loop.

Nothing waits for the other end: a message is written at once, or the channel is cut if the other end has not read for
so long that `WAITING_BYTES_MAX` wait already. The process at the other end is then replaced, or drains.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from .messages import (
    LENGTH_BYTES,
    MESSAGE_BYTES_MAX,
    MessageReader,
    MessageTooLarge,
    Order,
    Report,
    Start,
    encode,
    orders,
)

M = TypeVar("M")

WAITING_BYTES_MAX = 2 * MESSAGE_BYTES_MAX
"""Bytes that the other end has not read yet. Two of the largest messages: a busy worker reads within milliseconds."""


class Channel(asyncio.Protocol, Generic[M]):
    """``received`` is given each message, and ``lost`` is called once, when the other end is gone."""

    def __init__(self, reader: MessageReader[M], received: Callable[[M], None], lost: Callable[[], None]) -> None:
        self._reader = reader
        self._received = received
        self._lost = lost
        self._transport: asyncio.Transport | None = None

    async def start(self, sock: socket.socket) -> None:
        """Begin to read and write. The socket belongs to the channel from now on."""
        sock.setblocking(False)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: self, sock)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._reader.feed(data):
                self._received(message)
        except (MessageTooLarge, msgspec.DecodeError):
            self.close()
            raise

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._lost()

    def send(self, message: Order | Report) -> None:
        """Write a message, if the other end is still there.

        Raises:
            MessageTooLarge: it is. Nothing was written.
        """
        data = encode(message)
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() + len(data) > WAITING_BYTES_MAX:
            transport.abort()
        else:
            transport.write(data)

    def close(self) -> None:
        """Write what waits, then close."""
        if self._transport is not None:
            self._transport.close()


def read_start(sock: socket.socket) -> Start:
    """Wait for the first message, without an event loop: it says how to log, among other things.

    Reads nothing beyond it: a supervisor that is stopped soon has said so already.

    Raises:
        EOFError: the supervisor is gone.
    """
    head = _exactly(sock, LENGTH_BYTES)
    (start,) = orders().feed(head + _exactly(sock, int.from_bytes(head, "big")))
    assert isinstance(start, Start)  # noqa: S101 - it always comes first
    return start


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = sock.recv(size, socket.MSG_WAITALL)
    if len(data) < size:
        raise EOFError
    return data
