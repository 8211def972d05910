"""Catch-ups that need the log: whose turn it is, what is read for them, and what they share.

At most ``concurrency`` catch-ups are under way at once; the others wait in the order they came. Each is read in chunks,
and flow control has a say after each part of one that is as large as a step: a client that takes no more gives up its
place, and queues again later. A chunk is read, and its events are encoded, once for all who ask for it together: those
who lost their edge have the same few cursors.

The shell reads (`ReadLog`, `AskLogEnd`) and answers; a log that does not answer is asked again after `RETRY_MS`.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Generic, NamedTuple, TypeAlias

from touchline_protocol import codes

from .catch_up import CatchUpQueue
from .client import ClientHub, ClientRoom, ClientSubscription
from .clocks import LoopMs, Now
from .effects import AskLogEnd, Effect, LogRange, Owner, ReadLog, Unreachable
from .log import Chunk
from .rooms.encoding import STEP_BYTES
from .rooms.partition_window import RoomEvent
from .subscription import NextStep, Phase, Step

CHUNK_RECORDS = 500
"""Records of one read: with 600-byte events some 300 KB, decoded in about 2 ms."""

CHUNKS_MAX = 8
"""Chunks kept, about half a megabyte each: as many as there are cursors in a storm, give or take."""

CHUNK_KEPT_MS = 2_000
"""How long: clients that come back together do so within a moment, and slow readers ask for the rest of one."""

RETRY_MS = 500
"""Between two attempts of a catch-up while the log does not answer."""


class RoomChunk(NamedTuple):
    """A room's events among the records that were read, and the offset up to which there are no others."""

    events: Sequence[RoomEvent]
    reached: int

    def after(self, offset: int) -> "RoomChunk":
        """The part of it that follows an offset."""
        return RoomChunk(self.events[bisect_right(self.events, offset, key=lambda event: event.offset) :], self.reached)


class _Reading(Generic[Owner]):
    """A chunk that is being read, or was: what follows ``after`` in a room's partition.

    ``chunk`` is None until it was read, and after a read of what the log does not hold any more.
    """

    __slots__ = ("chunk", "is_done", "prev", "room", "started_ms", "waiting", "wanted")

    def __init__(self, room: ClientRoom[Owner], wanted: LogRange, prev: int | None, started_ms: LoopMs) -> None:
        self.room = room
        self.wanted = wanted
        self.prev = prev
        self.started_ms = started_ms
        self.chunk: RoomChunk | None = None
        self.is_done = False
        self.waiting: list[ClientSubscription[Owner]] = []

    def serves(self, room: ClientRoom[Owner], wanted: LogRange) -> bool:
        """Whether what is wanted for a room is in it.

        The log checks a cursor only where the chunk begins, so one from its middle must have been checked before. The
        term is the same: it tells whether an event announces another one.
        """
        known = self.wanted
        if self.room is not room or known.window is not wanted.window or known.term != wanted.term:
            return False
        if known.after == wanted.after:
            return wanted.is_proven or not known.is_proven
        return wanted.is_proven and self.chunk is not None and known.after < wanted.after < self.chunk.reached


Need: TypeAlias = tuple[ClientSubscription[Owner], NextStep]


class Replays(Generic[Owner]):
    """The catch-ups that need the log. Clients that need it no more go back to ``catch_up``."""

    def __init__(self, hub: ClientHub[Owner], catch_up: CatchUpQueue[Owner], concurrency: int) -> None:
        self._hub = hub
        self._catch_up = catch_up
        self._free = concurrency
        self._queue: deque[Need[Owner]] = deque()
        self._retries: deque[tuple[LoopMs, Need[Owner]]] = deque()
        self._kept: deque[_Reading[Owner]] = deque(maxlen=CHUNKS_MAX)
        self._readings: dict[int, _Reading[Owner]] = {}
        self._ends: dict[int, ClientSubscription[Owner]] = {}
        self._numbers = 0

    def add(self, subscription: ClientSubscription[Owner], need: NextStep) -> None:
        """Queue a subscription whose step asked for the log (`NextStep.LOG`), or for its end (`NextStep.LOG_END`)."""
        self._queue.append((subscription, need))

    def start_queued(self, now: Now) -> Iterator[Effect[Owner]]:
        """Start as many of the queued catch-ups as may be under way."""
        while self._free and self._queue:
            subscription, need = self._queue.popleft()
            self._free -= 1
            if need is NextStep.LOG:
                yield from self._go_on(subscription, now)
            elif subscription.is_over:  # unasked: a client that joins and leaves all the time would keep the log busy
                yield from self._finish(subscription, Step(b"", NextStep.STEP), now)
            else:
                number = self._next_number()
                self._ends[number] = subscription
                yield AskLogEnd(number, subscription.wanted.window, subscription.term)

    def log_read(self, number: int, answer: Chunk | Unreachable | None, now: Now) -> Iterator[Effect[Owner]]:
        """The answer to a `ReadLog`; None if the log does not hold what was asked for any more."""
        reading = self._readings.pop(number)
        reading.is_done = True
        waiting, reading.waiting = reading.waiting, []
        if isinstance(answer, Chunk):
            wanted = reading.wanted
            events = self._hub.replayed(reading.room, wanted.window, answer, prev=reading.prev, term=wanted.term)
            reading.chunk = RoomChunk(events, answer.reached)
        elif isinstance(answer, Unreachable) and reading in self._kept:
            self._kept.remove(reading)
        for subscription in waiting:
            if isinstance(answer, Unreachable):
                yield from self._put_off(subscription, answer, now)
            else:
                yield from self._take(subscription, reading, now)
        yield from self.start_queued(now)

    def log_end(self, number: int, end: int | None, now: Now) -> Iterator[Effect[Owner]]:
        """The answer to an `AskLogEnd`: where the term ends, 0 if the log has none of it; None if it did not answer."""
        subscription = self._ends.pop(number)
        step = Step(b"", NextStep.STEP) if subscription.is_over else subscription.at_log_end(end)
        yield from self._finish(subscription, step, now)
        yield from self.start_queued(now)

    def tick(self, now: Now) -> Iterator[Effect[Owner]]:
        """Ask again what the log did not answer, and release chunks that are too old to be shared."""
        while self._kept and now.loop_ms - self._kept[0].started_ms > CHUNK_KEPT_MS:
            self._kept.popleft()
        while self._retries and self._retries[0][0] <= now.loop_ms:
            self._queue.append(self._retries.popleft()[1])
        yield from self.start_queued(now)

    def _go_on(self, subscription: ClientSubscription[Owner], now: Now) -> Iterator[Effect[Owner]]:
        """Read on until the window holds the rest, or the client takes no more."""
        wanted = subscription.wanted
        if subscription.is_over or subscription.client.paused_ms is not None or wanted.after >= wanted.up_to:
            yield from self._finish(subscription, Step(b"", NextStep.STEP), now)
            return
        if wanted.up_to - wanted.after > subscription.replay_left:
            yield from self._finish(subscription, subscription.out_of_reach(), now)
            return
        room = subscription.room
        reading = next((known for known in self._kept if known.serves(room, wanted)), None)
        if reading is not None and reading.is_done:
            yield from self._take(subscription, reading, now)
            return
        if reading is None:
            reading = _Reading(room, wanted, subscription.replayed, now.loop_ms)
            number = self._next_number()
            self._kept.append(reading)
            self._readings[number] = reading
            yield ReadLog(number, wanted, CHUNK_RECORDS)
        reading.waiting.append(subscription)

    def _take(
        self, subscription: ClientSubscription[Owner], reading: _Reading[Owner], now: Now
    ) -> Iterator[Effect[Owner]]:
        """Give a subscription its part of a chunk, and go on."""
        if subscription.is_over:
            yield from self._finish(subscription, Step(b"", NextStep.STEP), now)
            return
        if reading.chunk is None:
            yield from self._finish(subscription, subscription.out_of_reach(), now)
            return
        client = subscription.client
        chunk = reading.chunk.after(subscription.wanted.after)
        for events, reached in _parts(chunk):
            if client.paused_ms is not None:
                break  # what is left of the chunk is read again
            yield from self._catch_up.write(client, subscription.replay(events, reached).data, now)
        yield from self._go_on(subscription, now)

    def _put_off(
        self, subscription: ClientSubscription[Owner], unreachable: Unreachable, now: Now
    ) -> Iterator[Effect[Owner]]:
        """The log does not answer: refuse a client that joins, and let one that was joined wait."""
        self._free += 1
        if subscription.phase is Phase.JOINING:
            client = subscription.client
            why = f"only the log has the events since the cursor, and it does not answer: {unreachable.why}"
            client.refuse(subscription, codes.UNAVAILABLE, why)
            yield from client.take_effects(now)
        elif subscription.phase is not Phase.LEFT:
            subscription.behind_since_ms = None  # it is the log that is late
            self._retries.append((LoopMs(now.loop_ms + RETRY_MS), (subscription, NextStep.LOG)))

    def _finish(self, subscription: ClientSubscription[Owner], step: Step, now: Now) -> Iterator[Effect[Owner]]:
        self._free += 1
        if subscription.phase is not Phase.LEFT:
            yield from self._catch_up.write_step(subscription, step, now)

    def _next_number(self) -> int:
        self._numbers += 1
        return self._numbers


def _parts(chunk: RoomChunk) -> Iterator[tuple[Sequence[RoomEvent], int]]:
    """Cut a chunk into parts as large as a step, each with how far it goes."""
    events = chunk.events
    begin = size = 0
    for position, event in enumerate(events):
        size += event.size
        if size >= STEP_BYTES:
            yield events[begin : position + 1], event.offset
            begin, size = position + 1, 0
    yield events[begin:], chunk.reached
