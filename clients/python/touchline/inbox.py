"""What was received and not yet read: a queue for each subscription, and one budget for all of a client.

Rules:

1. Nothing is dropped. Where the budget is used up, the client stops reading from its socket until half of it is free:
   the server then keeps the client as a cursor, which costs it nothing.
2. One loop: nothing here may be called from another thread.
"""

import asyncio
from collections import deque

from .errors import TouchlineError
from .session.items import Item


class Budget:
    """How many events and bytes may wait, over all subscriptions. One message may go beyond it."""

    __slots__ = ("_bytes", "_bytes_max", "_events", "_events_max", "_free")

    def __init__(self, events_max: int, bytes_max: int) -> None:
        self._events_max = events_max
        self._bytes_max = bytes_max
        self._events = 0
        self._bytes = 0
        self._free = asyncio.Event()
        self._free.set()

    @property
    def is_free(self) -> bool:
        """Whether more may be read from the socket."""
        return self._free.is_set()

    async def until_free(self) -> None:
        """Wait until more may be read."""
        await self._free.wait()

    def take(self, size_bytes: int) -> None:
        """An item waits."""
        self._events += 1
        self._bytes += size_bytes
        if self._events >= self._events_max or self._bytes >= self._bytes_max:
            self._free.clear()

    def give(self, items: int, size_bytes: int) -> None:
        """Items were read, or are not wanted any more."""
        self._events -= items
        self._bytes -= size_bytes
        if self._events <= self._events_max // 2 and self._bytes <= self._bytes_max // 2:
            self._free.set()


class Inbox:
    """The queue of one subscription. ``ended`` once nothing will be added; ``error`` is why, None for a clean end."""

    __slots__ = ("_arrived", "_budget", "_items", "ended", "error")

    def __init__(self, budget: Budget) -> None:
        self.ended = False
        self.error: TouchlineError | None = None
        self._budget = budget
        self._items: deque[tuple[Item, int]] = deque()
        self._arrived = asyncio.Event()

    def put(self, item: Item, size_bytes: int) -> None:
        """Add an item that takes so many bytes of the budget."""
        self._budget.take(size_bytes)
        self._items.append((item, size_bytes))
        self._arrived.set()

    async def get(self) -> Item | None:
        """The next item; None where there will be none. A cancelled call has taken nothing."""
        while not self._items:
            if self.ended:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        item, size_bytes = self._items.popleft()
        self._budget.give(1, size_bytes)
        return item

    def end(self, error: TouchlineError | None) -> None:
        """Nothing follows what is there."""
        if not self.ended:
            self.ended = True
            self.error = error
            self._arrived.set()

    def discard(self) -> None:
        """Forget what is there, and end."""
        items, self._items = self._items, deque()
        self._budget.give(len(items), sum(size_bytes for _, size_bytes in items))
        self.end(None)
