"""What every source yields: events with the time at which each is due.

Two feeds, the same for real and made-up matches: `MATCH` has every single thing that happens (events without a key),
`SCORE` has what is the case now (events with a key, see `scoreboard`).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

MATCH = "match"
SCORE = "score"

Keyed: TypeAlias = tuple[str, dict[str, Any]]
"""An event of the `SCORE` feed: its key and its data."""


class Timed(NamedTuple):
    """One event. ``due_s``: seconds since the source's beginning, never less than those of the item before.

    ``data`` is a JSON object; ``key`` is None for events that are no state.
    """

    due_s: float
    room_id: str
    feed: str
    key: str | None
    data: Mapping[str, Any]


def score_items(due_s: float, room_id: str, events: Iterable[Keyed]) -> Iterator[Timed]:
    """The `SCORE` events of a room as items that are due at ``due_s``."""
    return (Timed(due_s, room_id, SCORE, key, data) for key, data in events)
