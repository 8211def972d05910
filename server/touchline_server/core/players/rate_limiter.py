"""How often players may act: a token bucket for each player.

Rules:

1. There is one bucket per player, however many connections it has, so a second connection does not let it act more.
2. ``burst`` actions may come at once, ``per_second_max`` in the long run.
3. A full bucket is the same as none, so players that are gone are forgotten once theirs is full.
4. Where players are shared with other workers, it also counts what each took since it was last asked, and is told how
   much a player has taken elsewhere (`owe`).
5. A refusal says when the action and the one after it can be taken, so that the client is not refused again at once.
"""

from math import ceil

from touchline_server.core.clocks import LoopMs
from touchline_server.core.rate import Rate

NEXT_MS_MAX = 100
"""The longest wait for the action after the refused one: at a rate of one in 10 s, nobody should wait for 20 s."""


class RateLimiter:
    """The buckets of all players. ``interval_ms``: how far apart actions may come in the long run, rounded up."""

    def __init__(self, *, per_second_max: float, burst: int, is_shared: bool = False) -> None:
        self._full_ms: dict[str, float] = {}
        self._is_shared = is_shared
        self._spent: dict[str, int] = {}
        self.set_rate(per_second_max=per_second_max, burst=burst)

    def set_rate(self, *, per_second_max: float, burst: int) -> None:
        """Use another rate from now on. Actions that players have taken out of their buckets stay taken."""
        self.exact_interval_ms = 1000 / per_second_max
        self.interval_ms = ceil(self.exact_interval_ms)
        self.burst = burst
        self._rate = Rate(per_second_max=per_second_max, burst=burst)

    def __len__(self) -> int:
        return len(self._full_ms)

    def take(self, player: str, now_ms: LoopMs) -> int:
        """Take one action out of a player's bucket; returns 0, or how many ms to wait before another try (rule 5)."""
        self._full_ms[player], wait_ms = self._rate.take(self._full_ms.get(player, now_ms), 1, now_ms)
        if wait_ms and self.burst > 1:
            wait_ms += min(self.interval_ms, NEXT_MS_MAX)
        if self._is_shared and not wait_ms:
            self._spent[player] = self._spent.get(player, 0) + 1
        return wait_ms

    def take_spent(self) -> dict[str, int]:
        """How many actions each player took since the last call."""
        spent, self._spent = self._spent, {}
        return spent

    def owe(self, player: str, until_full_ms: int, now_ms: LoopMs) -> None:
        """A player's bucket is full in ``until_full_ms``, as far as the fleet knew a moment ago.

        Actions that it has taken here since come on top.
        """
        full_ms = now_ms + until_full_ms + self._spent.get(player, 0) * self.exact_interval_ms
        if until_full_ms and full_ms > self._full_ms.get(player, now_ms):
            self._full_ms[player] = full_ms

    def evict_full(self, now_ms: LoopMs) -> None:
        """Forget the buckets that are full again. Call this periodically: it looks at each, some 0.1 us."""
        self._full_ms = {player: full_ms for player, full_ms in self._full_ms.items() if full_ms > now_ms}
