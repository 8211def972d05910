"""The requests of a supervisor that one worker has not answered yet. Pure: the caller has the clock.

Rules: at most `REQUESTS_MAX` wait at once; each is answered, expires at its deadline, or fails with its worker, and
only once. An answer that comes too late is for nobody.
"""

from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

REQUESTS_MAX = 256
"""The control plane has as many connections. Each may wait for a room's state of a megabyte."""


class TooManyRequests(Exception):
    """`REQUESTS_MAX` requests wait already."""


class PendingRequests(Generic[T]):
    """``T`` is whatever the caller wants back when a request ends, for example a future."""

    def __init__(self) -> None:
        self._pending: dict[int, tuple[T, float]] = {}
        self._last_id = 0

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, waiting: T, deadline_s: float) -> int:
        """Register a request; returns its id.

        Raises:
            TooManyRequests: there are too many already.
        """
        if len(self._pending) >= REQUESTS_MAX:
            raise TooManyRequests
        self._last_id += 1
        self._pending[self._last_id] = waiting, deadline_s
        return self._last_id

    def take(self, request_id: int) -> T | None:
        """The request that an answer belongs to; None if nobody waits for it (any more)."""
        found = self._pending.pop(request_id, None)
        return None if found is None else found[0]

    def expire(self, now_s: float) -> Sequence[T]:
        """Remove the requests whose deadline has passed, and return them."""
        late = [request_id for request_id, (_, deadline_s) in self._pending.items() if deadline_s <= now_s]
        return [self._pending.pop(request_id)[0] for request_id in late]

    def clear(self) -> Sequence[T]:
        """Remove all requests, and return them: their worker is gone."""
        waiting = [each for each, _ in self._pending.values()]
        self._pending.clear()
        return waiting
