"""Verdicts: how each player stands, as the newest record of the topic of verdicts says.

It is given records and times, and knows nothing of connections. It keeps the players that a mute or a ban stands
against: a warning changes nothing, and a verdict that is over or lifted is as if it had never been.
"""

from typing import NamedTuple

from touchline_protocol.messages import Verdict
from touchline_protocol.records import Record
from touchline_protocol.verdicts import decode_verdict
from touchline_server.core.clocks import UnixMs

STANDING = frozenset({"mute", "ban"})
"""The kinds that hold for a time, or for ever."""


WHOLE_TOPIC = -1
"""In place of a partition: none of them can be read."""


class PlayerVerdict(NamedTuple):
    """A verdict about a player, to be enforced on the player's connections."""

    player: str
    verdict: Verdict


class Verdicts:
    """How the players stand. Beyond ``players_max`` the player is forgotten whose verdict came first."""

    def __init__(self, players_max: int) -> None:
        self._players_max = players_max
        self._standing: dict[str, Verdict] = {}
        self.has_forgotten = False
        """Whether a player is free again because there were more than ``players_max`` of them."""
        self.unread: set[int] = set()
        """Partitions of the topic that cannot be read yet, or `WHOLE_TOPIC`. While there are any, nobody is known to be
        free to act."""

    def __len__(self) -> int:
        return len(self._standing)

    def apply(self, record: Record, now_ms: UnixMs) -> PlayerVerdict | None:
        """Take in a record of the topic. Returns its verdict, or None if that was over before now.

        Raises:
            BadRecord: the record is not a verdict, and changes nothing.
        """
        player, decoded = decode_verdict(record.key, record.value)
        verdict = Verdict(kind=decoded.kind, reason=decoded.reason, until=decoded.until)
        self._standing.pop(player, None)
        if is_over(verdict, now_ms):
            return None
        if verdict.kind in STANDING:
            if len(self._standing) >= self._players_max:
                self.has_forgotten = True
                del self._standing[next(iter(self._standing))]
            self._standing[player] = verdict
        return PlayerVerdict(player, verdict)

    def of(self, player: str, now_ms: UnixMs) -> Verdict | None:
        """The mute or ban that stands against a player now."""
        verdict = self._standing.get(player)
        if verdict is not None and is_over(verdict, now_ms):
            del self._standing[player]
            return None
        return verdict

    def clear(self) -> None:
        """Forget everything: the topic is another one, in which nobody has been judged yet."""
        self._standing.clear()
        self.has_forgotten = False


def is_over(verdict: Verdict, now_ms: int) -> bool:
    """Whether the verdict's time is over at ``now_ms`` (Unix milliseconds)."""
    return verdict.until is not None and verdict.until <= now_ms
