"""A score that the events of the room do not allow."""

from collections import OrderedDict
from typing import Annotated, ClassVar

import msgspec

from touchline_cheatwatch.rooms import Room
from touchline_cheatwatch.types import Action, Finding, number

from .base import Kinds, Reason, Rule, SettleS, Verdict, VerdictS

ROOMS_MAX = 8
"""Rooms in which a player has a score. One that is forgotten begins with a baseline again."""

Points = Annotated[float, msgspec.Meta(ge=0, le=1e9)]


class ScoreState:
    """For each room: its `Room.serial`, and the player's score before the events that are known."""

    __slots__ = ("baselines",)

    def __init__(self) -> None:
        self.baselines: OrderedDict[str, tuple[int, float]] = OrderedDict()


class Score(Rule[ScoreState], frozen=True, kw_only=True):
    """Fires if a player reports a score in a room (the total, in ``field``) that is higher than the points that its
    events allow.

    If all of the room's events since the beginning of its log are known, they must account for the whole score.
    Otherwise the first score that a player reports is accepted, up to `score_max`, and the points of the known events
    come on top of it: of all of them, because the action may have been made long before it arrived.
    """

    kinds: Kinds = ("score",)
    field: str = "score"
    points: dict[str, Points] = msgspec.field(default_factory=lambda: {"last_goal": 10.0, "Shot": 1.0})
    """The most points that an event can bring, by its name: its key, or its type if it has none. ``*`` stands for all
    others."""
    score_max: Annotated[float, msgspec.Meta(gt=0, le=1e9)] = 10_000
    """More than anyone can have in a room, whatever happened before."""
    settle_s: SettleS = 1.0
    verdict: Verdict = "mute"
    verdict_s: VerdictS = 300
    reason: Reason = "Your score is higher than what happened in the game allows."

    State: ClassVar[type[ScoreState]] = ScoreState

    def judge(self, action: Action, state: ScoreState, room: Room) -> Finding | None:
        """See `Rule.judge`."""
        score = number(action.data, self.field)
        if score is None:
            return None
        if score > self.score_max:
            return Finding({"score": score, "allowed": self.score_max})
        serial, baseline = state.baselines.get(action.room, (-1, 0.0))
        if serial != room.serial:
            baseline = 0.0 if room.complete else max(score, 0.0)
            state.baselines[action.room] = (room.serial, baseline)
            if len(state.baselines) > ROOMS_MAX:
                state.baselines.popitem(last=False)
        allowed = baseline + self._points(room)
        if score <= allowed or room.names_full:
            return None
        return Finding({"score": score, "allowed": allowed, "baseline": baseline})

    def _points(self, room: Room) -> float:
        other = self.points.get("*", 0)
        return sum(self.points.get(name, other) * count for name, count in room.counts.items())
