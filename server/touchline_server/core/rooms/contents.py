"""What a room holds: its events in the window, the events that wait for the next flush, its state and its head.

It knows nothing of clients, so a process that keeps room state without serving anybody can use it as it is.

Rules:

1. Window, state and head move forward only in `advance`, over the events that were pushed before.
2. Every event of the room with an offset above ``floor`` is in ``events``.
3. ``generation`` rises when older offsets become meaningless, or when a part of the log was lost: everybody who
   follows the room starts over from its state.
4. State from before the window comes from a `RoomStore`, and while a topic is read for the first time, older records of
   a moved room can come after newer ones. Until both are done (``loaded``, ``history_read``), keys that newer events
   removed are remembered, so that an older value cannot bring them back.
5. An offset in the state is one of the present partition: events from before a move count as of just before it.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import attrgetter

from touchline_server.core.clocks import LoopMs

from .partition_window import PartitionWindow, RoomEvent, room_event

STATE_ENTRY_BYTES = 200
"""What an event of the state takes in a message beside its value: room, key, offsets, time, and their names."""

REMOVED_KEYS_MAX = 10_000
"""Removed keys remembered until a room is loaded, some 100 bytes each. Only a store that lags behind this edge could
bring a removed key back, so the oldest can be forgotten."""

BEFORE_ALL = -1
"""The offset of state from before a partition's first record."""

_OFFSET = attrgetter("offset")
_NO_TIME = LoopMs(0)


class Contents:
    """The contents of one room, which lives in one partition window.

    ``head`` is the room's newest offset, None if none is known. ``moved_at``: state up to this offset is from before
    the room moved to this partition. ``stored_before``: events below this offset are a `RoomStore`'s to know.
    """

    __slots__ = (
        "_removed",
        "_state_bytes",
        "events",
        "floor",
        "generation",
        "head",
        "head_ts",
        "history_read",
        "loaded",
        "moved_at",
        "moving",
        "name",
        "pending",
        "pending_bytes",
        "state",
        "state_bytes_max",
        "state_full",
        "stored_before",
        "updated_ms",
        "window",
    )

    def __init__(
        self, name: str, window: PartitionWindow, state_bytes_max: int, *, loaded: bool, history_read: bool = True
    ) -> None:
        self.name = name
        self.window = window
        self.state_bytes_max = state_bytes_max
        self.head: int | None = None
        self.head_ts = 0
        self.floor = window.floor
        self.events: deque[RoomEvent] = deque()
        self.pending: list[RoomEvent] = []
        self.pending_bytes = 0
        self.moving = False
        self.state: dict[str, RoomEvent] = {}
        self.state_full = False
        self.generation = 0
        self.updated_ms = _NO_TIME
        self.loaded = loaded
        self.history_read = history_read
        self.moved_at = BEFORE_ALL
        self.stored_before = window.floor + 1
        self._state_bytes = 0
        self._removed: dict[str, int] | None = None

    @property
    def position(self) -> int:
        """How far the room has come: its head, or the partition's end if none of its events is pending."""
        newest = self.floor if self.head is None else self.head
        return newest if self.pending else max(newest, self.window.next_offset - 1)

    def push(self, event: RoomEvent) -> None:
        """Take in an event that was read; the next `advance` moves over it."""
        self.pending.append(event)
        self.pending_bytes += event.size
        if event.window is not self.window:
            self.moving = True

    def advance(self, now_ms: LoopMs) -> list[RoomEvent]:
        """Move window, state and head over the pending events; returns those events."""
        batch, self.pending, self.pending_bytes = self.pending, [], 0
        if self.moving:
            batch = self._up_to_move(batch)
        for event in batch:
            event.prev = self.head
            self.head = event.offset
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
        self._go_on_in(first.window)
        self.head = self.floor = self.moved_at = first.offset - 1
        self.state = {key: self._as_history(event) for key, event in self.state.items()}
        if self.loaded:
            self._removed = None  # by events older than any that may still come from the partition that the room left
        self.moving = any(event.window is not self.window for event in self.pending)
        return True

    def has_events_of(self, window: PartitionWindow) -> bool:
        """Whether the room is in that partition, or is about to move there."""
        return self.window is window or any(event.window is window for event in self.pending)

    def restart(self, window: PartitionWindow, *, same_log: bool) -> None:
        """Go on in ``window`` under a new generation, without state: what was known may not hold any more.

        ``same_log``: only a part of the log is lost, so the room still moves to the partition that it was about to
        enter.
        """
        self.pending = self._moves_after(window) if same_log else []
        self.pending_bytes = sum(event.size for event in self.pending)
        self.moving = bool(self.pending)
        self.state.clear()
        self._state_bytes = 0
        self.state_full = False
        self.head_ts = 0
        self.moved_at = BEFORE_ALL
        self._removed = None
        self._go_on_in(window)

    def keep_history(self, key: str, event: RoomEvent) -> None:
        """Take in a keyed event of a partition that the room has left, which was read after newer ones: it is state,
        unless something newer is known of its key."""
        known = self.state.get(key)
        is_newer_known = known is not None and (known.offset > self.moved_at or known.ts > event.ts)
        if is_newer_known or key in (self._removed or ()):
            return
        # A removal is not remembered: what is older than this event was read before it.
        if event.removes:
            self._forget_key(key)
        else:
            self._keep(key, self._as_history(event))

    def end_history(self) -> None:
        """All older records of the room have been read."""
        self.history_read = True
        if self.loaded:
            self._removed = None

    def expect_stored(self) -> None:
        """What a `RoomStore` knows of the room from before the window is still to be loaded."""
        self.loaded = False
        self.stored_before = self.floor + 1

    def load(self, head: int | None, state: Iterable[RoomEvent], now_ms: LoopMs) -> None:
        """Add what a store knew as of before ``stored_before``. A key that the window has is newer, and stays."""
        self.loaded = True
        self.updated_ms = max(self.updated_ms, now_ms)
        removed = self._removed or {}
        if self.history_read:
            self._removed = None
        for event in state:
            self.head_ts = max(self.head_ts, event.ts)
            if event.key is not None and event.key not in self.state and removed.get(event.key, -1) < event.offset:
                self._keep(event.key, event)
        if head is not None and self.floor == self.stored_before - 1:
            # Nothing was released since the room was made, and nothing of it is between the stored head and here.
            self.floor = head
            if self.head is None:
                self.head = head
            elif self.events:
                self.events[0].prev = head

    def after(self, offset: int) -> Iterator[RoomEvent]:
        """The events in the window with offsets above ``offset``, oldest first."""
        events = self.events
        return islice(events, bisect_right(events, offset, key=_OFFSET), None)

    def is_obsolete(self, event: RoomEvent) -> bool:
        """Whether the state has a newer event of the same key, so that ``deliver: latest`` can do without this one."""
        if event.key is None:
            return False
        newest = self.state.get(event.key)
        return newest is not None and newest.window is event.window and newest.offset > event.offset

    def forget_oldest(self, event: RoomEvent) -> None:
        """The window releases ``event``. It may be an event from before a restart, which is forgotten already."""
        if self.events and self.events[0] is event:
            self.events.popleft()
            self.floor = event.offset

    def release(self) -> None:
        """Release what holds this object: its events do, and nothing here should wait for the cycle collector."""
        self.state.clear()

    def _moves_after(self, window: PartitionWindow) -> list[RoomEvent]:
        """The pending events after the last one of ``window``."""
        of_window = (n for n, event in enumerate(self.pending) if event.window is window)
        return self.pending[max(of_window, default=-1) + 1 :]

    def _up_to_move(self, batch: list[RoomEvent]) -> list[RoomEvent]:
        """The events before the first that moves the room to another partition; the others stay pending."""
        here = next((n for n, event in enumerate(batch) if event.window is not self.window), len(batch))
        self.pending = batch[here:]
        self.pending_bytes = sum(event.size for event in self.pending)
        return batch[:here]

    def _go_on_in(self, window: PartitionWindow) -> None:
        self.generation += 1
        self.window = window
        self.head = None
        self.floor = window.floor
        self.events.clear()

    def _keep(self, key: str, event: RoomEvent) -> None:
        """Let a keyed event take the place of the one before it in the state."""
        before = self.state.get(key)
        size = self._state_bytes - (0 if before is None else _state_size(before))
        if event.removes:
            self.state.pop(key, None)
            self._remember_removal(key, event.offset)
        elif size + _state_size(event) <= self.state_bytes_max:
            size += _state_size(event)
            self.state[key] = event
        else:
            # An old value that no longer holds must not stay: no value is better than a wrong one.
            self.state.pop(key, None)
            self.state_full = True
            self._remember_removal(key, event.offset)
        self._state_bytes = size

    def _forget_key(self, key: str) -> None:
        known = self.state.pop(key, None)
        self._state_bytes -= 0 if known is None else _state_size(known)

    def _as_history(self, event: RoomEvent) -> RoomEvent:
        """An event of another partition as state of this one: as of just before the room's first event here."""
        return room_event(self, self.window, self.moved_at, event.key, event.ts, event.value)

    def _remember_removal(self, key: str, offset: int) -> None:
        if self.loaded and self.history_read:
            return
        if self._removed is None:
            self._removed = {}
        elif len(self._removed) >= REMOVED_KEYS_MAX:
            del self._removed[next(iter(self._removed))]
        self._removed[key] = offset


def _state_size(event: RoomEvent) -> int:
    return len(event.value) + STATE_ENTRY_BYTES
