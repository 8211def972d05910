"""Turns: each key that has something to do takes its turn, and then waits until all others have had theirs.

However much one key has to do, another one waits for at most one turn of each other key.
"""

from collections import deque
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Hashable)


class Turns(Generic[K, V]):
    """What each key has to do. A key that was taken has no other turn before it is given back."""

    def __init__(self) -> None:
        self._items: dict[K, dict[V, None]] = {}
        self._queue: deque[K] = deque()
        self._taken: set[K] = set()

    @property
    def has_queued(self) -> bool:
        """Whether a key may be there to be taken."""
        return bool(self._queue)

    def add(self, key: K, item: V) -> None:
        """Give a key something to do. A key that had nothing queues behind all others."""
        items = self._items.get(key)
        if items is None:
            items = self._items[key] = {}
            if key not in self._taken:
                self._queue.append(key)
        items[item] = None

    def remove(self, key: K, item: V) -> None:
        """A key does not have to do this any more."""
        self._items.get(key, {}).pop(item, None)

    def items(self, key: K) -> Iterable[V]:
        """What a key has to do, oldest first."""
        return self._items.get(key, {})

    def take(self) -> K | None:
        """Take the key whose turn it is; None if there is none. Give it back once its turn is over."""
        while self._queue:
            key = self._queue.popleft()
            if self._items[key]:
                self._taken.add(key)
                return key
            del self._items[key]
        return None

    def give_back(self, key: K) -> None:
        """A key's turn is over: it queues again if it has more to do."""
        self._taken.discard(key)
        if self._items.get(key):
            self._queue.append(key)
        else:
            self._items.pop(key, None)
