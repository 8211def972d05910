"""The items that wait to be read: one queue for each subscription, and one budget for all of a client's.

Rules:

1. Nothing is dropped. When the budget is used up, the client stops reading from its socket until half of it is free.
   The server then keeps the client as a cursor, which costs it nothing.
2. One event loop: nothing here may be called from another thread.
"""

import asyncio
from collections import deque

from .errors import TouchlineError
from .session.items import Item


class Budget:
    """How many events and bytes may wait, over all subscriptions. One message may exceed it."""

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
        """Whether the client may read more from its socket."""
        return self._free.is_set()

    async def wait_until_free(self) -> None:
        """Wait until the client may read more."""
        await self._free.wait()

    def acquire(self, size_bytes: int) -> None:
        """An item waits to be read."""
        self._events += 1
        self._bytes += size_bytes
        if self._events >= self._events_max or self._bytes >= self._bytes_max:
            self._free.clear()

    def release(self, items: int, size_bytes: int) -> None:
        """Items were read, or are no longer wanted."""
        self._events -= items
        self._bytes -= size_bytes
        if self._events <= self._events_max // 2 and self._bytes <= self._bytes_max // 2:
            self._free.set()


class Inbox:
    """The queue of one subscription. Once ``ended``, nothing is added; ``error`` is why, None for a clean end."""

    __slots__ = ("_arrived", "_budget", "_items", "ended", "error")

    def __init__(self, budget: Budget) -> None:
        self.ended = False
        self.error: TouchlineError | None = None
        self._budget = budget
        self._items: deque[tuple[Item, int]] = deque()
        self._arrived = asyncio.Event()

    def put(self, item: Item, size_bytes: int) -> None:
        """Add an item that takes ``size_bytes`` of the budget."""
        self._budget.acquire(size_bytes)
        self._items.append((item, size_bytes))
        self._arrived.set()

    async def get(self) -> Item | None:
        """Wait for the next item; None if there will be none. A call that is cancelled takes nothing."""
        while not self._items:
            if self.ended:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        item, size_bytes = self._items.popleft()
        self._budget.release(1, size_bytes)
        return item

    def end(self, error: TouchlineError | None) -> None:
        """Nothing follows what is already here."""
        if not self.ended:
            self.ended = True
            self.error = error
            self._arrived.set()

    def discard(self) -> None:
        """Drop what is here, and end."""
        items, self._items = self._items, deque()
        self._budget.release(len(items), sum(size_bytes for _, size_bytes in items))
        self.end(None)
