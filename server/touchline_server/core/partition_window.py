"""A stream: one partition of a feed's topic, and its window, the newest events that the edge holds in memory.

Rules:

1. Events come in by rising offset. Those of all rooms of the partition are in one queue, so the oldest go first.
2. ``floor`` is the promise of the window: every event of the stream with an offset above it is in memory. It starts
   just below the first offset that was read, and rises when an event is let go.
3. The window is bounded in bytes (values and the frames made of them) and in time since an event was read.
"""

from collections import deque
from typing import Protocol

import msgspec

from touchline_protocol.codecs import Codec
from touchline_protocol.messages import Event

EVENT_OVERHEAD_BYTES = 400
"""What an event costs beside its value and frames: the objects around them, as measured with tracemalloc."""


_FRAMES = ("frame_0", "frame_1", "frame_2", "frame_3", "frame_4")
"""Where an event keeps its frame of the codec with that index. Not a list of them, which costs another object."""


class EventOwner(Protocol):
    """What an event and a stream need of a room."""

    name: str

    def forget_oldest(self, event: "RoomEvent") -> None:
        """The window lets go of ``event``."""


class RoomEvent(msgspec.Struct, eq=False, gc=False):
    """An event in memory. Its frames are made when first asked for, one per codec, and shared by all who get them.

    ``windowed`` while it is in its stream's window; events of a room's state outlive that.

    A struct that the cycle collector does not look at: with tens of thousands of events coming and going it would look
    at nothing else, and took a tenth of the time. The cycle through the room is taken apart by hand (`Room.dissolve`).
    """

    room: EventOwner
    stream: "Stream"
    offset: int
    key: str | None
    ts: int
    value: bytes
    read_ms: int
    size: int
    prev: int | None = None
    windowed: bool = False
    frame_0: bytes | None = None
    frame_1: bytes | None = None
    frame_2: bytes | None = None
    frame_3: bytes | None = None
    frame_4: bytes | None = None

    def frame(self, codec: Codec) -> bytes:
        """This event as a server frame of ``codec``."""
        field = _FRAMES[codec.index]
        made: bytes | None = getattr(self, field)
        if made is None:
            message = Event(
                room=self.room.name,
                offset=self.offset,
                prev=self.prev,
                ts=self.ts,
                data=codec.value(self.value),
                key=self.key,
            )
            made = codec.frame(message, self.stream.epoch)
            setattr(self, field, made)
            self.size += len(made)
            if self.windowed:
                self.stream.bytes += len(made)
        return made

    @property
    def removes(self) -> bool:
        """Whether this event removes its key from the state."""
        return self.key is not None and self.value == b"null"


def room_event(
    room: EventOwner, stream: "Stream", offset: int, key: str | None, ts: int, value: bytes, read_ms: int = 0
) -> RoomEvent:
    """An event as it was read; ``read_ms`` is 0 where it is in no window."""
    return RoomEvent(room, stream, offset, key, ts, value, read_ms, len(value) + EVENT_OVERHEAD_BYTES)


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
