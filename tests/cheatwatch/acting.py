"""Actions and rooms for tests of the rules and the engine alone."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from touchline_cheatwatch.rooms import Event, Room
from touchline_cheatwatch.rules.base import Rule
from touchline_cheatwatch.types import Finding

ROOM = "match:1"


class Did(NamedTuple):
    """An action, with a usual player and room."""

    received_ms: int
    kind: str = "tap"
    data: Any = None
    player: str = "ann"
    room: str = ROOM


def room_of(*events: Event, complete: bool = False) -> Room:
    """A room that knows these events."""
    room = Room(1, complete=complete)
    for event in events:
        room.add(event)
    return room


def findings(rule: Rule[Any], actions: Iterable[Did], room: Room | None = None) -> list[tuple[Did, Finding]]:
    """The findings about one player's actions, with a new state after each finding, as in the engine."""
    found = []
    state = rule.State()
    for action in actions:
        finding = rule.judge(action, state, room or room_of())
        if finding is not None:
            found.append((action, finding))
            state = rule.State()
    return found
