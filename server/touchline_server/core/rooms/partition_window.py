"""The window of one partition: the newest events of a feed's topic partition, which the edge holds in memory.

Rules:

1. Events are added by rising offset. The events of all rooms of the partition are in one queue, so that the oldest
   are released first.
2. ``floor`` is the promise of the window: every event of the partition with an offset above it is in memory. It starts
   just below the first offset that was read, and rises when an event is released.
3. The window is bounded in bytes (values and the frames made of them) and in the time since an event was read.
"""

from collections import deque
from typing import Protocol

import msgspec

from touchline_protocol.codecs import Codec
from touchline_protocol.messages import Event
from touchline_server.core.clocks import LoopMs
from touchline_server.core.terms import Terms

EVENT_OVERHEAD_BYTES = 400
"""What an event costs beside its value and frames: the objects around them, as measured with tracemalloc."""

TRACEPARENT_BYTES = 104
"""What a ``traceparent`` costs: 55 characters in a string of Python's."""

NOT_IN_WINDOW_MS = LoopMs(0)
"""The ``read_ms`` of events that never enter a window."""

TERM_MAX = 2**31 - 1
"""The largest term: a leader epoch has 32 bits and a sign, and clients can send anything."""

_FRAMES = ("frame_0", "frame_1", "frame_2", "frame_3", "frame_4")
"""Where an event keeps its frame for the codec with that index. A list of frames would cost another object."""


class EventHolder(Protocol):
    """What an event and its window need of the room that holds the event."""

    name: str

    def forget_oldest(self, event: "RoomEvent") -> None:
        """The window releases ``event``."""


class RoomEvent(msgspec.Struct, eq=False, gc=False):
    """An event in memory. A frame is made when it is first asked for, once per codec, and shared by all its readers.

    ``windowed`` is true while the event is in its partition's window; events of a room's state outlive that.
    ``epoch`` is the room's epoch as of this event; ``announces``: it is another one than that of the event before.

    The cycle collector does not look at this struct: with tens of thousands of events coming and going it would look
    at nothing else, and took a tenth of the time. The cycle through the room is broken by hand (`Contents.release`).
    """

    room: EventHolder
    window: "PartitionWindow"
    offset: int
    key: str | None
    ts: int
    value: bytes
    read_ms: LoopMs
    size: int
    epoch: str
    traceparent: str | None = None
    prev: int | None = None
    windowed: bool = False
    announces: bool = False
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
                epoch=self.epoch if self.announces else None,
                traceparent=self.traceparent,
            )
            made = codec.frame(message, self.epoch)
            setattr(self, field, made)
            self.size += len(made)
            if self.windowed:
                self.window.bytes += len(made)
        return made

    @property
    def removes(self) -> bool:
        """Whether this event removes its key from the state."""
        return self.key is not None and self.value == b"null"


def room_event(
    room: EventHolder,
    window: "PartitionWindow",
    offset: int,
    key: str | None,
    ts: int,
    value: bytes,
    read_ms: LoopMs = NOT_IN_WINDOW_MS,
    traceparent: str | None = None,
) -> RoomEvent:
    """Make an event of what was read; ``ts`` is Unix milliseconds, ``read_ms`` the time when it was read."""
    size = len(value) + (EVENT_OVERHEAD_BYTES if traceparent is None else EVENT_OVERHEAD_BYTES + TRACEPARENT_BYTES)
    return RoomEvent(room, window, offset, key, ts, value, read_ms, size, window.epoch, traceparent)


class PartitionWindow:
    """The window of one partition.

    ``epoch`` is the epoch of the rooms in it. It names the topic's epoch and the partition, since an offset means
    nothing in another partition, and the newest term. ``next_offset`` is the offset that the next records start from.
    ``state_complete``: as far as is known, the log has nothing that would add to the state of the partition's rooms. It
    is ``overtaken`` if records were lost before they were read. ``rooms_known_after``: every room that had an event
    above this offset is known to the hub, so a room that the hub does not know had none. ``generation`` rises when
    records were lost: what was learnt of the log before that may not hold any more.
    """

    __slots__ = (
        "_epoch_prefix",
        "bytes",
        "epoch",
        "events",
        "floor",
        "generation",
        "next_offset",
        "overtaken",
        "partition",
        "rooms_known_after",
        "state_complete",
        "terms",
        "topic",
        "topic_epoch",
    )

    def __init__(self, topic: str, topic_epoch: str, partition: int, start: int) -> None:
        self.topic = topic
        self.topic_epoch = topic_epoch
        self.partition = partition
        self._epoch_prefix = f"{topic_epoch}-{partition}-"
        self.terms = Terms(start)
        self.epoch = self.epoch_of(self.terms.newest)
        self.floor = self.rooms_known_after = start - 1
        self.next_offset = start
        self.events: deque[RoomEvent] = deque()
        self.bytes = 0
        self.generation = 0
        self.state_complete = True
        self.overtaken = False

    @property
    def has_lost(self) -> bool:
        """Whether records were lost since the partition was opened."""
        return self.generation > 0

    @property
    def term(self) -> int:
        """The newest term."""
        return self.terms.newest

    def epoch_of(self, term: int) -> str:
        """The epoch of rooms in a term."""
        return f"{self._epoch_prefix}{term}"

    def term_of(self, epoch: str | None) -> int | None:
        """The term that an epoch names; None if the epoch is not of this partition of this topic."""
        if epoch == self.epoch:
            return self.terms.newest
        if epoch is None or not epoch.startswith(self._epoch_prefix):
            return None
        term = epoch.removeprefix(self._epoch_prefix)
        if not (term.isascii() and term.isdigit() and len(term) <= len(str(TERM_MAX))):
            return None
        return int(term) if int(term) <= TERM_MAX else None

    def same_topic(self, epoch: str | None) -> bool:
        """Whether an epoch is of this topic, in whichever partition."""
        return epoch is not None and epoch.startswith(f"{self.topic_epoch}-")

    def begin_term(self, start: int, term: int) -> None:
        """The records from ``start`` on are of ``term``."""
        self.terms.begin(start, term)
        self.epoch = self.epoch_of(term)

    def add(self, event: RoomEvent) -> None:
        """Take a flushed event into the window."""
        event.windowed = True
        self.events.append(event)
        self.bytes += event.size

    def trim(self, bytes_max: int, read_before_ms: int) -> None:
        """Release the oldest events while the window is too large, and all that were read before a time."""
        events = self.events
        while events and (self.bytes > bytes_max or events[0].read_ms < read_before_ms):
            event = events.popleft()
            event.windowed = False
            self.bytes -= event.size
            self.floor = max(self.floor, event.offset)
            event.room.forget_oldest(event)

    def jump(self, start: int, cut_term: int | None = None) -> None:
        """Go on at ``start`` with an empty window: the records in between are gone.

        If the log was cut back to ``start``, ``cut_term`` is the term of the newest record that it kept.
        """
        if cut_term is not None:
            self.terms.cut(start, cut_term)
            self.epoch = self.epoch_of(self.terms.newest)
        self.generation += 1
        self.trim(bytes_max=-1, read_before_ms=0)
        self.floor = self.rooms_known_after = start - 1
        self.next_offset = start

    def know_rooms_from(self, first: int) -> None:
        """The partition was read back to ``first``, and the rooms of all those records are known."""
        self.rooms_known_after = min(self.rooms_known_after, first - 1)

    def forget_room(self, newest: int) -> None:
        """The hub forgets a room whose events here have offsets of at most ``newest``."""
        self.rooms_known_after = max(self.rooms_known_after, newest)
