"""RFC 6455 frames, as far as the suite needs them.

Frames to the server are masked with a key of zeros, which leaves the payload as it is. Frames from the server must not
be fragmented, masked, or use an extension.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from touchline_protocol.frames import FIN, OP_TEXT, frame

_MASKED = 0x80
_LENGTH_16_BITS = 126
_LENGTH_64_BITS = 127


class BadReply(Exception):
    """The server sent something that this reader does not support, or that is not WebSocket."""


class Framed(NamedTuple):
    """A frame from the server; ``size_bytes`` counts its header too."""

    opcode: int
    payload: bytes
    size_bytes: int


def masked(payload: bytes) -> bytes:
    """A text frame as a client sends it."""
    framed = bytearray(frame(OP_TEXT, payload))
    head = len(framed) - len(payload)
    framed[1] |= _MASKED
    framed[head:head] = bytes(4)
    return bytes(framed)


class FrameReader:
    """Splits the bytes of a server into frames."""

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, data: bytes) -> Iterator[Framed]:
        """Add bytes; yields the frames that are now complete.

        Raises:
            BadReply: a frame is fragmented or masked, or has a reserved bit set.
        """
        received = self._received
        received += data
        position = 0
        while (found := frame_at(received, position)) is not None:
            begin, end = found
            yield Framed(received[position] & 0xF, bytes(received[begin:end]), end - position)
            position = end
        del received[:position]


def frame_at(data: bytes | bytearray, position: int) -> tuple[int, int] | None:
    """Where the payload of the frame at ``position`` begins and ends; None if the frame is incomplete.

    Raises:
        BadReply: it is fragmented or masked, or has a reserved bit set.
    """
    if len(data) < position + 2:
        return None
    first, length = data[position], data[position + 1]
    if first & 0xF0 != FIN or length & _MASKED:
        raise BadReply(f"a frame begins with {bytes(data[position : position + 2]).hex()}")
    begin = position + 2
    if length == _LENGTH_16_BITS:
        if len(data) < begin + 2:
            return None
        (length,) = struct.unpack_from("!H", data, begin)
        begin += 2
    elif length == _LENGTH_64_BITS:
        if len(data) < begin + 8:
            return None
        (length,) = struct.unpack_from("!Q", data, begin)
        begin += 8
    end = begin + length
    return None if len(data) < end else (begin, end)
