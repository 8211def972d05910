"""What is remembered about players: their time, and one state for each rule that has seen a player's actions.

Pure, and bounded: at most ``players_max`` players, of which the one inactive for longest is forgotten first, and so is
a player who does nothing for ``idle_ms``. The size of a player's states is up to the rules: `PLAYER_BYTES_MAX` is the
most that the built-in ones take, and a test holds them to it.
"""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import count
from typing import Any

from .clocks.player_time import PlayerTime

PLAYER_BYTES_MAX = 20 * 1024
"""The states of the five built-in rules and the time together, whatever the parameters and the player's actions are."""


class Player:
    """``states`` are by the name of the rule."""

    __slots__ = ("seen_ms", "states", "time")

    def __init__(self, stretches: Iterator[int]) -> None:
        self.seen_ms = 0
        self.states: dict[str, Any] = {}
        self.time = PlayerTime(stretches)


class Players:
    """The players by name."""

    def __init__(self, players_max: int, idle_ms: int) -> None:
        self._players_max = players_max
        self._idle_ms = idle_ms
        self._players: OrderedDict[str, Player] = OrderedDict()
        self._stretches = count()

    def __len__(self) -> int:
        return len(self._players)

    def get(self, player: str, now_ms: int) -> Player:
        """What is remembered of a player who acts now, to be read and changed."""
        known = self._players.get(player)
        if known is None:
            known = self._players[player] = Player(self._stretches)
            if len(self._players) > self._players_max:
                self._players.popitem(last=False)
        else:
            self._players.move_to_end(player)
        known.seen_ms = now_ms
        return known

    def forget(self, player: str) -> None:
        """The player starts clean."""
        self._players.pop(player, None)

    def expire(self, now_ms: int) -> None:
        """Forget the players who have been idle for too long."""
        while self._players:
            oldest = next(iter(self._players))
            if now_ms - self._players[oldest].seen_ms < self._idle_ms:
                return
            del self._players[oldest]
