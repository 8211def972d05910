"""More actions a second than a human can make."""

from typing import Annotated, ClassVar

import msgspec

from touchline_cheatwatch.rooms import Room
from touchline_cheatwatch.types import Action, Finding

from .base import Reason, Rule, Verdict, VerdictS

ROUNDING = 1e-6
"""A fraction of an action: rounding errors count in the player's favour."""


class RateState:
    """A bucket that actions fill and time empties. ``since_ms`` is when it was last empty."""

    __slots__ = ("actions", "at_ms", "level", "since_ms", "stretch")

    def __init__(self) -> None:
        self.at_ms = 0
        self.level = 0.0
        self.since_ms = 0
        self.actions = 0
        self.stretch = -1


class Rate(Rule[RateState], frozen=True, kw_only=True):
    """Fires if any sliding window that ends now, of whatever length, has more actions in it than ``rate_max`` times its
    seconds plus ``burst_max``.

    A bucket that leaks ``rate_max`` a second holds more than ``burst_max`` in exactly that case. So an honest player,
    whose queue arrives at once after a lost connection, stays below the limit however often the connection is lost:
    what arrives in a window was made in it, or was in the queue when it began.
    """

    rate_max: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 12.0
    """Actions a second in the long run, over all kinds that are judged. People tap up to ten times a second, and
    clients that report positions do so a few times a second."""
    burst_max: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 300
    """A client keeps up to 256 unacknowledged actions and sends them all at once; more are made while it does."""
    verdict: Verdict = "mute"
    verdict_s: VerdictS = 300
    reason: Reason = "Your actions come faster than a person can make them."

    State: ClassVar[type[RateState]] = RateState

    def judge(self, action: Action, state: RateState, room: Room) -> Finding | None:
        """See `Rule.judge`."""
        at_ms = action.at_ms
        state.level -= self.rate_max * (at_ms - state.at_ms) / 1000
        if state.level <= 0 or action.stretch != state.stretch:
            state.level, state.since_ms, state.actions = 0.0, at_ms, 0
        state.at_ms, state.stretch = at_ms, action.stretch
        state.level += 1
        state.actions += 1
        if state.level <= self.burst_max + ROUNDING:
            return None
        return Finding({"actions": state.actions, "seconds": round((at_ms - state.since_ms) / 1000, 3)})
