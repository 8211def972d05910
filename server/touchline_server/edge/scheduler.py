"""The turns of an edge: what is written when, so that no room and no client keeps the others waiting.

A turn is one callback of the event loop. In each turn go out: the flushes of rooms that have something to send, a slice
of a large flush that is under way, and steps of clients that catch up; each within a budget. Between two turns the
loop serves sockets and the log. A slice is the larger the longer nothing but turns was to be done.

Rules:

1. Nothing per client per event but its write: no encoding, no task, no queue, no await.
2. A room's next flush begins when the one before is written out; what comes in meanwhile goes out joined.
3. A turn that raises is a mistake of ours, and rooms could be left half written: it is told to ``failed``.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from touchline_server.core.hub import Hub
from touchline_server.core.room import Flush
from touchline_server.core.subscription import Next, Subscription

if TYPE_CHECKING:
    from .connection import Connection

READY_WRITES = 64
"""What a turn writes to rooms that are small enough to be flushed in it: 0.4 ms; the turn itself takes 15 us."""

SLICE_CLIENTS_MIN = 16
"""Of a large flush, in a turn that others wait for: from Kafka's answer to a small room's flush there are four turns,
and each is waited for."""

OTHERS_S = 50e-6
"""Between two turns: the loop takes 20 us to come around, so if it takes longer there was something else to do."""

CATCH_UP_BYTES = 512 * 1024
"""What a turn writes to clients that catch up: about as long as a slice of a flush takes."""

CATCH_UP_STEPS = 256
"""The same for steps that write little, as joins of rooms with a small state."""


class Writing:
    """A large flush under way, and how far it is."""

    __slots__ = ("flush", "part", "position")

    def __init__(self, flush: Flush) -> None:
        self.flush = flush
        self.part = 0
        self.position = 0

    def write(self, clients_max: int) -> None:
        """Write to the next clients, of one part."""
        gone = self.flush.gone
        part = self.flush.parts[self.part]
        data, clients, writes = part.data, part.clients, part.writes
        begin, end = self.position, self.position + clients_max
        if gone:
            chunk = [
                write for client, write in zip(clients[begin:end], writes[begin:end], strict=True) if client not in gone
            ]
        else:
            chunk = writes[begin:end]
        self.position = end
        if end >= len(writes):
            self.part += 1
            self.position = 0
        for write in chunk:
            write(data)

    @property
    def done(self) -> bool:
        """Whether all clients of all parts were written to."""
        return self.part == len(self.flush.parts)


class Turns:
    """Takes the turns. ``fetch`` is given subscriptions that need the log, ``failed`` what a turn raised."""

    def __init__(
        self,
        hub: Hub,
        *,
        clients_max: int,
        now_ms: Callable[[], int],
        fetch: Callable[[Subscription, Next], None],
        failed: Callable[[Exception], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._hub = hub
        self._clients_max = clients_max
        self._now_ms = now_ms
        self._fetch = fetch
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._large: deque[Writing] = deque()
        self._behind: deque[Connection] = deque()
        self._scheduled = False
        self._slice_clients = min(SLICE_CLIENTS_MIN, clients_max)
        self._clock = clock
        self._turned_s = clock()

    def wake(self) -> None:
        """There is something to send."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def flush(self) -> None:
        """Events came in: small rooms' go out at once, not after a slice of a large one; the rest in turns."""
        try:
            self._flush_ready(self._now_ms())
        except Exception as error:  # noqa: BLE001 - as in `_turn`
            self._failed(error)
            return
        if self._large or self._hub.has_ready:
            self.wake()

    def catch_up(self, connection: "Connection") -> None:
        """A client may have to catch up."""
        if not connection.queued:
            connection.queued = True
            self._behind.append(connection)
            self.wake()

    def _turn(self) -> None:
        self._scheduled = False
        try:
            more = self._take_turn()
        except Exception as error:  # noqa: BLE001 - a callback's error would end in the loop's log, and the edge hang
            self._failed(error)
            return
        if more:
            self.wake()

    def _take_turn(self) -> bool:
        now_ms = self._now_ms()
        self._flush_ready(now_ms)
        if self._large:
            self._go_on_with_large(now_ms)
        more_behind = self._bring_up()
        return bool(self._large) or self._hub.has_ready or more_behind

    def _flush_ready(self, now_ms: int) -> None:
        """Flush rooms; one with more clients than a turn has writes left goes on in slices.

        All of them begin before the first is written: the processor's caches hold either our code or the kernel's.
        """
        left = min(READY_WRITES, self._clients_max)
        flushes: list[Flush] = []
        while left > 0 and (flush := self._hub.next_flush(now_ms)) is not None:
            size = flush.size
            if size > left:
                self._large.append(Writing(flush))
                break
            flushes.append(flush)
            left -= max(1, size)
        for flush in flushes:
            for part in flush.parts:
                data = part.data
                for write in part.writes:
                    write(data)
        for flush in flushes:
            self._end(flush, now_ms)

    def _go_on_with_large(self, now_ms: int) -> None:
        """Write a slice. It doubles while nobody else needs the loop, and is small again as soon as somebody does."""
        if self._clock() - self._turned_s > OTHERS_S:
            self._slice_clients = min(SLICE_CLIENTS_MIN, self._clients_max)
        else:
            self._slice_clients = min(self._slice_clients * 2, self._clients_max)
        writing = self._large.popleft()
        writing.write(self._slice_clients)
        if writing.done:
            self._end(writing.flush, now_ms)
        else:
            self._large.append(writing)
        self._turned_s = self._clock()

    def _end(self, flush: Flush, now_ms: int) -> None:
        self._hub.end_flush(flush, now_ms)
        for subscription in flush.woken:
            subscription.session.woken(subscription)
            self.catch_up(cast("Connection", subscription.session.client))

    def _bring_up(self) -> bool:
        """Let clients that are behind take a step each, in turns."""
        bytes_left = CATCH_UP_BYTES
        for _ in range(CATCH_UP_STEPS):
            if not self._behind or bytes_left <= 0:
                break
            connection = self._behind.popleft()
            connection.queued = False
            bytes_left -= self._step(connection)
        return bool(self._behind)

    def _step(self, connection: "Connection") -> int:
        session = connection.session
        subscription = None if session is None else session.next_behind()
        if session is None or subscription is None:
            return 0
        step = subscription.catch_up()
        connection.stepped(subscription, step)
        if step.next in (Next.LOG, Next.END):
            self._fetch(subscription, step.next)
        self.catch_up(connection)
        return len(step.data)
