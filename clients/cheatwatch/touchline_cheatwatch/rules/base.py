"""What a rule is.

A rule is a struct: its fields are its parameters, with their defaults, bounds and reasons, and are read from the rule
set's table. It has one method, `Rule.judge`, and names the class of what it remembers of a player.

Rules of rules:

1. A rule itself never changes. All that it remembers of a player is in the state that it is handed, which is bounded.
2. ``data`` and ``kind`` are the player's: anything can be in them, and what a rule cannot read it passes over.
3. Times are those of the edges' and the producers' clocks, which differ: time can step back, and stand still.
4. In doubt there is no finding: an honest player who is accused is worse than a bot that is found out later.
"""

from typing import Annotated, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

import msgspec

from touchline_cheatwatch.rooms import Room
from touchline_cheatwatch.types import Action, Finding
from touchline_protocol.limits import VERDICT_TEXT_CHARS_MAX

StateT = TypeVar("StateT")

Kinds: TypeAlias = tuple[Annotated[str, msgspec.Meta(min_length=1)], ...]
Verdict: TypeAlias = Literal["warn", "mute", "ban"]
Reason: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=VERDICT_TEXT_CHARS_MAX)]

VERDICT_S_MAX = 10 * 365 * 86_400
"""Of a verdict: whoever means longer means for ever."""
SETTLE_S_MAX = 60.0

VerdictS: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=VERDICT_S_MAX)]
SettleS: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=SETTLE_S_MAX)]


def in_ms(seconds: float) -> int:
    """A duration in whole milliseconds, the unit of all timestamps."""
    return round(seconds * 1000)


class Rule(msgspec.Struct, Generic[StateT], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters that every rule has, and its one method."""

    kinds: Kinds = ()
    """The kinds of actions that are judged; empty: all."""
    verdict: Verdict = "warn"
    verdict_s: VerdictS = 0
    """How long the verdict holds; 0 is for ever."""
    reason: Reason = "Your actions break the rules of the game."
    """A sentence for the player."""
    settle_s: SettleS = 0
    """An action is judged when the events of the room up to so long after it are known. 0: at once, for rules that look
    at no events. An event's time is its producer's, and it is in the log some time later."""

    State: ClassVar[type[Any]]
    """Made without arguments for each player who does something of these kinds."""

    def judge(self, action: Action, state: StateT, room: Room) -> Finding | None:
        """Take in a player's next action. With a finding the evidence is used up: the next action has a new state."""
        raise NotImplementedError
