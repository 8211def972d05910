"""What a room holds: its events in the window, the events that wait for the next flush, its state and its head.

It knows nothing of clients, so a process that keeps room state without serving anybody can use it as it is.

Rules:

1. Window, state and head move forward only in `advance`, over the events that were pushed before.
2. Every event of the room with an offset above ``floor`` is in ``events``.
3. ``generation`` rises when older offsets become meaningless, or when a part of the log was lost: everybody who
   follows the room starts over from its state.
4. State from before the window comes from a `RoomStore` (until ``loaded``), or from a log that is read back (until
   ``history_read``). Newer events stay: see `KeyedState`.
5. An offset in the state is one of the present partition: events from before a move count as of just before it.
6. While the topic is read for the first time, events outside of the home partition wait for its end (`Elsewhere`).
   After that they are stragglers: they change the state only where the home partition has no record of their key. While
   the room is about to move, they wait for that: what is pending is older. A removal by a straggler counts as one of
   `BEFORE_ALL`, and is remembered until a `RoomStore` has answered, which may not know of it.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice
from operator import attrgetter

from touchline_server.core.clocks import LoopMs

from .elsewhere import Elsewhere
from .keyed_state import KeyedState, StoredEvents
from .partition_window import PartitionWindow, RoomEvent, room_event
from .pending import after_last_of, before_move

BEFORE_ALL = -1
"""The offset of state from before a partition's first record."""

_OFFSET = attrgetter("offset")
_NO_TIME = LoopMs(0)


class Contents(KeyedState):
    """The contents of one room, which lives in one partition window.

    ``epoch`` is that of its newest event, or of the oldest term known of its partition: a client was told of that one
    or of a newer one. ``head`` is the room's newest offset, None if none is known. ``moved_at``: state up to this
    offset is from before the room moved to this partition. ``stored_before``: events below this offset are a
    `RoomStore`'s to know. ``older_head`` is the newest event of the home partition that was read back.
    """

    __slots__ = (
        "_elsewhere",
        "epoch",
        "events",
        "floor",
        "generation",
        "head",
        "head_ts",
        "moved_at",
        "moving",
        "name",
        "older_head",
        "pending",
        "pending_bytes",
        "stored_before",
        "updated_ms",
        "window",
    )

    def __init__(
        self, name: str, window: PartitionWindow, state_bytes_max: int, *, loaded: bool, history_read: bool = True
    ) -> None:
        super().__init__(state_bytes_max, loaded=loaded, history_read=history_read)
        self.name = name
        self.window = window
        self.epoch = window.epoch_of(window.terms.oldest)
        self.head: int | None = None
        self.head_ts = 0
        self.floor = window.floor
        self.events: deque[RoomEvent] = deque()
        self.pending: list[RoomEvent] = []
        self.pending_bytes = 0
        self.moving = False
        self.generation = 0
        self.updated_ms = _NO_TIME
        self.moved_at = BEFORE_ALL
        self.stored_before = window.floor + 1
        self.older_head: int | None = None
        self._overtaken = window.overtaken
        self._elsewhere: Elsewhere | None = None

    @property
    def state_complete(self) -> bool:
        """Whether the state has every key, as far as the log can tell."""
        return self.loaded and self.window.state_complete and not self._lacks_keys

    @property
    def position(self) -> int:
        """How far the room has come: just before its next pending event, or the partition's end if there is none."""
        newest = self.floor if self.head is None else self.head
        is_next_here = bool(self.pending) and self.pending[0].window is self.window
        return max(newest, (self.pending[0].offset if is_next_here else self.window.next_offset) - 1)

    @property
    def home(self) -> PartitionWindow:
        """The window of the partition that the room is in, or is about to move to."""
        return self.pending[-1].window if self.pending else self.window

    @property
    def newest_ts(self) -> int:
        """The timestamp of the newest event, 0 if there is none."""
        return self.pending[-1].ts if self.pending else self.head_ts

    @property
    def has_records(self) -> bool:
        """Whether any record of the room was read from this log."""
        return self.head is not None or bool(self.pending) or bool(self.partitions)

    def push(self, event: RoomEvent) -> None:
        """Take in an event that was read; the next `advance` moves over it."""
        self.pending.append(event)
        self.pending_bytes += event.size
        if event.window is not self.window:
            self.moving = True
            self._note_partition(event)

    def advance(self, now_ms: LoopMs) -> list[RoomEvent]:
        """Move window, state and head over the pending events; returns those events."""
        batch, self.pending, self.pending_bytes = self.pending, [], 0
        if self.moving:
            batch, self.pending = before_move(self.window, batch)
            self.pending_bytes = sum(event.size for event in self.pending)
        for event in batch:
            event.prev = self.head
            self.head = event.offset
            if event.epoch != self.epoch:
                self.epoch = event.epoch
                event.announces = True
            self.head_ts = event.ts
            self.events.append(event)
            self.window.add(event)
            if event.key is not None:
                self._keep(event.key, event)
        self.updated_ms = now_ms
        return batch

    def move_if_due(self) -> bool:
        """Move to the partition of the first pending event, if it is another one; returns whether the room moved.

        After partitions were added a room's records are in another partition, where its old offsets mean nothing.
        """
        if not self.moving or self.pending[0].window is self.window:
            return False
        first = self.pending[0]
        if first.window.overtaken:  # the lost records may have been this room's, and have changed any key
            self._forget_all()
        elif not self.history_read:
            self._set_aside()
        self._go_on_in(first.window)
        self.stored_before = first.window.rooms_known_after + 1
        self.head = self.floor = self.moved_at = first.offset - 1
        self.state = {key: self._as_history(event) for key, event in self.state.items()}
        if self.loaded:
            self._removed = None  # by events of the partition that the room left
        self.moving = any(event.window is not self.window for event in self.pending)
        if self._elsewhere is not None and self.history_read and not self.moving:
            stragglers, self._elsewhere = self._elsewhere.merged(self.window.partition), None
            for event in stragglers.values():
                self._take_straggler(event)
        return True

    def has_events_of(self, window: PartitionWindow) -> bool:
        """Whether the room is in that partition, or is about to move there."""
        return self.window is window or any(event.window is window for event in self.pending)

    def restart(self, window: PartitionWindow, *, same_log: bool) -> None:
        """Go on in ``window`` under a new generation, without state: what was known may not hold any more.

        ``same_log``: only a part of the log is lost, so the room still moves to the partition that it was about to
        enter.
        """
        self._cut = self._is_partial = False
        self._end_reading_back()
        if not same_log:
            self.partitions, self._overtaken = 0, False
        elif self.head is not None:
            self.partitions |= 1 << self.window.partition
        self.pending = after_last_of(window, self.pending) if same_log else []
        self.pending_bytes = sum(event.size for event in self.pending)
        self.moving = bool(self.pending)
        self._forget_all()
        self.state_full = False
        self.head_ts = 0
        self.moved_at = BEFORE_ALL
        self._go_on_in(window)

    def take_elsewhere(self, event: RoomEvent) -> bool:
        """Take in an event that is not in the home partition and does not move the room; returns whether that changed
        the state."""
        self._note_partition(event)
        if self.moving or not self.history_read:
            self._take_aside(event)
            return False
        return self._take_straggler(event)

    def lose_elsewhere(self, window: PartitionWindow) -> None:
        """Records were lost in a partition that is not the room's home: they may have changed what is known from it."""
        if self._elsewhere is not None and self._elsewhere.forget(window.partition):
            self._is_partial = True

    def begin_history(self, *, again: bool) -> None:
        """The log is read back from the room's floor: until that ends, the state is not known.

        ``again``: only the home partition is, and nothing that the room may have had elsewhere before.
        """
        self.loaded = self.history_read = False
        self._overtaken = self.window.overtaken
        self.reading_back = True
        self.older_head = None
        self.stored_before = self.floor + 1
        self._is_partial = again and bool(self.partitions & ~(1 << self.window.partition))

    def knows(self, key: str, window: PartitionWindow, offset: int) -> bool:
        """Whether an event of that offset, or a newer one, is known of a key; for events that are read back."""
        if window is not self.window:
            return self._elsewhere is not None and self._elsewhere.knows(key, window.partition, offset)
        known = self.state.get(key)
        if known is not None:
            return known.offset >= offset
        removed_at = (self._removed or {}).get(key)
        return self._cut if removed_at is None else removed_at >= offset

    def keep_older(self, event: RoomEvent) -> None:
        """Take in an event that was read back: it is state, unless something newer is known of its key."""
        if event.window is not self.window:
            self._note_partition(event)
            self._take_aside(event)
        elif event.key is not None and not self.knows(event.key, event.window, event.offset):
            self._keep(event.key, event)

    def found_older(self, event: RoomEvent) -> None:
        """``event`` is the newest of the home partition that was read back, so none lies between it and the floor."""
        self.older_head = event.offset
        if self.head is None:
            self.head_ts = event.ts
        self._follow(event.offset)

    def adopt(self, event: RoomEvent) -> None:
        """Make the partition of an event that was read back the room's home."""
        self.partitions |= 1 << self.window.partition | 1 << event.window.partition
        self._set_aside()
        self._go_on_in(event.window)
        self.older_head = None
        self.stored_before = self.floor + 1
        self.head_ts = 0

    def is_newer_than(self, time_ms: int) -> bool:
        """Whether all that is known of the room is of its home partition, the newest event at ``time_ms`` or later."""
        return self._elsewhere is None and self.newest_ts >= time_ms

    def forget_doubtful(self, unread: Mapping[int, int]) -> None:
        """Forget state that newer records may have changed: all of it, if one may have moved the room.

        ``unread``: partitions that may have records of the room, and since when (Unix milliseconds) they were read.
        """
        home = self.window.partition
        unseen = [since for index, since in unread.items() if index != home and not self.had_records_in(index)]
        if max(unseen, default=0) > self.newest_ts:
            self._forget_all()
        elif self._elsewhere is not None:
            self._elsewhere.forget_doubtful(home, unread)

    def end_history(self, now_ms: LoopMs) -> bool:
        """All older events have been read that will be; returns whether those outside of the home changed the state."""
        self.history_read = True
        self.updated_ms = max(self.updated_ms, now_ms)
        self._end_reading_back()
        if self.loaded and self.older_head is None and self.moved_at == BEFORE_ALL and not self.partitions:
            self.know_all_after(self.window.rooms_known_after)
        elsewhere = self._elsewhere
        if elsewhere is not None:
            self._set_aside()
            self._elsewhere = None
            for key, event in elsewhere.merged(self.window.partition, home_only=self._cut).items():
                if event.removes:
                    self._remember_removal(key, event.offset)
                else:
                    self._keep(key, event if event.window is self.window else self._as_history(event))
        self._forget_removals()
        return elsewhere is not None

    def expect_stored(self, known_after: int) -> None:
        """What a `RoomStore` knows of the room from before the window is still to be loaded.

        ``known_after``: the room has no events with offsets above this one that are older than its first one here.
        """
        self.loaded = False
        self.floor = min(self.floor, known_after)
        self.stored_before = self.floor + 1

    def load(self, stored: StoredEvents, now_ms: LoopMs) -> None:
        """Add what a store knew as of before ``stored_before``. A key that the window has is newer, and stays."""
        self.updated_ms = max(self.updated_ms, now_ms)
        self.head_ts = max([self.head_ts, *(event.ts for event in stored.state)])
        elsewhere = [self._as_history(event) for event in stored.elsewhere]
        self._add_stored(stored._replace(elsewhere=elsewhere), self.moved_at)
        if stored.partitions:
            self.partitions |= stored.partitions | 1 << self.window.partition
        if stored.head is not None:
            self._follow(stored.head)

    def know_all_after(self, offset: int) -> None:
        """The room has no events with offsets above ``offset`` that are older than its first one here."""
        if self.floor == self.stored_before - 1:  # no events were released since
            self.floor = min(self.floor, offset)

    def after(self, offset: int) -> Iterator[RoomEvent]:
        """The events in the window with offsets above ``offset``, oldest first."""
        events = self.events
        return islice(events, bisect_right(events, offset, key=_OFFSET), None)

    def forget_oldest(self, event: RoomEvent) -> None:
        """The window releases ``event``. It may be an event from before a restart, which is forgotten already."""
        if self.events and self.events[0] is event:
            self.events.popleft()
            self.floor = event.offset

    def release(self) -> None:
        """Release what holds this object: its events do, and nothing here should wait for the cycle collector."""
        self.state.clear()

    def _go_on_in(self, window: PartitionWindow) -> None:
        self.generation += 1
        self.window = window
        self._overtaken = self._overtaken or window.overtaken
        self.epoch = window.epoch_of(window.terms.oldest)
        self.head = None
        self.floor = window.floor
        self.events.clear()

    def _follow(self, head: int) -> None:
        """The room's newest event before ``stored_before`` is at ``head``."""
        if self.floor != self.stored_before - 1:
            return  # events were released since
        self.floor = head
        if self.head is None:
            self.head = head
        elif self.events:
            self.events[0].prev = head

    def _as_history(self, event: RoomEvent) -> RoomEvent:
        """An event of another partition as state of this one: as of just before the room's first event here."""
        return room_event(
            self, self.window, self.moved_at, event.key, event.ts, event.value, traceparent=event.traceparent
        )

    def _take_straggler(self, event: RoomEvent) -> bool:
        key, removed = event.key, self._removed or {}
        if key is None or removed.get(key, BEFORE_ALL) > BEFORE_ALL or self.window.overtaken:
            return False
        known = self.state.get(key)
        if known is not None and known.offset > self.moved_at:
            return False
        if event.removes:
            self._forget_key(key)
            if not self.loaded:
                self._remember_removal(key, BEFORE_ALL)
            return known is not None
        self._keep(key, self._as_history(event))
        return True

    def _forget_all(self) -> None:
        self._clear()
        self._elsewhere = None

    def _note_partition(self, event: RoomEvent) -> None:
        """Note that the room has records in an event's partition, and in the one that it lives in."""
        self.partitions |= 1 << event.window.partition
        if self.head is not None or (self.pending and self.pending[0].window is self.window):
            self.partitions |= 1 << self.window.partition

    def _take_aside(self, event: RoomEvent) -> None:
        if self._overtaken and not self.history_read:
            return
        if self._elsewhere is None:
            self._elsewhere = Elsewhere()
        if not self._elsewhere.take(event):
            self._cut = True

    def _set_aside(self) -> None:
        """Put the state, removals included, with what is known of other partitions.

        Events without a key go with it: the time of any event can tell that this partition is newer than another one.
        """
        for event in (*self.events, *self.state.values()):
            self._take_aside(event)
        for key, offset in (self._removed or {}).items():
            self._take_aside(room_event(self, self.window, offset, key, self.head_ts, b"null"))
        self._clear()
