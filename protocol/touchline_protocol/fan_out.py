"""The forms in which a server writes messages beside plain frames, each a codec of the same fan-out.

- `DeflateCodec`: permessage-deflate (RFC 7692) without context takeover in the server's direction. So no message needs
  the one before it, and the compressed frame is made once and shared, as a plain one is.
- `EventStreamCodec`: server-sent events (HTML Living Standard, section 9.2). One message of the json codec is one
  ``data`` line, since JSON as the encoder writes it has no line breaks but those in an event's own value.

`ALL_CODECS` has all of them: an event keeps what was made of it for each by the codec's ``index``.

Rule: what is made of a message depends on nothing but the message, so it may be written to every client of the codec.
"""

import zlib

from .codecs import JSON, MSGPACK, Codec
from .cursor import Cursor
from .frames import RSV1, frame
from .messages import Beat, Event, Goaway, Message, Subscribed

DEFLATE_BYTES_MIN = 128
"""Shorter payloads go out as they are: such a message shrinks by a fifth at most, and costs nearly as much."""

DEFLATE_LEVEL = 6
"""Of 1 to 9, zlib's own choice. On the events of a real match 1 and 9 take the same time, and 1 saves a little less."""

DEFLATE_WINDOW_BITS = 15
"""A client has to be able to hold 2^15 bytes; one that offers less is sent plain frames, which is always allowed.
A smaller window would spare nothing: the time goes into the message, whatever the window."""

_SYNC_FLUSH_TAIL = 4  # 00 00 ff ff, which RFC 7692 section 7.2.1 leaves out


class DeflateCodec(Codec):
    """A codec whose messages are compressed where that helps."""

    __slots__ = ()

    def __init__(self, index: int, plain: Codec) -> None:
        super().__init__(index, plain.name)
        self.plain = plain

    def frame(self, message: Message, epoch: str = "") -> bytes:
        """``message`` as a whole server frame, compressed if it is long enough."""
        payload = self.encode(message)
        if len(payload) < DEFLATE_BYTES_MIN:
            return frame(self.opcode, payload)
        return frame(RSV1 | self.opcode, deflated(payload))


class EventStreamCodec(Codec):
    """Server-sent events. An event's id is its cursor, which a browser sends back as ``Last-Event-ID``."""

    __slots__ = ()

    def __init__(self, index: int) -> None:
        super().__init__(index, "json")
        self.plain = JSON

    def frame(self, message: Message, epoch: str = "") -> bytes:
        """``message`` as a block of the stream."""
        if isinstance(message, Beat):
            return b": beat\n\n"  # a comment: nothing that a page would have to pass over
        head = b""
        if isinstance(message, Event):
            head = b"id: %b\n" % str(Cursor(epoch, message.offset)).encode()
        elif isinstance(message, Subscribed) and not message.recovered:
            # Not where it is recovered: what was missed is still to come, and a cursor must not be ahead of it.
            head = b"id: %b\n" % str(Cursor(message.epoch, message.head)).encode()
        elif isinstance(message, Goaway):
            head = b"retry: %d\n" % message.reconnect_ms
        return head + _data_lines(self.encode(message)) + b"\n"


def deflated(payload: bytes) -> bytes:
    """``payload`` as the payload of a compressed message (RFC 7692 section 7.2.1)."""
    compressor = zlib.compressobj(DEFLATE_LEVEL, zlib.DEFLATED, -DEFLATE_WINDOW_BITS)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-_SYNC_FLUSH_TAIL]


def _data_lines(payload: bytes) -> bytes:
    """A payload as data lines: an event's value is passed on untouched, line breaks between its tokens too."""
    if b"\n" not in payload and b"\r" not in payload:
        return b"data: %b\n" % payload
    return b"".join(b"data: %b\n" % line for line in payload.splitlines())


JSON_DEFLATE = DeflateCodec(2, JSON)
MSGPACK_DEFLATE = DeflateCodec(3, MSGPACK)
EVENT_STREAM = EventStreamCodec(4)
ALL_CODECS: tuple[Codec, ...] = (JSON, MSGPACK, JSON_DEFLATE, MSGPACK_DEFLATE, EVENT_STREAM)
DEFLATED = {codec.plain: codec for codec in (JSON_DEFLATE, MSGPACK_DEFLATE)}
