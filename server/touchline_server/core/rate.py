"""A rate of requests: a token bucket, kept as one number.

A bucket of ``burst`` tokens, refilled at ``per_second_max``, needs no level: the time at which it is full again says
the same (the generic cell rate algorithm). So whatever has a rate keeps one number, and nothing has to be refilled.

Worked example: 4 at once, 2 per second. Full at 0, four are taken at 1,000: full again at 3,000. A fifth at 1,200
would make that 3,500, which is 2,300 away, and an empty bucket is 2,000 away from full. So it has to wait for 300 ms.
"""

from .clocks import LoopMs


class Rate:
    """``burst`` requests at once, ``per_second_max`` per second in the long run."""

    __slots__ = ("_interval_ms", "_span_ms")

    def __init__(self, *, per_second_max: float, burst: int) -> None:
        self._interval_ms = 1000 / per_second_max
        self._span_ms = burst * self._interval_ms

    def take(self, full_ms: float, count: int, now_ms: LoopMs) -> tuple[float, int]:
        """Take ``count`` at once out of a bucket that is full at ``full_ms``.

        Returns when it is full again, and 0; or, if it holds too few, ``full_ms`` and in how many milliseconds it holds
        enough. More than ``burst`` at once are never there.
        """
        until_full_ms = max(full_ms - now_ms, 0.0) + count * self._interval_ms
        missing_ms = until_full_ms - self._span_ms
        if missing_ms > 0:
            return full_ms, int(missing_ms) + 1
        return now_ms + until_full_ms, 0
