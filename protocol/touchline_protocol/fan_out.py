"""The forms in which a server writes messages beside plain frames, each a codec of the same fan-out.

- `DeflateCodec`: permessage-deflate (RFC 7692) without context takeover in the server's direction. So no message needs
  the one before it, and the compressed frame is made once and shared, as a plain one is.
- `EventStreamCodec`: server-sent events (HTML Living Standard, section 9.2). One message of the json codec is one
  ``data`` line, since JSON as the encoder writes it has no line breaks but those in an event's own value.

`ALL_CODECS` has all of them: an event keeps what was made of it for each by the codec's ``index``.

Rule: what is made of a message depends on nothing but the message, so it may be written to every client of the codec.
"""

import struct
import zlib
from functools import lru_cache

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

SNAPSHOT_LEVEL = 1
"""For a room's state, which is large and another one after each flush: of 700 KB level 6 makes 82 KB in 16 ms, in which
the edge does nothing else, and this 105 KB in 6 ms."""

SNAPSHOTS_MAX = 8
"""Compressed states that are kept, each with what it was made of: at most some 20 MB, with the default bound of a
state. A crowd that comes back to a few rooms at once is what they are for."""

RETRY_MS_MIN = 1_000
"""The least that a browser is told to wait before it connects again. It goes on with that time for as long as nobody
answers: with 0 it would ask for a server that is away as fast as it can."""

_SYNC_FLUSH_TAIL = 4  # 00 00 ff ff, which RFC 7692 section 7.2.1 leaves out
_ID_BYTES_MAX = 23  # ,"id":9007199254740991} at the end of a message


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
        if isinstance(message, Subscribed) and (message.state or message.recent):
            return frame(RSV1 | self.opcode, _deflated_snapshot(payload))
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
            head = b"retry: %d\n" % (RETRY_MS_MIN + message.reconnect_ms)
        return head + _data_lines(self.encode(message)) + b"\n"


def deflated(payload: bytes) -> bytes:
    """``payload`` as the payload of a compressed message (RFC 7692 section 7.2.1)."""
    return _blocks(payload, DEFLATE_LEVEL)[:-_SYNC_FLUSH_TAIL]


def _blocks(data: bytes, level: int) -> bytes:
    """``data`` as deflate blocks up to a whole byte, that refer to nothing before them."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, -DEFLATE_WINDOW_BITS)
    return compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)


_blocks_of_snapshot = lru_cache(SNAPSHOTS_MAX)(_blocks)


def _deflated_snapshot(payload: bytes) -> bytes:
    """A `Subscribed` with a state, which is large and the same for all who join, between a head and an id that are not.

    Those are put in as stored blocks, so that the state is compressed once. Where the payload is cut decides only how
    often that spares work: joined again, the parts are the payload wherever that is.
    """
    begin = payload.find(b"recovered")
    end = payload.rfind(b"id", -_ID_BYTES_MAX)
    end = len(payload) if end < 0 else end
    # At the end an empty stored block without its length, which is the tail that is left out.
    shared = _blocks_of_snapshot(payload[begin:end], SNAPSHOT_LEVEL)
    return _stored(payload[:begin]) + shared + _stored(payload[end:]) + b"\0"


def _stored(data: bytes) -> bytes:
    """``data``, less than 64 KB, as a stored block (RFC 1951 section 3.2.4), after a whole byte."""
    return struct.pack("<BHH", 0, len(data), len(data) ^ 0xFFFF) + data


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
