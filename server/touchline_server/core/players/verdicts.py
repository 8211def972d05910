"""Verdicts: how each player stands, as the newest record of the topic of verdicts says.

It is given records and times, and knows nothing of connections. It keeps the players that a mute or a ban stands
against: a warning changes nothing, and a verdict that is over or lifted is as if it had never been.

How long a verdict still holds is worked out when it is read, and then measured by a clock that is never set. So setting
the computer's clock lifts no verdict, and an edge whose clock is behind holds none for longer than was decided.
"""

from typing import NamedTuple

from touchline_protocol.messages import Verdict
from touchline_protocol.records import Record
from touchline_protocol.verdicts import VerdictRecord, decode_verdict
from touchline_server.core.clocks import LoopMs, Now

STANDING = frozenset({"mute", "ban"})
"""The kinds that hold for a time, or for ever."""


WHOLE_TOPIC = -1
"""In place of a partition: none of them can be read."""


class PlayerVerdict(NamedTuple):
    """A verdict about a player, to be enforced on the player's connections."""

    player: str
    verdict: Verdict


class _Standing(NamedTuple):
    """A verdict, and when it ends by the loop's clock; None if it never does."""

    verdict: Verdict
    ends_ms: LoopMs | None


class Verdicts:
    """How the players stand. Beyond ``players_max`` the player is forgotten whose verdict came first."""

    def __init__(self, players_max: int) -> None:
        self._players_max = players_max
        self._standing: dict[str, _Standing] = {}
        self.has_forgotten = False
        """Whether a player is free again because there were more than ``players_max`` of them."""
        self.unread: set[int] = set()
        """Partitions of the topic that cannot be read yet, or `WHOLE_TOPIC`. While there are any, nobody is known to be
        free to act."""

    def __len__(self) -> int:
        return len(self._standing)

    def apply(self, record: Record, now: Now) -> PlayerVerdict | None:
        """Take in a record of the topic. Returns its verdict, or None if that was over before now.

        Raises:
            BadRecord: the record is not a verdict, and changes nothing.
        """
        player, decoded = decode_verdict(record.key, record.value)
        verdict = Verdict(kind=decoded.kind, reason=decoded.reason, until=decoded.until)
        self._standing.pop(player, None)
        left_ms = _left_ms(decoded, now)
        if left_ms is not None and left_ms <= 0:
            return None
        if verdict.kind in STANDING:
            if len(self._standing) >= self._players_max:
                self.has_forgotten = True
                del self._standing[next(iter(self._standing))]
            ends_ms = None if left_ms is None else LoopMs(now.loop_ms + left_ms)
            self._standing[player] = _Standing(verdict, ends_ms)
        return PlayerVerdict(player, verdict)

    def of(self, player: str, now_ms: LoopMs) -> Verdict | None:
        """The mute or ban that stands against a player now."""
        standing = self._standing.get(player)
        if standing is None:
            return None
        if standing.ends_ms is not None and standing.ends_ms <= now_ms:
            del self._standing[player]
            return None
        return standing.verdict

    def clear(self) -> None:
        """Forget everything: the topic is another one, in which nobody has been judged yet."""
        self._standing.clear()
        self.has_forgotten = False


def _left_ms(verdict: VerdictRecord, now: Now) -> int | None:
    """How long a verdict that was read now still holds; None: for ever."""
    if verdict.until is None:
        return None
    left_ms = verdict.until - now.unix_ms
    return left_ms if verdict.decided_ms is None else min(left_ms, verdict.until - verdict.decided_ms)
