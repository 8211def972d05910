"""The turns of an edge: what is written when, so that no room and no client keeps the others waiting.

A turn is one callback of the event loop. In each turn go out: a slice of a large flush that is under way, the flushes
of rooms that have something to send, and steps of clients that catch up; each within a budget. Between two turns the
loop serves sockets and the log.

Rules:

1. Nothing per client per event but its write: no encoding, no task, no queue, no await.
2. A room's next flush begins when the one before is written out; what comes in meanwhile goes out joined.
3. A turn that raises is a mistake of ours, and rooms could be left half written: it is told to ``failed``.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from touchline_server.core.hub import Hub
from touchline_server.core.room import Flush
from touchline_server.core.subscription import Next, Subscription

if TYPE_CHECKING:
    from .connection import Connection

CATCH_UP_BYTES = 512 * 1024
"""What a turn writes to clients that catch up: about as long as a slice of a flush takes."""

CATCH_UP_STEPS = 256
"""The same for steps that write little, as joins of rooms with a small state."""


class Writing:
    """A flush under way, and how far it is."""

    __slots__ = ("flush", "part", "position")

    def __init__(self, flush: Flush) -> None:
        self.flush = flush
        self.part = 0
        self.position = 0

    def write(self, clients_max: int) -> int:
        """Write to the next clients; returns to how many."""
        flush = self.flush
        if self.part == len(flush.parts):
            return 0
        data, clients = flush.parts[self.part]
        chunk = clients[self.position : self.position + clients_max]
        self.position += len(chunk)
        if self.position >= len(clients):
            self.part += 1
            self.position = 0
        if flush.gone:
            chunk = [client for client in chunk if client[0] not in flush.gone]
        for _, write in chunk:
            write(data)
        return len(chunk)

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

    def wake(self) -> None:
        """There is something to send."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._turn)

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
        more_large = self._go_on_with_large()
        more_ready = self._flush_ready()
        more_behind = self._bring_up()
        return more_large or more_ready or more_behind

    def _go_on_with_large(self) -> bool:
        if self._large:
            writing = self._large.popleft()
            writing.write(self._clients_max)
            self._put_back(writing)
        return bool(self._large)

    def _flush_ready(self) -> bool:
        """Flush rooms until the budget is used up; what is left of a large one goes on in later turns."""
        budget = self._clients_max
        while budget > 0:
            flush = self._hub.next_flush(self._now_ms())
            if flush is None:
                return bool(self._large)
            writing = Writing(flush)
            while budget > 0 and not writing.done:
                budget -= max(1, writing.write(budget))
            self._put_back(writing)
        return True

    def _put_back(self, writing: Writing) -> None:
        if not writing.done:
            self._large.append(writing)
            return
        self._hub.end_flush(writing.flush, self._now_ms())
        for subscription in writing.flush.woken:
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
        connection.say(step.data)
        if step.next in (Next.LOG, Next.END):
            self._fetch(subscription, step.next)
        else:
            session.stepped(subscription, step)
        self.catch_up(connection)
        return len(step.data)
