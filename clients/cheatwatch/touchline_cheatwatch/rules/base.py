"""What a rule is.

A rule is a struct. Its fields are its parameters, with their defaults, bounds and reasons; they are read from its table
in the rule set. It has one method, `Rule.judge`, and names the class of what it remembers about a player.

Rules for rules:

1. A rule never changes. Everything that it remembers about a player is in the state that it is handed, which is
   bounded.
2. ``data`` and ``kind`` come from the player and may contain anything. A rule ignores what it cannot read.
3. Times come from the clocks of edges and producers, which differ and get set. Only `Action` says which of them can be
   compared.
4. When in doubt, report nothing: accusing an honest player is worse than catching a bot later.
"""

from typing import Annotated, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

import msgspec

from touchline_cheatwatch.limits import VERDICT_S_MAX
from touchline_cheatwatch.rooms import Room
from touchline_cheatwatch.types import Action, Finding
from touchline_protocol.limits import VERDICT_TEXT_CHARS_MAX

StateT = TypeVar("StateT")

Kinds: TypeAlias = tuple[Annotated[str, msgspec.Meta(min_length=1)], ...]
Verdict: TypeAlias = Literal["warn", "mute", "ban"]
Reason: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=VERDICT_TEXT_CHARS_MAX)]

SETTLE_S_MAX = 60.0
"""The longest wait for events. Actions that wait take memory, and their players go unpunished."""

VerdictS: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=VERDICT_S_MAX)]
SettleS: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=SETTLE_S_MAX)]


def in_ms(seconds: float) -> int:
    """A duration in whole milliseconds, the unit of all timestamps."""
    return round(seconds * 1000)


class Rule(msgspec.Struct, Generic[StateT], frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parameters that every rule has, and its one method."""

    kinds: Kinds = ()
    """The kinds of actions to judge. Empty: all."""
    verdict: Verdict = "warn"
    verdict_s: VerdictS = 0
    """How long the verdict holds. 0: forever."""
    reason: Reason = "Your actions break the rules of the game."
    """A sentence for the player."""
    settle_s: SettleS = 0
    """An action is judged once the events of its room up to this long after it are known. 0: at once, for rules that do
    not look at events. An event carries its producer's time, and reaches the log a little later."""

    State: ClassVar[type[Any]]
    """The class of the memory. It is created for each player who does something of these kinds: without arguments, or
    with the rule's crowd if there is a class for it."""
    Crowd: ClassVar[type[Any] | None] = None
    """The class of what the rule remembers about all players together, if anything. It is created without arguments,
    once for each rule of an engine, and is bounded."""

    def judge(self, action: Action, state: StateT, room: Room) -> Finding | None:
        """Consider a player's next action. A finding uses up the evidence: the next action comes with a new state."""
        raise NotImplementedError
