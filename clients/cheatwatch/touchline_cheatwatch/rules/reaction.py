"""Reactions to events that are faster than a human's."""

from collections import deque
from typing import Annotated, ClassVar

import msgspec

from touchline_cheatwatch.rooms import Event, Room
from touchline_cheatwatch.types import Action, Finding

from .base import Kinds, Reason, Rule, SettleS, Verdict, VerdictS, in_ms

HUMAN_MS_MAX = 600
"""Nearly all reactions of humans take less than this, counted from the event in the log to the action at the edge."""

REACTIONS_MAX = 64
"""Reactions remembered for each player, at most."""


class ReactionState:
    """The newest reactions in milliseconds, and the player's last action."""

    __slots__ = ("at_ms", "offset", "reactions_ms", "room")

    def __init__(self) -> None:
        self.at_ms = 0
        self.room = ""
        self.offset = -1
        self.reactions_ms: deque[int] = deque(maxlen=REACTIONS_MAX)


class Reaction(Rule[ReactionState], frozen=True, kw_only=True):
    """Fires if at least ``fast_min`` of the newest ``reactions`` reactions took less than ``human_s_min``.

    A reaction is the first action of these kinds after an event. The event is the one whose offset is in the action's
    data (`event_field`), or else the newest one before it in time. In the latter case it counts only if the player did
    nothing of these kinds for `quiet_s` before the event: a player who acts all the time is soon after every event by
    chance.
    """

    kinds: Kinds = ("react",)
    events: tuple[str, ...] = ()
    """The names of the events that players react to: their keys, or their types if they have none. Empty: all."""
    event_field: str = "offset"
    """The field of data that may hold the event's offset. Use it if the game counts the action for that event, or a bot
    would name older ones. Empty: none."""
    human_s_min: Annotated[float, msgspec.Meta(gt=0, le=10)] = 0.15
    """The time from the event in the log to the action at the edge. Seeing something and pressing a key takes a human
    at least 150 ms, plus the network in both directions."""
    clock_s: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.05
    """How far the clocks of producers and edges may differ, in the player's favour."""
    window_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 2.0
    """An action later than this after an event is not a reaction to it. One that is this much earlier, though it names
    the event, says something about clocks, and nothing about the player."""
    quiet_s: Annotated[float, msgspec.Meta(ge=0, le=60)] = 1.0
    reactions: Annotated[int, msgspec.Meta(ge=1, le=REACTIONS_MAX)] = 10
    fast_min: Annotated[int, msgspec.Meta(ge=1, le=REACTIONS_MAX)] = 8
    settle_s: SettleS = 0.5
    verdict: Verdict = "mute"
    verdict_s: VerdictS = 300
    reason: Reason = "You react to events faster than a person can see them."

    State: ClassVar[type[ReactionState]] = ReactionState

    def __post_init__(self) -> None:
        if self.fast_min > self.reactions:
            raise ValueError("fast_min must be at most reactions: the rule could never fire")
        if self.clock_s >= self.human_s_min:
            raise ValueError("clock_s must be less than human_s_min: the rule could never fire")

    def judge(self, action: Action, state: ReactionState, room: Room) -> Finding | None:
        """See `Rule.judge`."""
        at_ms, before_ms = action.event_clock_ms, state.at_ms
        if at_ms is None:
            return None
        state.at_ms = max(at_ms, before_ms)
        named = action.data.get(self.event_field) if isinstance(action.data, dict) and self.event_field else None
        event: Event | None
        if isinstance(named, int):
            event = room.at(named)
        else:
            event = room.newest_before(at_ms + self.clock_s * 1000, self.events)
            if event is not None and (
                event.ms - before_ms < self.quiet_s * 1000 or self._is_ambiguous(event, at_ms, room)
            ):
                return None
        if event is None or (state.room, state.offset) == (action.room, event.offset):
            return None
        state.room, state.offset = action.room, event.offset
        reaction_ms = at_ms - event.ms
        if abs(reaction_ms) > self.window_s * 1000:
            return None
        state.reactions_ms.append(reaction_ms)
        if len(state.reactions_ms) > self.reactions:
            state.reactions_ms.popleft()
        return self._finding(state.reactions_ms)

    def _is_ambiguous(self, event: Event, at_ms: int, room: Room) -> bool:
        """Whether the action may just as well be a human's answer to the event before this one."""
        before = room.newest_before(event.ms - 1, self.events)
        return before is not None and at_ms - before.ms < min(HUMAN_MS_MAX, self.quiet_s * 1000)

    def _finding(self, reactions_ms: deque[int]) -> Finding | None:
        limit_ms = self.human_s_min * 1000 - self.clock_s * 1000
        fast = sum(reaction_ms < limit_ms for reaction_ms in reactions_ms)
        if fast < self.fast_min:
            return None
        return Finding({"reactions_ms": list(reactions_ms), "fast": fast, "human_ms_min": in_ms(self.human_s_min)})
