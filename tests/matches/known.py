"""The match files that tests read: an invented one, and real ones if they are available.

Real files are StatsBomb Open Data: ``match-15946.events.json`` and ``match-15986.events.json`` in the folder named by
``TOUCHLINE_MATCH_DATA``, else in ``shared/data`` beside the repository. They are never part of it.
"""

import os
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("TOUCHLINE_MATCH_DATA") or ROOT.parent / "shared" / "data")

Goal = tuple[str, int]


class Known(NamedTuple):
    """A file, and facts about its match from another source."""

    path: Path
    events: int
    home: str
    away: str
    goals: tuple[Goal, ...]
    notes: int


MADE_UP = Known(
    Path(__file__).with_name("made_up_match.json"),
    22,
    "Birch End",
    "Alder Vale",
    (("Birch End", 18), ("Alder Vale", 55), ("Birch End", 90)),
    1,
)
REAL = (
    Known(
        FOLDER / "match-15946.events.json",
        4009,
        "Barcelona",
        "Deportivo Alavés",
        (("Barcelona", 63), ("Barcelona", 82), ("Barcelona", 91)),
        1,
    ),
    Known(
        FOLDER / "match-15986.events.json",
        4027,
        "Barcelona",
        "Girona",
        (("Barcelona", 18), ("Girona", 44), ("Girona", 50), ("Barcelona", 62)),
        0,
    ),
)
KNOWN = (MADE_UP, *(known for known in REAL if known.path.is_file()))
