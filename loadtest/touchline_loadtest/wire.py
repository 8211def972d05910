"""The client's side of the wire, made by hand so that one core can hold thousands of clients: RFC 6455 frames.

Pure: bytes in, bytes out. It speaks only what the suite needs: an opening handshake whose answer is taken at its word,
masked frames (with a key of zeros, which leaves the payload as it is), and unfragmented frames from the server.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from touchline_protocol.codecs import JSON
from touchline_protocol.frames import FIN, OP_TEXT, frame
from touchline_protocol.messages import Hello, RoomRequest, Subscribe

HEAD_BYTES_MAX = 16 * 1024
"""Of the answer to the handshake."""

_MASKED = 0x80
_LENGTH_16_BITS = 126
_LENGTH_64_BITS = 127


class Framed(NamedTuple):
    """A frame from the server; ``size_bytes`` is that of the whole of it."""

    opcode: int
    payload: bytes
    size_bytes: int


class BadAnswer(Exception):
    """The server sent what this reader, or nobody, can read."""


class Due(msgspec.Struct):
    """What can be read of an event's value: when it was due, in nanoseconds of the monotonic clock."""

    due: int


def event_value(due_ns: int, size_bytes: int) -> bytes:
    """An event's JSON value of ``size_bytes``, a `Due`."""
    head = b'{"due":%d,"pad":"' % due_ns
    return head + b"x" * (size_bytes - len(head) - 2) + b'"}'


def opening(host: str, port: int, path: str = "/ws") -> bytes:
    """The opening handshake's request."""
    fields = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
    ]
    return ("\r\n".join(fields) + "\r\n\r\n").encode()


def after_opening(received: bytes) -> bytes | None:
    """What came after the answer to the opening handshake; None as long as that is not all there.

    Raises:
        BadAnswer: the answer is a refusal, or none.
    """
    head, end, rest = received.partition(b"\r\n\r\n")
    if not end and len(received) < HEAD_BYTES_MAX:
        return None
    if not end or not head.startswith(b"HTTP/1.1 101 "):
        raise BadAnswer(f"the handshake was answered {head[:100]!r}")
    return rest


def hello(token: str | None = None) -> bytes:
    """The first message, as it is sent after the handshake."""
    return masked(JSON.encode(Hello(agent="touchline-loadtest", token=token)))


def greeting(request: RoomRequest) -> bytes:
    """Hello and a subscribe to one room."""
    return hello() + masked(JSON.encode(Subscribe(rooms=[request])))


def masked(payload: bytes) -> bytes:
    """A text frame as a client sends it."""
    framed = bytearray(frame(OP_TEXT, payload))
    head = len(framed) - len(payload)
    framed[1] |= _MASKED
    framed[head:head] = bytes(4)
    return bytes(framed)


class FrameReader:
    """Cuts what a server sends into frames."""

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, data: bytes) -> Iterator[Framed]:
        """Take bytes; the frames that are complete.

        Raises:
            BadAnswer: a frame is a fragment, masked, or has a reserved bit set.
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
    """Where the payload of the frame at ``position`` begins and ends; None if it is not all there.

    Raises:
        BadAnswer: it is a fragment, masked, or has a reserved bit set.
    """
    if len(data) < position + 2:
        return None
    first, length = data[position], data[position + 1]
    if first & 0xF0 != FIN or length & _MASKED:
        raise BadAnswer(f"a frame begins with {bytes(data[position : position + 2]).hex()}")
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
