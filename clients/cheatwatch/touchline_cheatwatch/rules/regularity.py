"""Actions at intervals more regular than a human's."""

from collections import deque
from statistics import fmean, median
from typing import Annotated, ClassVar

import msgspec

from touchline_cheatwatch.rooms import Room
from touchline_cheatwatch.types import Action, Finding

from .base import Kinds, Reason, Rule, Verdict, VerdictS
from .input_ticks import InputTicks

SPANS_MAX = 64
"""Intervals remembered for each player, at most. With more, a bot would have to keep its pace for many minutes."""


class RegularityState:
    """The newest intervals, and the one that has begun. ``crowd`` is what is known of all players."""

    __slots__ = ("actions", "at_ms", "begun_ms", "crowd", "spans_ms", "stretch")

    def __init__(self, crowd: InputTicks) -> None:
        self.crowd = crowd
        self.at_ms: int | None = None
        self.begun_ms = 0
        self.actions = 0
        self.stretch = -1
        self.spans_ms: deque[int] = deque(maxlen=SPANS_MAX)


class Regularity(Rule[RegularityState], frozen=True, kw_only=True):
    """Fires if the newest ``spans`` intervals, each over ``actions_per_span`` actions, vary by less than
    ``variation_min``: the coefficient of variation of the three quarters of them that lie nearest to their median.

    It measures over several actions because the network's delay is part of every single interval, and makes a bot's
    intervals vary as much as a human's. But the delay does not add up, while a human who was late stays late, and
    drifts. It leaves out a quarter because one hiccup of the network spoils two intervals. Do not use it for kinds that
    programs send at a steady pace, such as positions.
    """

    kinds: Kinds = ("tap",)
    actions_per_span: Annotated[int, msgspec.Meta(ge=1, le=100)] = 8
    spans: Annotated[int, msgspec.Meta(ge=4, le=SPANS_MAX)] = 24
    variation_min: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.004
    """Drummers vary by 0.03 and more from beat to beat, and drift. Over 8 beats that is 0.011 and more, and 0.006
    without the farthest quarter. People with a phone vary by 0.08 and more."""
    interval_s_min: Annotated[float, msgspec.Meta(gt=0, le=60)] = 0.05
    """Actions closer together than this are a queue that is sent again, and reveal nothing about how they were made: an
    edge takes them at once, or at its own steady pace (its ``actions.per_second_max``, 30). A player who really acts
    that fast breaks `rate`."""
    tick_s: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0
    """How often the game hands out what its players did, such as 0.1 for 10 Hz. It then accuses nobody who acts on that
    tick. 0: a tick that many players act on is recognised."""
    pause_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 5.0
    """After a longer pause between two actions, a new interval begins."""
    verdict: Verdict = "mute"
    verdict_s: VerdictS = 300
    reason: Reason = "Your actions come as regularly as only a program makes them."

    State: ClassVar[type[RegularityState]] = RegularityState
    Crowd: ClassVar[type[InputTicks]] = InputTicks

    def judge(self, action: Action, state: RegularityState, room: Room) -> Finding | None:
        """See `Rule.judge`."""
        at_ms = action.at_ms
        state.crowd.add(action.player, at_ms, is_continued=state.stretch == action.stretch)
        if state.at_ms is None or state.stretch != action.stretch or at_ms - state.at_ms > self.pause_s * 1000:
            state.stretch = action.stretch
            state.at_ms = state.begun_ms = at_ms
            state.actions = 0
            return None
        state.at_ms = at_ms
        state.actions += 1
        if state.actions < self.actions_per_span:
            return None
        span_ms, state.begun_ms, state.actions = at_ms - state.begun_ms, at_ms, 0
        if span_ms < self.interval_s_min * 1000 * self.actions_per_span:
            return None
        state.spans_ms.append(span_ms)
        if len(state.spans_ms) > self.spans:
            state.spans_ms.popleft()
        return self._finding(action.player, state) if len(state.spans_ms) == self.spans else None

    def _finding(self, player: str, state: RegularityState) -> Finding | None:
        spans_ms = state.spans_ms
        middle = median(spans_ms)
        nearest = sorted(spans_ms, key=lambda span_ms: abs(span_ms - middle))[: (3 * self.spans + 3) // 4]
        mean = fmean(nearest)
        variation = (sum((span_ms - mean) ** 2 for span_ms in nearest) / (len(nearest) - 1)) ** 0.5 / mean
        if variation >= self.variation_min:
            return None
        tick_ms = self.tick_s * 1000 or state.crowd.tick_ms()
        if tick_ms and state.crowd.is_on_tick(player, mean, tick_ms):
            return None
        actions = self.spans * self.actions_per_span
        interval_ms = round(mean / self.actions_per_span, 1)
        return Finding({"variation": round(variation, 5), "actions": actions, "interval_ms": interval_ms})
