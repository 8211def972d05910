"""Impossible movement: teleports, and more than the speed limit for long."""

import math
from collections import OrderedDict
from typing import Annotated, ClassVar

import msgspec

from touchline_cheatwatch.rooms import Room
from touchline_cheatwatch.types import Action, Finding, number
from touchline_protocol.limits import ACTION_RESEND_S_MAX

from .base import Kinds, Reason, Rule, Verdict, VerdictS, in_ms

ROOMS_MAX = 4
"""Rooms in which a player has a position. Games are played one at a time, and this leaves room for a change."""

BUNCHED_MIN = 32
"""Moves in a queue that may have overflowed. Clients keep a few hundred actions, and moves are some of them."""

Distance = Annotated[float, msgspec.Meta(gt=0, le=1e9)]


class _Position:
    """Where a player is, and how far it may still go: now, and with what a silence has left it to catch up."""

    __slots__ = ("at_ms", "bunched", "credit", "late_credit", "late_until_ms", "stretch", "x", "y")

    def __init__(
        self, x: float, y: float, at_ms: int, stretch: int, *, credit: float, late_credit: float, late_until_ms: int
    ) -> None:
        self.x = x
        self.y = y
        self.at_ms = at_ms
        self.stretch = stretch
        self.credit = credit
        self.late_credit = late_credit
        self.late_until_ms = late_until_ms
        self.bunched = 0


class MovementState:
    """The player's position in each room."""

    __slots__ = ("positions",)

    def __init__(self) -> None:
        self.positions: OrderedDict[str, _Position] = OrderedDict()


class Movement(Rule[MovementState], frozen=True, kw_only=True):
    """Fires if a player went farther than ``speed_max`` allows: a bucket of distance, which time fills up to ``slack``
    and each move empties.

    The slack covers short delays. Actions made while the connection is lost arrive in a queue, in less time than they
    took. So the distance of a silence may be caught up during ``catch_up_s``, by moves that come closer together
    than clients make them (``interval_s``), each for one interval. A jump may follow a long queue of that kind, because
    the queue overflowed. A bot gains nothing from all that: it was silent for as long as the distance takes.
    """

    kinds: Kinds = ("move",)
    x_field: str = "x"
    y_field: str = "y"
    speed_max: Distance = 12.0
    """Units of distance a second. In metres, this is the speed of the fastest sprinters."""
    slack: Distance = 24.0
    """Two seconds at top speed. Longer delays count as silences."""
    interval_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 0.3
    """Clients report a moving player's position at least this often."""
    silence_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 1.5
    catch_up_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 20.0
    """An edge that takes 30 actions a second has a queue of 256 moves after half of this."""
    verdict: Verdict = "mute"
    verdict_s: VerdictS = 300
    reason: Reason = "You moved faster than the game allows."

    State: ClassVar[type[MovementState]] = MovementState

    def judge(self, action: Action, state: MovementState, room: Room) -> Finding | None:
        """See `Rule.judge`."""
        x, y = number(action.data, self.x_field), number(action.data, self.y_field)
        if x is None or y is None:
            return None
        position = state.positions.get(action.room)
        if position is None or position.stretch != action.stretch:
            state.positions[action.room] = self._begin(x, y, action.at_ms, action.stretch)
            if len(state.positions) > ROOMS_MAX:
                state.positions.popitem(last=False)
            return None
        state.positions.move_to_end(action.room)
        distance = math.hypot(x - position.x, y - position.y)
        position.x, position.y = x, y
        seconds = self._move(position, distance, action.at_ms)
        if position.credit >= 0:
            return None
        too_far = round(-position.credit, 3)
        return Finding({"distance": round(distance, 3), "seconds": seconds, "too_far": too_far, "x": x, "y": y})

    def _begin(self, x: float, y: float, at_ms: int, stretch: int) -> _Position:
        """A player who is new, or was away for an unknown time, may have been silent for as long as resends take."""
        late_credit = self.speed_max * ACTION_RESEND_S_MAX
        return _Position(
            x,
            y,
            at_ms,
            stretch,
            credit=self.slack,
            late_credit=late_credit,
            late_until_ms=at_ms + in_ms(self.catch_up_s),
        )

    def _move(self, position: _Position, distance: float, at_ms: int) -> float:
        """Update the credit. Returns the seconds since the previous move."""
        passed_ms, position.at_ms = at_ms - position.at_ms, at_ms
        interval_ms = self.interval_s * 1000
        position.credit += self.speed_max * passed_ms / 1000 - distance
        if passed_ms > self.silence_s * 1000:
            if at_ms >= position.late_until_ms:  # otherwise the connection broke again while a queue arrived
                position.late_credit, position.bunched = 0.0, 0
            position.late_credit += max(position.credit, 0.0)
            position.late_until_ms = at_ms + in_ms(self.catch_up_s)
        elif at_ms >= position.late_until_ms:
            position.late_credit = 0.0
        elif passed_ms * 2 < interval_ms:
            position.bunched += 1
        if position.credit < 0 and position.late_credit > 0:
            in_time = self.speed_max * max(interval_ms - passed_ms, 0) / 1000
            lent = min(-position.credit, position.late_credit, math.inf if position.bunched >= BUNCHED_MIN else in_time)
            position.late_credit -= lent
            position.credit += lent
        position.credit = min(position.credit, self.slack)
        return passed_ms / 1000
