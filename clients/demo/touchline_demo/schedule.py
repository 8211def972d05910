"""What the demo plays: invented matches without end, or a recorded one over and over."""

from collections.abc import Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

from .matches.simulator import FIRST_MATCH_ID, simulate_under_way
from .matches.statsbomb import ATTRIBUTION, read_match
from .matches.timeline import Timed

REPLAY_SPEED = 20.0
"""A real match of 93 minutes takes less than 5: long enough to watch, short enough to see its goals."""

REPLAY_PAUSE_S = 20.0
"""From the end of a recorded match to its next kick-off, in seconds of the demo: time to read the result."""

SEED = 7
"""Invented matches are the same at every start, so that two people see the same."""


class Schedule(NamedTuple):
    """A timeline, and how to play it.

    ``speed``: how many times faster than its own time. ``matches``: how many are played at once. ``attribution``: whose
    data it is. ``notes``: what to tell the operator about the data.
    """

    timeline: Iterator[Timed]
    speed: float
    matches: int
    newest_match: str
    attribution: str | None = None
    notes: Sequence[str] = ()


def invented(matches: int, rate: float) -> Schedule:
    """Matches that were never played. All are under way from the start: events before the last kick-off are history.

    Raises:
        OperatorError: no match can be played with these numbers.
    """
    newest = str(FIRST_MATCH_ID + matches - 1)
    return Schedule(chain(*simulate_under_way(matches, rate, SEED)), speed=1.0, matches=matches, newest_match=newest)


def recorded(file: Path) -> Schedule:
    """A real match, over and over.

    Raises:
        OperatorError: the file does not contain a match.
    """
    match = read_match(file)
    items = list(match.timeline)
    length_s = items[-1].due_s + REPLAY_PAUSE_S * REPLAY_SPEED
    rounds = (round_ * length_s for round_ in count())
    timeline = chain.from_iterable((item._replace(due_s=start_s + item.due_s) for item in items) for start_s in rounds)
    return Schedule(timeline, REPLAY_SPEED, 1, match.match_id, ATTRIBUTION, match.notes)
