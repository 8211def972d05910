"""When whose token ends. Holders are opaque: whatever the layer above follows its clients by."""

import heapq
from collections import defaultdict
from typing import Generic, TypeVar

from touchline_server.core.clocks import LoopMs

H = TypeVar("H")
"""A holder of a token: hashable."""

EXPIRY_STEP_MS = 100
"""Tokens that end within one step are looked at together, at its end: so a token's end is noticed this late."""

UNUSED_STEPS_MAX = 100
"""Steps in the heap at which no token ends any more. Beyond this number and half of all, they are taken out."""


class TokenExpiry(Generic[H]):
    """The holders of tokens, by the time at which their tokens end."""

    def __init__(self) -> None:
        self._holders: defaultdict[int, set[H]] = defaultdict(set)
        self._steps: list[int] = []

    def add(self, holder: H, ends_ms: int) -> None:
        """A holder's token ends at ``ends_ms`` of the loop's clock."""
        step = _step(ends_ms)
        if step not in self._holders:
            heapq.heappush(self._steps, step)
        self._holders[step].add(holder)

    def discard(self, holder: H, ends_ms: int) -> None:
        """A holder is gone, or has a newer token than this one."""
        step = _step(ends_ms)
        holders = self._holders.get(step)
        if holders is not None:  # otherwise the step is over
            holders.discard(holder)
            if not holders:  # tokens may last for months: steps without holders would pile up that long
                del self._holders[step]

    def take_expired(self, now_ms: LoopMs) -> list[H]:
        """The holders whose tokens have ended since the last call."""
        expired: list[H] = []
        while self._steps and self._steps[0] * EXPIRY_STEP_MS <= now_ms:
            expired.extend(self._holders.pop(heapq.heappop(self._steps), ()))
        return expired

    def evict_unused(self) -> None:
        """Take steps out of the heap at which no token ends any more. Call this periodically."""
        if len(self._steps) > 2 * len(self._holders) + UNUSED_STEPS_MAX:
            self._steps = sorted(self._holders)


def _step(ends_ms: int) -> int:
    return -(-ends_ms // EXPIRY_STEP_MS)
