"""Players: who is signed in, until when, how they stand, and how often they may act.

A player is there for as long as a connection is signed in as it, or its bucket is not full. Handed sessions and times;
tells the shell which sessions are a player's (`sessions_of`) and which have come to the end of their token (`expired`).

Rules:

1. One bucket per player, however many connections: a second connection is no way to act more often.
2. The bucket is a token bucket: ``burst`` actions at once, ``per_second_max`` in the long run.
"""

import heapq
from collections import defaultdict
from typing import TYPE_CHECKING

from .grants import Grant
from .verdicts import Verdicts

if TYPE_CHECKING:
    from .client import Session

EXPIRY_STEP_MS = 100
"""Sessions whose tokens end within one step are looked at together, at its end: so late is a token's end noticed."""

STEPS_UNUSED_MAX = 100
"""Steps in the heap at which nobody's token ends any more. Beyond it, and half of all, they are taken out."""


class Player:
    """One player on this edge. ``level`` is how many actions the bucket holds, as of ``level_ms``."""

    __slots__ = ("level", "level_ms", "name", "sessions")

    def __init__(self, name: str, level: float, level_ms: int) -> None:
        self.name = name
        self.level = level
        self.level_ms = level_ms
        self.sessions: set[Session] = set()


class Players:
    """All players of an edge."""

    def __init__(self, verdicts: Verdicts, *, per_second_max: float, burst: int) -> None:
        self.verdicts = verdicts
        self._per_ms = per_second_max / 1000
        self._burst = float(burst)
        self._players: dict[str, Player] = {}
        self._expiring: defaultdict[int, set[Session]] = defaultdict(set)
        self._steps: list[int] = []

    def __len__(self) -> int:
        return len(self._players)

    def enter(self, session: "Session", grant: Grant, now_ms: int) -> None:
        """A session is signed in, or goes on with a newer token."""
        player = self._players.get(grant.player)
        if player is None:
            player = self._players[grant.player] = Player(grant.player, self._burst, now_ms)
        player.sessions.add(session)
        step = _step(grant)
        if step not in self._expiring:
            heapq.heappush(self._steps, step)
        self._expiring[step].add(session)

    def leave(self, session: "Session", grant: Grant, now_ms: int) -> None:
        """A session is over, or has a newer token than this."""
        step = _step(grant)
        sessions = self._expiring.get(step)
        if sessions is not None:  # else its step was looked at
            sessions.discard(session)
            if not sessions:  # tokens may be of months: steps that nobody needs would gather for as long
                del self._expiring[step]
        player = self._players[grant.player]
        player.sessions.discard(session)
        if not player.sessions and self._fill(player, now_ms) >= self._burst:
            del self._players[player.name]

    def take(self, name: str, now_ms: int) -> int:
        """Take one action out of a player's bucket; returns 0, or for how many milliseconds it stays empty."""
        player = self._players[name]
        level = self._fill(player, now_ms)
        if level < 1:
            return max(1, int((1 - level) / self._per_ms + 1))
        player.level = level - 1
        return 0

    def sessions_of(self, name: str) -> "set[Session]":
        """The sessions of a player."""
        player = self._players.get(name)
        return set() if player is None else player.sessions

    def expired(self, now_ms: int) -> "list[Session]":
        """The sessions whose tokens have ended since the last call."""
        late: list[Session] = []
        while self._steps and self._steps[0] * EXPIRY_STEP_MS <= now_ms:
            late.extend(self._expiring.pop(heapq.heappop(self._steps), ()))
        return late

    def tidy(self, now_ms: int) -> None:
        """Forget the players that are gone and whose buckets are full again, and ends that nobody waits for."""
        if len(self._steps) > 2 * len(self._expiring) + STEPS_UNUSED_MAX:
            self._steps = sorted(self._expiring)
        gone = [
            name
            for name, player in self._players.items()
            if not player.sessions and self._fill(player, now_ms) >= self._burst
        ]
        for name in gone:
            del self._players[name]

    def _fill(self, player: Player, now_ms: int) -> float:
        passed_ms = max(0, now_ms - player.level_ms)  # the clock is the wall's, and may be set back
        player.level = min(self._burst, player.level + passed_ms * self._per_ms)
        player.level_ms = now_ms
        return player.level


def _step(grant: Grant) -> int:
    return -(-grant.expires_ms // EXPIRY_STEP_MS)
