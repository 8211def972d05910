"""RFC 6455 server frames, as bytes.

A server does not mask its frames (section 5.1), so one bytes object can be written to every client. The frames built
here are byte for byte what `websockets` sends for the same message when no extension is negotiated; a test ensures
that. This module knows nothing of messages.
"""

import struct
from collections.abc import Iterator

from .limits import CONTROL_PAYLOAD_BYTES_MAX

FIN = 0x80
RSV1 = 0x40
"""Set on the first frame of a compressed message (RFC 7692 section 6)."""
OP_TEXT = 0x1
OP_BINARY = 0x2
OP_CLOSE = 0x8

_LENGTH_16_BITS = 126
_LENGTH_64_BITS = 127
_HEAD_16_BITS = struct.Struct("!BBH").pack
_HEAD_64_BITS = struct.Struct("!BBQ").pack


def frame(opcode: int, payload: bytes) -> bytes:
    """One unfragmented server frame around ``payload``."""
    length = len(payload)
    if length < _LENGTH_16_BITS:
        return bytes((FIN | opcode, length)) + payload
    if length < 1 << 16:
        return _HEAD_16_BITS(FIN | opcode, _LENGTH_16_BITS, length) + payload
    return _HEAD_64_BITS(FIN | opcode, _LENGTH_64_BITS, length) + payload


def payload_of(framed: bytes) -> bytes:
    """The payload of a frame built by `frame`, so that a larger message can embed it without encoding it again."""
    length = framed[1]
    if length < _LENGTH_16_BITS:
        return framed[2:]
    return framed[4:] if length == _LENGTH_16_BITS else framed[10:]


def split_frames(joined: bytes) -> Iterator[bytes]:
    """The frames in ``joined``: frames that `frame` made, one after the other."""
    begin = 0
    while begin < len(joined):
        head, length = 2, joined[begin + 1]
        if length == _LENGTH_16_BITS:
            head, length = 4, int.from_bytes(joined[begin + 2 : begin + 4])
        elif length == _LENGTH_64_BITS:
            head, length = 10, int.from_bytes(joined[begin + 2 : begin + 10])
        end = begin + head + length
        yield joined[begin:end]
        begin = end


def close_frame(code: int, reason: str) -> bytes:
    """A close frame. A reason longer than the 123 bytes that fit is cut between two characters."""
    fitting = reason.encode()[: CONTROL_PAYLOAD_BYTES_MAX - 2].decode(errors="ignore")
    return frame(OP_CLOSE, struct.pack("!H", code) + fitting.encode())
