"""Rates and percentiles of the last minutes, from snapshots that were taken one after the other. Pure.

A rate is that between two snapshots. A percentile is estimated within its bucket, as Prometheus does.
"""

from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from .snapshot import Sample, Snapshot

POINTS_MAX = 180
"""Fifteen minutes of points every five seconds."""


class Moment(NamedTuple):
    """A snapshot, and when it was taken: in Unix milliseconds, and in seconds of a clock that never jumps."""

    at_ms: int
    taken_s: float
    snapshot: Snapshot


class Interval(NamedTuple):
    """What happened between two moments."""

    before: Moment
    after: Moment

    @property
    def at_ms(self) -> int:
        """When it ended."""
        return self.after.at_ms

    def rate(self, name: str) -> float:
        """How much a counter rose per second, over all of its labels; 0 if it was begun again."""
        risen = value_of(self.after.snapshot, name) - value_of(self.before.snapshot, name)
        return max(0.0, risen / max(self.after.taken_s - self.before.taken_s, 1e-3))

    def quantiles(
        self, name: str, labels: tuple[str, ...], bounds: Sequence[float], shares: Sequence[float]
    ) -> list[float | None]:
        """Estimates of the values that these shares of all observations do not exceed; None if there was none."""
        before = _buckets(self.before.snapshot, name, labels, len(bounds) + 1)
        after = _buckets(self.after.snapshot, name, labels, len(bounds) + 1)
        risen = [max(0, now - then) for now, then in zip(after, before, strict=True)]
        return [quantile(risen, bounds, share) for share in shares]


class History:
    """The newest intervals."""

    def __init__(self, points_max: int = POINTS_MAX) -> None:
        self._moments: deque[Moment] = deque(maxlen=points_max + 1)

    def add(self, moment: Moment) -> None:
        """Take in the newest snapshot."""
        self._moments.append(moment)

    @property
    def intervals(self) -> list[Interval]:
        """The intervals between snapshots, the newest last."""
        moments = list(self._moments)
        return [Interval(before, after) for before, after in pairwise(moments)]


def value_of(snapshot: Snapshot, name: str, *labels: str) -> float:
    """The sum of a metric's samples, of those whose first labels are these."""
    samples: Sequence[Sample] = snapshot.get(name, ())
    return sum(sample.value for sample in samples if sample.labels[: len(labels)] == labels)


def quantile(buckets: Sequence[int], bounds: Sequence[float], share: float) -> float | None:
    """The value that a share of all observations does not exceed, in the unit of ``bounds``."""
    total = sum(buckets)
    if not total:
        return None
    rank, seen, lower = share * total, 0, 0.0
    for count, upper in zip(buckets, bounds, strict=False):
        if count and seen + count >= rank:
            return lower + (upper - lower) * (rank - seen) / count
        seen, lower = seen + count, upper
    return lower  # beyond the last bound nothing is known


def _buckets(snapshot: Snapshot, name: str, labels: tuple[str, ...], count: int) -> Sequence[int]:
    samples: Sequence[Sample] = snapshot.get(name, ())
    return next((sample.buckets for sample in samples if sample.labels == labels), [0] * count)
