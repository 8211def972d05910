"""Counts observations, so that Locust is told of thousands at once. Pure.

One ``request`` event per received event would cost more than receiving it (loadtest/README.md has the numbers). A batch
holds what Locust's ``StatsEntry`` holds, with the same rounding of times, so percentiles come out the same.
"""

from collections import defaultdict
from collections.abc import Callable

Bucket = Callable[[float], int]
"""Rounds a time in milliseconds as Locust does, so that a histogram has a few hundred keys."""


class Batch:
    """Observations of one row since the last `Batches.take`. Times are in milliseconds."""

    __slots__ = ("buckets", "bytes", "count", "max_ms", "min_ms", "total_ms")

    def __init__(self) -> None:
        self.count = 0
        self.total_ms = 0.0
        self.min_ms = float("inf")
        self.max_ms = 0.0
        self.bytes = 0
        self.buckets: dict[int, int] = defaultdict(int)


class Batches:
    """All rows of a process, by name. ``bucket`` is Locust's rounding."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._rows: dict[str, Batch] = {}

    def add(self, row: str, ms: float, size_bytes: int = 0) -> None:
        """One observation."""
        batch = self._rows.get(row)
        if batch is None:
            batch = self._rows[row] = Batch()
        batch.count += 1
        batch.total_ms += ms
        batch.bytes += size_bytes
        batch.min_ms = min(batch.min_ms, ms)
        batch.max_ms = max(batch.max_ms, ms)
        batch.buckets[self._bucket(ms)] += 1

    def take(self) -> dict[str, Batch]:
        """What was added since the last call."""
        rows, self._rows = self._rows, {}
        return rows
