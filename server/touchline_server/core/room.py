"""A room: its events in the window, its state, its head, and who is in it.

Rules, which make the order right:

1. Window, state and head move forward only in `begin_flush`, together with taking the list of live clients. So whoever
   joins sees a place, is brought exactly up to it, and is live from the next flush on.
2. The next flush begins only when the one before has been written to all of its clients.
3. Every event of the room with an offset above ``floor`` is in ``events``.
4. ``generation`` rises when offsets from before mean nothing any more, or a part was lost: everybody starts over.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import attrgetter
from typing import NamedTuple

import msgspec

from touchline_protocol.codecs import Codec
from touchline_protocol.server_codecs import ALL_CODECS

from .partition_window import RoomEvent, Stream
from .snapshots import Shared
from .subscription import Subscription

Write = Callable[[bytes], object]
"""Where a client's bytes go: its transport's ``write``. The core keeps it and never calls it."""

STATE_ENTRY_BYTES = 200
"""What an event of the state takes in a message beside its value: room, key, offsets, time, and their names."""

_OFFSET = attrgetter("offset")


class Part(msgspec.Struct, eq=False):
    """The same bytes for a list of live clients, and where each of them is written to."""

    data: bytes
    clients: list[Subscription]
    writes: list[Write]


class Flush(msgspec.Struct, eq=False):
    """What a flush writes: one part after the other.

    ``size`` is how many writes that are. ``gone`` has the clients who left since it began, to be passed over; ``woken``
    those who waited for it to catch up.
    """

    room: "Room"
    parts: list[Part]
    size: int
    gone: set[Subscription]
    woken: list[Subscription]


class _Audience(NamedTuple):
    """The live clients of one codec, as lists that a flush can keep: they are made anew when somebody comes or goes."""

    codec: Codec
    clients: list[Subscription]
    writes: list[Write]


class Room:
    """One room of a feed. It lives in one stream."""

    __slots__ = (
        "_audiences",
        "_state_bytes",
        "ahead",
        "events",
        "floor",
        "flush",
        "flushed_ms",
        "generation",
        "head",
        "head_ts",
        "live",
        "members",
        "moving",
        "name",
        "pending",
        "pending_bytes",
        "queued",
        "restarting",
        "shared",
        "state",
        "state_bytes_max",
        "state_full",
        "stream",
        "told_ms",
    )

    def __init__(self, name: str, stream: Stream, state_bytes_max: int) -> None:
        self.name = name
        self.stream = stream
        self.state_bytes_max = state_bytes_max
        self.head: int | None = None
        self.head_ts = 0
        self.floor = stream.floor
        self.events: deque[RoomEvent] = deque()
        self.pending: list[RoomEvent] = []
        self.pending_bytes = 0
        self.moving = False
        self.state: dict[str, RoomEvent] = {}
        self.state_full = False
        self.live: list[dict[Subscription, Write]] = [{} for _ in ALL_CODECS]
        self.members = 0
        self.ahead: set[Subscription] = set()
        self.generation = 0
        self.restarting = False
        self.queued = False
        self.flush: Flush | None = None
        self.flushed_ms = 0
        self.told_ms = 0
        self._audiences: list[_Audience] | None = []
        self._state_bytes = 0
        self.shared = Shared()

    @property
    def place(self) -> int:
        """How far the room's events are told: its head, or the stream's place where nothing of the room is waiting."""
        newest = self.floor if self.head is None else self.head
        return newest if self.pending else max(newest, self.stream.next_offset - 1)

    @property
    def has_live(self) -> bool:
        """Whether a flush would have anybody to write to."""
        return bool(self._audience())

    def load(self, head: int, state: Iterable[RoomEvent], now_ms: int) -> None:
        """Take over what was known before the window begins: nothing of this room is between ``head`` and it."""
        self.head = self.floor = head
        self.told_ms = now_ms
        for event in state:
            if event.key is not None:
                self._keep(event.key, event)
            self.head_ts = max(self.head_ts, event.ts)

    def push(self, event: RoomEvent) -> None:
        """Take in an event that was read: it is told with the next flush."""
        self.pending.append(event)
        self.pending_bytes += event.size
        if event.stream is not self.stream:
            self.moving = True

    def begin_flush(self, now_ms: int) -> Flush | None:
        """Move window, state and head over what is pending, and say what to write to whom; None where nothing is."""
        if self.moving and self.pending[0].stream is not self.stream:
            self._move()
        parts = self._restart_parts() if self.restarting else []
        batch = self._take_batch()
        for event in batch:
            self._advance(event)
        self.shared.forget()
        self.told_ms = now_ms
        if batch:
            for codec, clients, writes in self._audience():
                data = batch[0].frame(codec) if len(batch) == 1 else b"".join([event.frame(codec) for event in batch])
                parts.append(Part(data, clients, writes))
        woken = self._wake() if self.ahead else []
        if not parts and not woken:
            return None
        self.flushed_ms = now_ms
        size = len(parts[0].writes) if len(parts) == 1 else sum(len(part.writes) for part in parts)
        self.flush = Flush(self, parts, size, set(), woken)
        return self.flush

    def end_flush(self) -> None:
        """The flush has been written to all of its clients."""
        self.flush = None

    def restart(self, stream: Stream, *, keep_state: bool) -> None:
        """Make everybody start over: the room goes on in ``stream``, or a part of it was lost."""
        waiting, self.pending, self.pending_bytes, self.moving = self.pending, [], 0, False
        if keep_state:
            for event in waiting:
                if event.key is not None:
                    self._keep(event.key, event)
        else:
            self.state.clear()
            self._state_bytes = 0
            self.state_full = False
            self.head_ts = 0
        self._go_on_in(stream)

    def enter(self, subscription: Subscription, write: Write) -> None:
        """Make a subscription that was brought up to ``place`` live: written to from the next flush on."""
        self.live[subscription.codec.index][subscription] = write
        self._audiences = None

    def leave_live(self, subscription: Subscription) -> None:
        """Write to a subscription no more, from the next flush on: one that has begun still includes it."""
        if self.live[subscription.codec.index].pop(subscription, None) is not None:
            self._audiences = None

    def leave(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        self.leave_live(subscription)
        self.ahead.discard(subscription)
        self.members -= 1
        self.pass_over(subscription)

    def pass_over(self, subscription: Subscription) -> None:
        """Write nothing more to a subscription in the flush under way."""
        if self.flush is not None:
            self.flush.gone.add(subscription)

    def dissolve(self) -> None:
        """Nobody asks for this room any more: let go of what holds it, since nothing waits for the cycle collector."""
        self.state.clear()
        self.shared.forget()

    def after(self, offset: int) -> Iterator[RoomEvent]:
        """The events in memory with offsets above ``offset``, oldest first."""
        events = self.events
        return islice(events, bisect_right(events, offset, key=_OFFSET), None)

    def is_obsolete(self, event: RoomEvent) -> bool:
        """Whether the state has a newer event of the same key, so that ``deliver: latest`` can do without this one."""
        if event.key is None:
            return False
        newest = self.state.get(event.key)
        return newest is not None and newest.stream is event.stream and newest.offset > event.offset

    def forget_oldest(self, event: RoomEvent) -> None:
        """The window lets go of ``event``; it may be one from before a restart, which is forgotten already."""
        if self.events and self.events[0] is event:
            self.events.popleft()
            self.floor = event.offset

    def _audience(self) -> list[_Audience]:
        if self._audiences is None:
            self._audiences = [
                _Audience(codec, list(clients), list(clients.values()))
                for codec in ALL_CODECS
                if (clients := self.live[codec.index])
            ]
        return self._audiences

    def _restart_parts(self) -> list[Part]:
        """Tell live clients of an older generation to start over, as of before what is pending."""
        self.restarting = False
        parts: list[Part] = []
        for codec in ALL_CODECS:
            clients = self.live[codec.index]
            old = [client for client in clients if client.generation != self.generation]
            for client in old:
                client.generation = self.generation
            if old:
                parts.append(Part(self.shared.snapshot_frame(self, codec), old, [clients[client] for client in old]))
        return parts

    def _wake(self) -> list[Subscription]:
        """Those who were ahead and are no more."""
        woken = [
            waiting for waiting in self.ahead if waiting.generation != self.generation or waiting.cursor <= self.place
        ]
        self.ahead.difference_update(woken)
        return woken

    def _take_batch(self) -> list[RoomEvent]:
        """The pending events up to the first that moves the room to another stream."""
        batch, self.pending, self.pending_bytes = self.pending, [], 0
        if self.moving:
            here = next((n for n, event in enumerate(batch) if event.stream is not self.stream), len(batch))
            batch, self.pending = batch[:here], batch[here:]
            self.pending_bytes = sum(event.size for event in self.pending)
        return batch

    def _move(self) -> None:
        """Partitions were added and the room's records are in another one now: old offsets mean nothing there."""
        first = self.pending[0]
        self._go_on_in(first.stream)
        self.head = self.floor = first.offset - 1
        self.moving = any(event.stream is not self.stream for event in self.pending)

    def _go_on_in(self, stream: Stream) -> None:
        self.generation += 1
        self.restarting = True
        self.stream = stream
        self.head = None
        self.floor = stream.floor
        self.events.clear()
        self.shared.forget()

    def _advance(self, event: RoomEvent) -> None:
        event.prev = self.head
        self.head = event.offset
        self.head_ts = event.ts
        self.events.append(event)
        self.stream.add(event)
        if event.key is not None:
            self._keep(event.key, event)

    def _keep(self, key: str, event: RoomEvent) -> None:
        """Let a keyed event take the place of the one before it in the state."""
        before = self.state.get(key)
        size = self._state_bytes - (0 if before is None else _state_size(before))
        if event.removes:
            self.state.pop(key, None)
        elif size + _state_size(event) <= self.state_bytes_max:
            size += _state_size(event)
            self.state[key] = event
        else:
            # An old value that no longer holds must not stay: better no value than a wrong one.
            self.state.pop(key, None)
            self.state_full = True
        self._state_bytes = size


def _state_size(event: RoomEvent) -> int:
    return len(event.value) + STATE_ENTRY_BYTES
