"""Actions and rooms for tests of the rules and the engine alone."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from touchline_cheatwatch.rooms import Event, Room
from touchline_cheatwatch.rules.base import Rule
from touchline_cheatwatch.types import Action, Finding, Now

ROOM = "match:1"


class Did(NamedTuple):
    """An action, with a usual player and room."""

    received_ms: int
    kind: str = "tap"
    data: Any = None
    player: str = "ann"
    room: str = ROOM
    edge: str = "edge-1"
    clock: str = "c1"
    traceparent: str | None = None

    def at(self, event_clock_ms: int | None = None) -> Action:
        """The action as rules see it, where there is one clock only."""
        ms = self.received_ms
        return Action(
            self.player, self.room, self.kind, self.data, ms, ms, 0, ms if event_clock_ms is None else event_clock_ms
        )


def at(ms: int) -> Now:
    """A moment, for a service whose clock was never set."""
    return Now(ms, ms)


def new_state(rule: Rule[Any]) -> Any:
    """A new memory about a player, who is the only one."""
    return rule.State() if rule.Crowd is None else rule.State(rule.Crowd())


def room_of(*events: Event, complete: bool = False) -> Room:
    """A room that knows these events."""
    room = Room(1, complete=complete)
    for event in events:
        room.add(event)
    return room


def findings(rule: Rule[Any], actions: Iterable[Did], room: Room | None = None) -> list[tuple[Did, Finding]]:
    """The findings about one player's actions, with a new state after each finding, as in the engine."""
    found = []
    state = new_state(rule)
    for action in actions:
        finding = rule.judge(action.at(), state, room or room_of())
        if finding is not None:
            found.append((action, finding))
            state = new_state(rule)
    return found
