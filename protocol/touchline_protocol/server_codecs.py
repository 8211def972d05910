"""The forms in which a server writes messages, besides plain frames. Each is a codec like the plain ones.

- `DeflateCodec`: permessage-deflate (RFC 7692) without context takeover in the server's direction. No message depends
  on the one before it, so a compressed frame is built once and shared, just like a plain one.
- `EventStreamCodec`: server-sent events (HTML Living Standard, section 9.2). A message of the json codec is one
  ``data`` line: the encoder writes no line breaks, and those between the tokens of an event's own value become spaces.
  Messages about presence have their type as the ``event`` too, so a page listens to them by name.

`ALL_CODECS` lists all of them: an event caches its frame for each under the codec's ``index``.

Rule: a frame depends on nothing but its message, so it can be written to every client of the codec.
"""

import zlib
from functools import lru_cache

from .codecs import JSON, MSGPACK, Codec
from .cursor import Cursor
from .frames import RSV1, frame
from .messages import Beat, Event, Goaway, Members, MembersChanged, Message, Occupancy, Replayed, Subscribed

DEFLATE_BYTES_MIN = 128
"""Shorter payloads are not compressed: they shrink by a fifth at most, and compressing costs nearly as much."""

DEFLATE_LEVEL = 6
"""zlib's default, of 1 to 9. On the events of a real match all levels take the same time, and 1 saves a little less."""

DEFLATE_WINDOW_BITS = 15
"""A client must be able to hold 2^15 bytes; one that offers less receives plain frames, which is always allowed. A
smaller window would save no time, which depends on the message alone."""

SNAPSHOT_LEVEL = 1
"""A room's state is large and changes with each flush. Level 6 compresses 700 KB to 82 KB in 16 ms, during which the
edge does nothing else; level 1 takes 6 ms, to 105 KB."""

SNAPSHOTS_MAX = 8
"""How many compressed states are cached, each with its original: some 20 MB at most, with the default bound of a state.
They are for a crowd that returns to a few rooms at once."""

RETRY_MS_MIN = 1_000
"""The shortest time that a browser is asked to wait before it reconnects. It keeps that interval while nobody answers:
with 0 it would try to reach a lost server as fast as it can."""

_SPACES = bytes.maketrans(b"\r\n", b"  ")
_SYNC_FLUSH_TAIL = 4  # 00 00 ff ff, which RFC 7692 section 7.2.1 omits
_ID_BYTES_MAX = 23  # ,"id":9007199254740991} at the end of a message


class DeflateCodec(Codec):
    """A codec that compresses messages where that helps."""

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
            return frame(RSV1 | self.opcode, _deflate_snapshot(payload))
        return frame(RSV1 | self.opcode, deflate(payload))


class EventStreamCodec(Codec):
    """Server-sent events. The id of an event is its cursor, which a browser returns in ``Last-Event-ID``.

    While a client looks for its place in another log, events have no id: the cursor of before stays in force until
    `Replayed`, so a stream that is cut off in between is replayed again.
    """

    __slots__ = ()

    def __init__(self, index: int) -> None:
        super().__init__(index, "json")
        self.plain = JSON

    def frame(self, message: Message, epoch: str = "") -> bytes:
        """``message`` as a block of the stream."""
        if isinstance(message, Beat):
            return b": beat\n\n"  # a comment, which a page never sees
        head = b""
        if isinstance(message, Event):
            head = b"id: %b\n" % str(Cursor.at(epoch, message.offset, message.ts)).encode()
        elif isinstance(message, Subscribed) and not message.recovered and message.after is None:
            # Not if missed events are still to come: the cursor must not be ahead of them.
            head = b"id: %b\n" % str(Cursor(message.epoch, message.head, message.ts)).encode()
        elif isinstance(message, Replayed):
            head = b"id: %b\n" % str(Cursor(epoch, message.to, message.ts)).encode()
        elif isinstance(message, Goaway):
            head = b"retry: %d\n" % (RETRY_MS_MIN + message.reconnect_ms)
        elif isinstance(message, Occupancy | Members | MembersChanged):
            head = b"event: %b\n" % str(message.__struct_config__.tag).encode()
        return head + b"data: %b\n\n" % _in_one_line(self.encode(message))

    def without_id(self, framed: bytes) -> bytes:
        """An event's block without its id."""
        return framed[framed.index(b"\n") + 1 :]


def deflate(payload: bytes) -> bytes:
    """``payload`` as the payload of a compressed message (RFC 7692 section 7.2.1)."""
    return _blocks(payload, DEFLATE_LEVEL)[:-_SYNC_FLUSH_TAIL]


def _blocks(data: bytes, level: int) -> bytes:
    """``data`` as whole bytes of deflate blocks that refer to nothing before them, so they can be concatenated."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, -DEFLATE_WINDOW_BITS)
    return compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)


_cached_blocks = lru_cache(SNAPSHOTS_MAX)(_blocks)


def _deflate_snapshot(payload: bytes) -> bytes:
    """Compress a `Subscribed` that has a state, and the state itself only once for all clients that join.

    Only the request id and the head differ, and the head moves with every record of the room's partition: compressed as
    a whole, a state of 900 KB would cost each client that joins 4.4 ms instead of 0.4 ms. Where the payload is cut
    affects only how often the cache is used, since the parts always add up to the payload.
    """
    begin = payload.find(b"recovered")
    end = payload.rfind(b"id", -_ID_BYTES_MAX)
    end = len(payload) if end < 0 else end
    return (
        _blocks(payload[:begin], SNAPSHOT_LEVEL)
        + _cached_blocks(payload[begin:end], SNAPSHOT_LEVEL)
        + deflate(payload[end:])
    )


def _in_one_line(payload: bytes) -> bytes:
    """A payload without line breaks: JSON has them between its tokens alone, and a space there is as good.

    A data line for each would make a value several times as large on its way.
    """
    return payload.translate(_SPACES) if b"\n" in payload or b"\r" in payload else payload


JSON_DEFLATE = DeflateCodec(2, JSON)
MSGPACK_DEFLATE = DeflateCodec(3, MSGPACK)
EVENT_STREAM = EventStreamCodec(4)
ALL_CODECS: tuple[Codec, ...] = (JSON, MSGPACK, JSON_DEFLATE, MSGPACK_DEFLATE, EVENT_STREAM)
DEFLATED = {codec.plain: codec for codec in (JSON_DEFLATE, MSGPACK_DEFLATE)}
