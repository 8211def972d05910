"""How often players may act: a token bucket for each player.

Rules:

1. There is one bucket per player, however many connections it has, so a second connection does not let it act more.
2. ``burst`` actions may come at once, ``per_second_max`` in the long run.
3. A full bucket is the same as none, so players that are gone are forgotten once theirs is full.
4. A refusal says when the action and the one after it can be taken, so that the client is not refused again at once.
"""

from math import ceil

from touchline_server.core.clocks import LoopMs
from touchline_server.core.rate import Rate

NEXT_MS_MAX = 100
"""The longest wait for the action after the refused one: at a rate of one in 10 s, nobody should wait for 20 s."""


class RateLimiter:
    """The buckets of all players. ``interval_ms``: how far apart actions may come in the long run, rounded up."""

    def __init__(self, *, per_second_max: float, burst: int) -> None:
        self._full_ms: dict[str, float] = {}
        self.set_rate(per_second_max=per_second_max, burst=burst)

    def set_rate(self, *, per_second_max: float, burst: int) -> None:
        """Use another rate from now on. Actions that players have taken out of their buckets stay taken."""
        self.interval_ms = ceil(1000 / per_second_max)
        self.burst = burst
        self._rate = Rate(per_second_max=per_second_max, burst=burst)

    def __len__(self) -> int:
        return len(self._full_ms)

    def take(self, player: str, now_ms: LoopMs) -> int:
        """Take one action out of a player's bucket; returns 0, or how many ms to wait before another try (rule 4)."""
        self._full_ms[player], wait_ms = self._rate.take(self._full_ms.get(player, now_ms), 1, now_ms)
        if wait_ms and self.burst > 1:
            wait_ms += min(self.interval_ms, NEXT_MS_MAX)
        return wait_ms

    def evict_full(self, now_ms: LoopMs) -> None:
        """Forget the buckets that are full again. Call this periodically: it looks at each, some 0.1 us."""
        self._full_ms = {player: full_ms for player, full_ms in self._full_ms.items() if full_ms > now_ms}
