"""A stream: one partition of a feed's topic, and its window, the newest events that the edge holds in memory.

Rules:

1. Events come in by rising offset. Those of all rooms of the partition are in one queue, so the oldest go first.
2. ``floor`` is the promise of the window: every event of the stream with an offset above it is in memory. It starts
   just below the first offset that was read, and rises when an event is let go.
3. The window is bounded in bytes (values and the frames made of them) and in time since an event was read.
"""

from collections import deque
from typing import Protocol

from touchline_protocol.codecs import Codec
from touchline_protocol.fan_out import ALL_CODECS
from touchline_protocol.messages import Event

EVENT_OVERHEAD_BYTES = 400
"""What an event costs beside its value and frames: the objects around them, as measured with tracemalloc."""


class EventOwner(Protocol):
    """What an event and a stream need of a room."""

    name: str

    def forget_oldest(self, event: "RoomEvent") -> None:
        """The window lets go of ``event``."""


class RoomEvent:
    """An event in memory. Its frames are made when first asked for, one per codec, and shared by all who get them.

    ``windowed`` while it is in its stream's window; events of a room's state outlive that.
    """

    __slots__ = ("frames", "key", "offset", "prev", "read_ms", "room", "size", "stream", "ts", "value", "windowed")

    def __init__(
        self, room: EventOwner, stream: "Stream", offset: int, key: str | None, ts: int, value: bytes, read_ms: int
    ) -> None:
        self.room = room
        self.stream = stream
        self.offset = offset
        self.prev: int | None = None
        self.key = key
        self.ts = ts
        self.value = value
        self.read_ms = read_ms
        self.size = len(value) + EVENT_OVERHEAD_BYTES
        self.windowed = False
        self.frames: list[bytes | None] | None = None

    def frame(self, codec: Codec) -> bytes:
        """This event as a server frame of ``codec``."""
        if self.frames is None:
            self.frames = [None] * len(ALL_CODECS)
        made = self.frames[codec.index]
        if made is None:
            made = self.frames[codec.index] = codec.frame(self._message(codec), self.stream.epoch)
            self.size += len(made)
            if self.windowed:
                self.stream.bytes += len(made)
        return made

    @property
    def removes(self) -> bool:
        """Whether this event removes its key from the state."""
        return self.key is not None and self.value == b"null"

    def _message(self, codec: Codec) -> Event:
        return Event(
            room=self.room.name,
            offset=self.offset,
            prev=self.prev,
            ts=self.ts,
            data=codec.value(self.value),
            key=self.key,
        )


class Stream:
    """One partition's window.

    ``epoch`` is that of the rooms in it: it names the topic's epoch and the partition, since an offset means nothing in
    another partition. ``next_offset`` is where the next records go on.
    """

    __slots__ = ("bytes", "epoch", "events", "floor", "next_offset", "partition", "topic", "topic_epoch")

    def __init__(self, topic: str, topic_epoch: str, partition: int, start: int) -> None:
        self.topic = topic
        self.topic_epoch = topic_epoch
        self.partition = partition
        self.epoch = f"{topic_epoch}-{partition}"
        self.floor = start - 1
        self.next_offset = start
        self.events: deque[RoomEvent] = deque()
        self.bytes = 0

    def add(self, event: RoomEvent) -> None:
        """Take a flushed event into the window."""
        event.windowed = True
        self.events.append(event)
        self.bytes += event.size

    def trim(self, bytes_max: int, read_before_ms: int) -> None:
        """Let go of the oldest events while the window is too large, and of those read before a time."""
        events = self.events
        while events and (self.bytes > bytes_max or events[0].read_ms < read_before_ms):
            event = events.popleft()
            event.windowed = False
            self.bytes -= event.size
            self.floor = max(self.floor, event.offset)
            event.room.forget_oldest(event)

    def jump(self, start: int) -> None:
        """Go on at ``start``: what is between was gone before it could be read."""
        self.trim(bytes_max=-1, read_before_ms=0)
        self.floor = start - 1
        self.next_offset = start
