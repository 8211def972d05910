"""A histogram of fixed buckets, and the buckets that are used."""

from bisect import bisect_left
from collections.abc import Sequence

LATENCY_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000)
"""Upper bounds of latencies in milliseconds: an edge takes one or two, a phone's network a hundred, an outage more."""

CLIENTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 50_000)
"""Upper bounds of the clients that one flush writes to."""

EVENTS = (1, 2, 5, 10, 20, 50, 100, 500)
"""Upper bounds of the events that one flush joins."""


UNSORTED_MAX = 10_000
"""Different values that wait to be sorted into buckets: a megabyte."""


class Histogram:
    """Counts values by ``bounds``, each of which is the largest value of its bucket; the last bucket has no bound.

    A value below 0, as clocks that differ cause it, counts as 0: a sum must not go down.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[int]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0
        """The sum of all values."""

    def observe(self, value: float, times: int = 1) -> None:
        """Count a value."""
        if value > 0:
            self.counts[bisect_left(self.bounds, value)] += times
            self.total += value * times
        else:
            self.counts[0] += times
