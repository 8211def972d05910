"""Movement that is impossible: teleports, and more than the speed limit for long."""

import math
from collections import OrderedDict
from typing import Annotated, ClassVar

import msgspec

from touchline_cheatwatch.rooms import Room
from touchline_cheatwatch.types import Action, Finding, number
from touchline_protocol.limits import ACTION_RESEND_S_MAX

from .base import Kinds, Reason, Rule, Verdict, VerdictS, in_ms

ROOMS_MAX = 4
"""Of a player, in which it is somewhere: games are played one at a time, and this gives room for a change."""

BUNCHED_MIN = 32
"""Moves in a queue that may have overflowed: clients keep some hundred actions, and moves are a part of them."""

Distance = Annotated[float, msgspec.Meta(gt=0, le=1e9)]


class _Place:
    """Where a player is, how far it may still go, and how far after it comes from a silence."""

    __slots__ = ("at_ms", "bunched", "credit", "late_credit", "late_until_ms", "x", "y")

    def __init__(
        self, x: float, y: float, at_ms: int, *, credit: float, late_credit: float, late_until_ms: int
    ) -> None:
        self.x = x
        self.y = y
        self.at_ms = at_ms
        self.credit = credit
        self.late_credit = late_credit
        self.late_until_ms = late_until_ms
        self.bunched = 0


class MovementState:
    """Where the player is in each room, and how far it may still go."""

    __slots__ = ("places",)

    def __init__(self) -> None:
        self.places: OrderedDict[str, _Place] = OrderedDict()


class Movement(Rule[MovementState], frozen=True, kw_only=True):
    """Fires when a player went farther than ``speed_max`` allows: a bucket of distance, which time fills up to
    ``slack`` and each move empties.

    Short delays are what the slack is for. What was done while a connection was lost comes in a queue, in a shorter
    time than it took. So after a silence its distance may be made up for during ``catch_up_s``, by moves that come
    closer together than clients make them (``interval_s``), each for one interval. After a long such queue a jump may
    follow: it overflowed. A bot gains nothing by all that: it was silent for as long as the way takes.
    """

    kinds: Kinds = ("move",)
    x_field: str = "x"
    y_field: str = "y"
    speed_max: Distance = 12.0
    """Units of distance a second: with metres, that of the fastest sprinters."""
    slack: Distance = 24.0
    """Two seconds at top speed: longer delays are silences."""
    interval_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 0.3
    """Clients tell a moving player's position at least so often."""
    silence_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 1.5
    catch_up_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 20.0
    """A queue of 256 moves at an edge that takes 30 a second has arrived after half of it."""
    verdict: Verdict = "mute"
    verdict_s: VerdictS = 300
    reason: Reason = "You moved faster than the game allows."

    State: ClassVar[type[MovementState]] = MovementState

    def judge(self, action: Action, state: MovementState, room: Room) -> Finding | None:
        """See `Rule.judge`."""
        x, y = number(action.data, self.x_field), number(action.data, self.y_field)
        if x is None or y is None:
            return None
        place = state.places.get(action.room)
        if place is None:
            state.places[action.room] = self._begin(x, y, action.received_ms)
            if len(state.places) > ROOMS_MAX:
                state.places.popitem(last=False)
            return None
        state.places.move_to_end(action.room)
        distance = math.hypot(x - place.x, y - place.y)
        place.x, place.y = x, y
        seconds = self._move(place, distance, action.received_ms)
        if place.credit >= 0:
            return None
        too_far = round(-place.credit, 3)
        return Finding({"distance": round(distance, 3), "seconds": seconds, "too_far": too_far, "x": x, "y": y})

    def _begin(self, x: float, y: float, at_ms: int) -> _Place:
        """A player who is seen first may come from a silence as long as any."""
        late_credit = self.speed_max * ACTION_RESEND_S_MAX
        return _Place(
            x, y, at_ms, credit=self.slack, late_credit=late_credit, late_until_ms=at_ms + in_ms(self.catch_up_s)
        )

    def _move(self, place: _Place, distance: float, received_ms: int) -> float:
        """Returns the seconds since the move before."""
        at_ms = max(received_ms, place.at_ms)
        passed_ms, place.at_ms = at_ms - place.at_ms, at_ms
        interval_ms = in_ms(self.interval_s)
        place.credit += self.speed_max * passed_ms / 1000 - distance
        if passed_ms > in_ms(self.silence_s):
            late_credit = place.late_credit if at_ms < place.late_until_ms else 0.0
            place.late_credit = late_credit + max(place.credit, 0.0)
            place.late_until_ms = at_ms + in_ms(self.catch_up_s)
            place.bunched = 0
        elif at_ms >= place.late_until_ms:
            place.late_credit = 0.0
        elif passed_ms * 2 < interval_ms:
            place.bunched += 1
        if place.credit < 0 and place.late_credit > 0:
            in_time = self.speed_max * max(interval_ms - passed_ms, 0) / 1000
            lent = min(-place.credit, place.late_credit, math.inf if place.bunched >= BUNCHED_MIN else in_time)
            place.late_credit -= lent
            place.credit += lent
        place.credit = min(place.credit, self.slack)
        return passed_ms / 1000
