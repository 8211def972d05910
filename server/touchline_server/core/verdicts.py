"""Verdicts: how each player stands, as the newest record of the topic of verdicts says.

Handed records and times; knows nothing of connections. Kept are the players that something stands against: a warning
changes nothing, and what is over or lifted is as if it had not been.
"""

from touchline_protocol.messages import Verdict
from touchline_protocol.records import Record
from touchline_protocol.verdicts import decode_verdict

STANDING = frozenset({"mute", "ban"})
"""The kinds that hold for a time, or for ever."""


class Verdicts:
    """How the players stand. ``players_max``: beyond it the player is forgotten whose verdict came first."""

    def __init__(self, players_max: int) -> None:
        self._players_max = players_max
        self._standing: dict[str, Verdict] = {}

    def __len__(self) -> int:
        return len(self._standing)

    def take(self, record: Record, now_ms: int) -> tuple[str, Verdict] | None:
        """A record of the topic. Returns the player and the verdict, or None for one whose time was over before now.

        Raises:
            BadRecord: it is no verdict, and changes nothing.
        """
        player, said = decode_verdict(record.key, record.value)
        verdict = Verdict(kind=said.kind, reason=said.reason, until=said.until)
        self._standing.pop(player, None)
        if is_over(verdict, now_ms):
            return None
        if verdict.kind in STANDING:
            if len(self._standing) >= self._players_max:
                del self._standing[next(iter(self._standing))]
            self._standing[player] = verdict
        return player, verdict

    def of(self, player: str, now_ms: int) -> Verdict | None:
        """The mute or ban that stands against a player now."""
        verdict = self._standing.get(player)
        if verdict is not None and is_over(verdict, now_ms):
            del self._standing[player]
            return None
        return verdict

    def clear(self) -> None:
        """The topic is another one: nobody has been judged in it yet."""
        self._standing.clear()


def is_over(verdict: Verdict, now_ms: int) -> bool:
    """Whether the verdict's time is over."""
    return verdict.until is not None and verdict.until <= now_ms
