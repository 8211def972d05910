"""More actions per second than a human makes."""

from typing import Annotated, ClassVar

import msgspec

from touchline_cheatwatch.rooms import Room
from touchline_cheatwatch.types import Action, Finding

from .base import Reason, Rule, Verdict, VerdictS

ROUNDING = 1e-6
"""Of an action: what floats may be off by counts for the player."""


class RateState:
    """A bucket that a player's actions fill and time empties. ``since_ms``: when it was last empty."""

    __slots__ = ("actions", "at_ms", "level", "since_ms")

    def __init__(self) -> None:
        self.at_ms = 0
        self.level = 0.0
        self.since_ms = 0
        self.actions = 0


class Rate(Rule[RateState], frozen=True, kw_only=True):
    """Fires when in some sliding window that ends now, of whatever length, there are more actions than
    ``rate_max`` x its seconds + ``burst_max``.

    That is what a bucket tells that leaks ``rate_max`` a second: it has more than ``burst_max`` in it exactly then.
    So an honest player whose queue comes at once after a lost connection stays below, however often the connection is
    lost: what comes in a window was made in it, or was in the queue at its beginning.
    """

    rate_max: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 12.0
    """Actions a second, for long, of all kinds that are judged: people tap up to ten times a second, and clients that
    tell positions by themselves do so some times a second."""
    burst_max: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 300
    """A client keeps up to 256 unacknowledged and sends them again at once; and some are made while it does."""
    verdict: Verdict = "mute"
    verdict_s: VerdictS = 300
    reason: Reason = "Your actions come faster than a person can make them."

    State: ClassVar[type[RateState]] = RateState

    def judge(self, action: Action, state: RateState, room: Room) -> Finding | None:
        """See `Rule.judge`."""
        at_ms = max(action.received_ms, state.at_ms)
        state.level -= self.rate_max * (at_ms - state.at_ms) / 1000
        state.at_ms = at_ms
        if state.level <= 0:
            state.level, state.since_ms, state.actions = 0.0, at_ms, 0
        state.level += 1
        state.actions += 1
        if state.level <= self.burst_max + ROUNDING:
            return None
        return Finding({"actions": state.actions, "seconds": round((at_ms - state.since_ms) / 1000, 3)})
