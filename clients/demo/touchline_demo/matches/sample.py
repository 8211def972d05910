"""A whole match without a file: invented, but as long as a real one, and with about as many events."""

from itertools import takewhile

from .names import clubs
from .simulator import FIRST_MATCH_ID, simulate
from .statsbomb import Match

SEED = 15
"""The same match for everybody."""
MATCH_S = 95 * 60.0
RATE_PER_S = 0.7
"""A recorded match has 4,000 events in about 95 minutes."""


def sample_match(match_id: str | None = None) -> Match:
    """The match. ``match_id`` is the id of its rooms, that of the first invented match if it is None."""
    own_id = str(FIRST_MATCH_ID)
    home, away = clubs(SEED, 0)
    items = takewhile(lambda item: item.room_id == own_id, simulate(1, RATE_PER_S, SEED, MATCH_S))
    room_id = match_id or own_id
    timeline = tuple(item._replace(room_id=room_id) for item in items)
    return Match(room_id, home.name, away.name, timeline, notes=())
