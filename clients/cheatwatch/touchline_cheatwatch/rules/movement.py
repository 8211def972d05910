"""Movement that is impossible: teleports, and more than the speed limit for long."""

import math
from collections import OrderedDict
from typing import Annotated, ClassVar

import msgspec

from ..rooms import Room
from ..values import Action, Finding, number
from .base import Kinds, Reason, Rule, Seconds, Verdict

ROOMS_MAX = 4
"""Of a player, in which it is somewhere: games are played one at a time, and this gives room for a change."""

Distance = Annotated[float, msgspec.Meta(gt=0, le=1e9)]


class _Place:
    __slots__ = ("at_ms", "credit", "late_until_ms", "x", "y")

    def __init__(self, x: float, y: float, at_ms: int, credit: float) -> None:
        self.x = x
        self.y = y
        self.at_ms = at_ms
        self.credit = credit
        self.late_until_ms = 0


class MovementState:
    """Where the player is in each room, and how far it may still go."""

    __slots__ = ("places",)

    def __init__(self) -> None:
        self.places: OrderedDict[str, _Place] = OrderedDict()


class Movement(Rule[MovementState], frozen=True, kw_only=True):
    """Fires when a player went farther than ``speed_max`` allows: a bucket of distance, which time fills up to ``slack``
    and each move empties.

    Moves come late in bunches. Short delays are what the slack is for. After a silence of more than ``silence_ms`` all
    of its distance may be made up for during ``catch_up_ms``: the moves of that time come in a queue, which an edge may
    take slowly. So a bot gains no distance by that: it was silent for as long as the way takes.
    """

    kinds: Kinds = ("move",)
    x_field: str = "x"
    y_field: str = "y"
    speed_max: Distance = 12.0
    """Units of distance a second: with metres, that of the fastest sprinters."""
    slack: Distance = 24.0
    """Two seconds at top speed: longer delays are silences."""
    silence_ms: Annotated[int, msgspec.Meta(gt=0)] = 1_500
    catch_up_ms: Annotated[int, msgspec.Meta(ge=0)] = 20_000
    """A queue of 256 moves at an edge that takes 30 a second has arrived after half of it."""
    verdict: Verdict = "mute"
    verdict_seconds: Seconds = 300
    reason: Reason = "You moved faster than the game allows."

    State: ClassVar[type[MovementState]] = MovementState

    def judge(self, action: Action, state: MovementState, room: Room) -> Finding | None:
        """See `Rule.judge`."""
        x, y = number(action.data, self.x_field), number(action.data, self.y_field)
        if x is None or y is None:
            return None
        place = state.places.get(action.room)
        if place is None:
            state.places[action.room] = _Place(x, y, action.received_ms, self.slack)
            if len(state.places) > ROOMS_MAX:
                state.places.popitem(last=False)
            return None
        state.places.move_to_end(action.room)
        distance = math.hypot(x - place.x, y - place.y)
        seconds = self._earn(place, action.received_ms)
        place.x, place.y = x, y
        place.credit -= distance
        if place.credit >= 0:
            return None
        too_far = round(-place.credit, 3)
        return Finding({"distance": round(distance, 3), "seconds": seconds, "too_far": too_far, "x": x, "y": y})

    def _earn(self, place: _Place, received_ms: int) -> float:
        at_ms = max(received_ms, place.at_ms)
        silent_ms, place.at_ms = at_ms - place.at_ms, at_ms
        place.credit += self.speed_max * silent_ms / 1000
        if silent_ms > self.silence_ms:
            place.late_until_ms = at_ms + self.catch_up_ms
        elif at_ms >= place.late_until_ms:
            place.credit = min(place.credit, self.slack)
        return silent_ms / 1000
