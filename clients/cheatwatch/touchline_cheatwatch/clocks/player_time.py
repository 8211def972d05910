"""A player's own time, which passes evenly through the clocks of all edges that the player acts at.

Pure. Rules subtract the times of a player's actions. Two edges' clocks may be hours apart, and an edge has another
clock after a restart. So each clock gets an offset when the player is first seen by it, and keeps it. Rules:

1. This time never goes back. It passes exactly as by an edge's clock for as long as the player stays with that clock.
2. A player who comes back to a clock gets the time that passed by it, however many other edges were used meanwhile. So
   nobody gains time by going back and forth between edges.
3. How much time passed until the player came to a new clock follows from what is known about both (`Clocks`). If that
   is not enough, a new stretch begins: times of different stretches cannot be compared. The same happens where a clock
   contradicts itself. Clients can cause neither.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from .comparison import STEP_MS, Clock, Clocks

CLOCKS_MAX = 8
"""Clocks that are remembered of each player. One that is forgotten is treated as new."""


class PlayerMoment(NamedTuple):
    """When a player acted, in the player's own time. ``set_back_ms`` is how far the edge's clock was set back."""

    at_ms: int
    stretch: int
    set_back_ms: int = 0


class _Seen:
    """The newest time by a clock, and how far the player's time is ahead of it."""

    __slots__ = ("offset_ms", "received_ms")

    def __init__(self, received_ms: int, offset_ms: int) -> None:
        self.received_ms = received_ms
        self.offset_ms = offset_ms


class PlayerTime:
    """The time of one player. ``stretches`` are the numbers of stretches; a player who was forgotten starts another."""

    __slots__ = ("_at_ms", "_clock", "_seen", "_stretch", "_stretches")

    def __init__(self, stretches: Iterator[int]) -> None:
        self._at_ms = 0
        self._stretches = stretches
        self._stretch = next(stretches)
        self._clock: Clock | None = None
        self._seen: OrderedDict[Clock, _Seen] = OrderedDict()

    def pass_to(self, clock: Clock, received_ms: int, clocks: Clocks) -> PlayerMoment:
        """The player's next action was received at this time by an edge's clock."""
        seen = self._seen.get(clock)
        set_back_ms = 0
        if self._clock is None:
            self._at_ms = received_ms
        elif seen is None:
            self._arrive(self._passed_ms(clock, received_ms, clocks))
        elif received_ms <= seen.received_ms - STEP_MS:
            set_back_ms = seen.received_ms - received_ms
            seen = None
            self._arrive(None)
        elif self._differs(clock, seen, received_ms, clocks):
            seen = None
            self._arrive(self._passed_ms(clock, received_ms, clocks))
        else:
            self._at_ms = max(self._at_ms, received_ms + seen.offset_ms)
        self._remember(clock, seen, received_ms)
        return PlayerMoment(self._at_ms, self._stretch, set_back_ms)

    def _arrive(self, passed_ms: int | None) -> None:
        """The player came to a clock after this time, if it is known."""
        if passed_ms is None:
            self._stretch = next(self._stretches)
            self._seen.clear()  # the other clocks' offsets lack the time that passed
        else:
            self._at_ms += max(passed_ms, 0)

    def _differs(self, clock: Clock, seen: _Seen, received_ms: int, clocks: Clocks) -> bool:
        """Whether the offset of a clock that the player comes back to is no longer right: one of them has drifted, or
        was set without having got another name."""
        if clock == self._clock:
            return False
        passed_ms = received_ms + seen.offset_ms - self._at_ms
        known_ms = self._passed_ms(clock, received_ms, clocks)
        return passed_ms <= -STEP_MS if known_ms is None else abs(known_ms - passed_ms) >= STEP_MS

    def _passed_ms(self, clock: Clock, received_ms: int, clocks: Clocks) -> int | None:
        """The time since the newest action, which was by another clock; None if it is not known."""
        if self._clock is None:
            return None
        before_ms, now_ms = clocks.lead_ms(self._clock), clocks.lead_ms(clock)
        if before_ms is None or now_ms is None:
            return None
        return received_ms - now_ms - (self._seen[self._clock].received_ms - before_ms)

    def _remember(self, clock: Clock, seen: _Seen | None, received_ms: int) -> None:
        self._clock = clock
        if seen is None:
            self._seen[clock] = _Seen(received_ms, self._at_ms - received_ms)
            if len(self._seen) > CLOCKS_MAX:
                self._seen.popitem(last=False)
        else:
            seen.received_ms = max(seen.received_ms, received_ms)
        self._seen.move_to_end(clock)
