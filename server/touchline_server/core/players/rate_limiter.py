"""How often players may act: a token bucket for each player.

Rules:

1. There is one bucket per player, however many connections it has, so a second connection does not let it act more.
2. ``burst`` actions may come at once, ``per_second_max`` in the long run.
3. A full bucket is the same as none, so players that are gone are forgotten once theirs is full.
4. A refusal says when the action and the one after it can be taken, so that the client is not refused again at once.
"""

from math import ceil

from touchline_server.core.clocks import LoopMs

NEXT_MS_MAX = 100
"""The longest wait for the action after the refused one: at a rate of one in 10 s, nobody should wait for 20 s."""


class _Bucket:
    """``level`` is how many actions the bucket holds, as of ``level_ms``."""

    __slots__ = ("level", "level_ms")

    def __init__(self, level: float, level_ms: LoopMs) -> None:
        self.level = level
        self.level_ms = level_ms


class RateLimiter:
    """The buckets of all players. ``interval_ms``: how far apart actions may come in the long run, rounded up."""

    def __init__(self, *, per_second_max: float, burst: int) -> None:
        self.interval_ms = ceil(1000 / per_second_max)
        self.burst = burst
        self._per_ms = per_second_max / 1000
        self._burst = float(burst)
        self._buckets: dict[str, _Bucket] = {}

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, player: str, now_ms: LoopMs) -> int:
        """Take one action out of a player's bucket; returns 0, or how many ms to wait before another try (rule 4)."""
        bucket = self._buckets.get(player)
        if bucket is None:
            bucket = self._buckets[player] = _Bucket(self._burst, now_ms)
        level = self._fill(bucket, now_ms)
        if level < 1:
            next_ms = min(self.interval_ms, NEXT_MS_MAX) if self.burst > 1 else 0
            return int((1 - level) / self._per_ms + 1) + next_ms
        bucket.level = level - 1
        return 0

    def evict_full(self, now_ms: LoopMs) -> None:
        """Forget the buckets that are full again. Call this periodically: it looks at each, some 0.3 us."""
        full = [player for player, bucket in self._buckets.items() if self._fill(bucket, now_ms) >= self._burst]
        for player in full:
            del self._buckets[player]

    def _fill(self, bucket: _Bucket, now_ms: LoopMs) -> float:
        bucket.level = min(self._burst, bucket.level + (now_ms - bucket.level_ms) * self._per_ms)
        bucket.level_ms = now_ms
        return bucket.level
