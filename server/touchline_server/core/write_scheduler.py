"""Whose turn it is to be written to: flushes of small rooms go out at once, those of large rooms in slices.

Rules:

1. Nothing per client per event but its write: no encoding, no task, no queue, no await.
2. A room's next flush begins when the one before is written out; what comes in meanwhile goes out joined.
3. A large room cannot delay a small one by more than a slice or two: in each turn small flushes come first, and large
   ones take turns. A slice is larger the longer nobody but flushes needed the loop.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple

from .clocks import Now
from .counters.edge import FlushCounters
from .rooms.hub import Hub
from .rooms.room import Delivery, Flush, FlushTrace, M

OTHERS_S = 50e-6
"""Between two turns: the loop takes 20 us to come around, so if it takes longer somebody else needed it."""


class Budget(NamedTuple):
    """What one turn may do before the loop serves others.

    ``small_writes``: to rooms that are small enough to be flushed as a whole; 64 take 0.4 ms, the turn itself 15 us.
    ``slice_min``: clients of a large flush while others wait for the loop; from Kafka's answer to a small room's flush
    there are four turns, and each is waited for. ``slice_max``: the same while nobody waits.
    ``catch_up_bytes``: to clients that catch up, which takes about as long as a slice. ``catch_up_steps``: the same for
    steps that write little, such as joins of rooms with a small state: 16 take 0.2 ms.
    """

    small_writes: int = 64
    slice_min: int = 16
    slice_max: int = 128
    catch_up_bytes: int = 512 * 1024
    catch_up_steps: int = 16

    @classmethod
    def with_slices(cls, slice_max: int) -> "Budget":
        """The default budget with slices of at most ``slice_max`` clients."""
        default = cls()
        return default._replace(
            small_writes=min(default.small_writes, slice_max),
            slice_min=min(default.slice_min, slice_max),
            slice_max=slice_max,
        )


class SlicedFlush(Generic[M]):
    """A large flush under way, and how far it is."""

    __slots__ = ("_part", "_position", "began", "flush")

    def __init__(self, flush: Flush[M]) -> None:
        self.flush = flush
        self.began: Now | None = None
        """When its first member was written to."""
        self._part = 0
        self._position = 0

    @property
    def is_done(self) -> bool:
        """Whether all members of all parts were written to."""
        return self._part == len(self.flush.parts)

    def next_slice(self, clients_max: int) -> Delivery:
        """The next writes, of one part. Members that left since the flush began are passed over."""
        part = self.flush.parts[self._part]
        gone = self.flush.left if part.is_notice else self.flush.gone
        begin, end = self._position, self._position + clients_max
        writes = part.writes[begin:end]
        if gone:
            members = part.members[begin:end]
            writes = [write for member, write in zip(members, writes, strict=True) if member not in gone]
        self._position = end
        if end >= len(part.writes):
            self._part += 1
            self._position = 0
        return Delivery(part.data, writes)


class WriteScheduler(Generic[M]):
    """The flushes of all rooms. ``clock`` is a fine one, in seconds, to tell whether others needed the loop.

    ``woken`` collects the members that finished flushes have woken, for the caller to take. ``counters`` are for what
    is written.
    """

    def __init__(self, hub: Hub[M], clock: Callable[[], float], counters: FlushCounters) -> None:
        self.woken: list[M] = []
        self._counters = counters
        self._hub = hub
        self._clock = clock
        self._large: deque[SlicedFlush[M]] = deque()
        self._slice_clients = 1
        self._turn_ended_s = clock()

    @property
    def has_large(self) -> bool:
        """Whether a large flush is under way."""
        return bool(self._large)

    def flush_small(self, budget: Budget, now: Now) -> Iterator[Delivery | FlushTrace]:
        """Flush rooms as a whole; one with more members than the budget has writes left goes on in slices.

        All of them begin before the first is written: the processor's caches hold either our code or the kernel's.
        """
        left = budget.small_writes
        flushes: list[Flush[M]] = []
        while left > 0 and (flush := self._hub.next_flush(now.loop_ms)) is not None:
            size = flush.size
            if size > left:
                self._large.append(SlicedFlush(flush))
                break
            flushes.append(flush)
            left -= max(1, size)
        if not flushes:
            return
        began_s = self._clock()
        for flush in flushes:
            yield from flush.parts
        self._time(flushes, now, int((self._clock() - began_s) * 1000))
        for flush in flushes:
            self._end(flush, now)
            if flush.traced:
                yield _trace(flush)

    def next_slice(self, budget: Budget, now: Now) -> Iterator[Delivery | FlushTrace]:
        """A slice of a large flush. It doubles while nobody else needs the loop, and shrinks once somebody does."""
        if self._clock() - self._turn_ended_s > OTHERS_S:
            self._slice_clients = budget.slice_min
        else:
            self._slice_clients = min(self._slice_clients * 2, budget.slice_max)
        sliced = self._large.popleft()
        if sliced.began is None:
            sliced.began = now
        yield sliced.next_slice(self._slice_clients)
        if sliced.is_done:
            self._time([sliced.flush], sliced.began, now.loop_ms - sliced.began.loop_ms)
            self._end(sliced.flush, now)
            if sliced.flush.traced:
                yield _trace(sliced.flush)
        else:
            self._large.append(sliced)

    def end_turn(self) -> None:
        """A turn ends. All of it had budgets, so it does not count as somebody else who needs the loop."""
        self._turn_ended_s = self._clock()

    def take_woken(self) -> list[M]:
        """Take the members that were woken since the last call."""
        woken, self.woken = self.woken, []
        return woken

    def _time(self, flushes: Sequence[Flush[M]], now: Now, took_ms: int) -> None:
        """Count how long flushes took that were written together from ``now`` on: as long as the first."""
        oldest = flushes[0].oldest
        if oldest is not None:  # not only notices
            key = now.loop_ms - oldest.read_ms, now.unix_ms - oldest.ts, took_ms
            self._counters.latencies[key] += len(flushes)

    def _end(self, flush: Flush[M], now: Now) -> None:
        events = flush.events
        if events:
            # Members that left in the meantime are counted, too: to subtract them is work for next to nobody.
            counters, clients = self._counters, 0
            for part in flush.parts:
                if part.events:
                    writes = len(part.writes)
                    clients += writes
                    counters.written_bytes += len(part.data) * writes
            counters.sizes[clients, events] += 1
        self._hub.end_flush(flush, now.loop_ms)
        self.woken += flush.woken


def _trace(flush: Flush[M]) -> FlushTrace:
    return FlushTrace(flush.traced, sum(len(part.writes) for part in flush.parts if part.events))
