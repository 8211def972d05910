"""What every source of matches yields: events with the time at which each is due.

Real and invented matches have the same two feeds: `MATCH` has every single thing that happens, as events without a key;
`SCORE` has the current state, as events with a key (see `scoreboard`).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

MATCH = "match"
SCORE = "score"

Keyed: TypeAlias = tuple[str, dict[str, Any]]
"""An event of the `SCORE` feed: its key and its data."""


class Timed(NamedTuple):
    """One event. ``due_s``: seconds since the timeline's beginning, never less than that of the item before.

    ``data`` is a JSON object; ``key`` is None for events that are not state.
    """

    due_s: float
    room_id: str
    feed: str
    key: str | None
    data: Mapping[str, Any]


def score_items(due_s: float, room_id: str, events: Iterable[Keyed]) -> Iterator[Timed]:
    """The `SCORE` events of a room as items due at ``due_s``."""
    return (Timed(due_s, room_id, SCORE, key, data) for key, data in events)
