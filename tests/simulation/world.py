"""Virtual time: what happens next, the two clocks of an edge, and one source of randomness for everything.

A run is decided by its seed alone: nothing here or above reads a real clock, another source of randomness, or the order
of a set. Times are whole microseconds, so that sums do not depend on rounding.
"""

import heapq
from collections.abc import Callable
from random import Random
from typing import Any, TypeAlias

from touchline_server.core.clocks import LoopMs, Now, UnixMs

SECOND_US = 1_000_000
MS_US = 1_000

START_UNIX_MS = 1_700_000_000_000
"""What the wall clock shows when a run begins."""

Callback: TypeAlias = Callable[..., object]


class World:
    """A discrete-event scheduler. Events of the same time happen in the order in which they were scheduled."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now_us = 0
        self.wall_ahead_ms = 0
        """The edges' wall clock was set forward by this; negative if it was set back."""
        self._queue: list[tuple[int, int, Callback, tuple[Any, ...]]] = []
        self._sequence = 0

    @property
    def now(self) -> Now:
        """The time as an edge's core is told it."""
        ms = self.now_us // MS_US
        return Now(LoopMs(ms), UnixMs(START_UNIX_MS + ms + self.wall_ahead_ms))

    @property
    def now_s(self) -> float:
        """The time on a clock that never goes back, in seconds."""
        return self.now_us / SECOND_US

    def at(self, time_us: int, callback: Callback, *args: Any) -> None:
        """Call back at a time, which is not in the past."""
        self._sequence += 1
        heapq.heappush(self._queue, (max(time_us, self.now_us), self._sequence, callback, args))

    def after(self, delay_us: int, callback: Callback, *args: Any) -> None:
        """Call back after a delay."""
        self.at(self.now_us + delay_us, callback, *args)

    def run_until(self, time_us: int) -> None:
        """Let everything happen up to a time."""
        queue = self._queue
        while queue and queue[0][0] <= time_us:
            self.now_us, _, callback, args = heapq.heappop(queue)
            callback(*args)
        self.now_us = time_us

    def between(self, least_us: int, most_us: int) -> int:
        """A random duration."""
        return self.random.randint(least_us, most_us)

    def about(self, mean_us: float) -> int:
        """A random duration until something that happens once per ``mean_us`` on average."""
        return int(self.random.expovariate(1 / mean_us))

    def chance(self, share: float) -> bool:
        """True in this share of the cases."""
        return self.random.random() < share
