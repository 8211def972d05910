"""Names all that a worker has again, a little with each report, so that a store that lost or damaged it is right again.

Numbers are absolute, so a store that still has them changes nothing. Pure.
"""

from collections.abc import Iterator

from .worker_counts import Counts, WorkerCounts

ROUND_MS = 300_000
"""Everything is named once in this time, unless that is more than `ENTRIES_MAX` allows."""
ENTRIES_MAX = 500
"""Rooms and players of one report that have not changed: some 5 ms for the store, as for as many that have."""

NONE = Counts({}, {})


class Verification:
    """What each report of a worker names besides what has changed. ``every_ms`` is the time between two reports."""

    def __init__(self, counts: WorkerCounts, every_ms: int) -> None:
        self._counts = counts
        self._every_ms = every_ms
        self._slices: Iterator[Counts] = iter(())

    def take(self) -> Counts:
        """The next part of what there is. To be called after `WorkerCounts.take_changed`."""
        for _ in range(2):  # a round that has ended, and the next
            if (found := next(self._slices, None)) is not None:
                return found
            entries = 1 + self._counts.size * self._every_ms // ROUND_MS
            self._slices = self._counts.in_slices(min(entries, ENTRIES_MAX))
        return NONE
