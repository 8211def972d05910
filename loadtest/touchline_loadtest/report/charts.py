"""What a chart shows, in data that any plotting library could draw. Pure."""

import itertools
from collections.abc import Sequence

import msgspec

POINTS_MAX = 1000
"""Points of one line: enough for every pixel of a chart that is 1,000 wide."""
LINES_MAX = 12
"""Lines of one chart: nobody can tell more of them apart. Those with the highest peaks stay."""
CHARTS_MAX = 30
"""Charts of one page. A page with all the points of all its lines has 7 MB, a usual one 2.1 MB."""
NAME_LENGTH_MAX = 48
"""Characters of a name in a legend."""


class Line(msgspec.Struct, frozen=True):
    """A line, or the bars of one group. ``colour`` is a name of the page's style sheet. None breaks the line."""

    name: str
    colour: str
    x: Sequence[float | str]
    y: Sequence[float | None]


class Chart(msgspec.Struct, frozen=True):
    """``omitted`` counts lines that were left out. ``wide`` charts take the whole width of the page.

    ``x_title`` and ``y_title`` have the units. The x values of ``bars`` are texts, those of ``lines`` times.
    """

    id: str
    title: str
    about: str
    x_title: str
    y_title: str
    lines: Sequence[Line]
    unit: str = ""
    form: str = "lines"
    log: bool = False
    wide: bool = False
    omitted: int = 0


def shortened(name: str, length_max: int = NAME_LENGTH_MAX) -> str:
    """``name`` without what is too much of it."""
    return name if len(name) <= length_max else f"{name[: length_max - 1]}…"


def unit_title(unit: str) -> str:
    """A unit as the title of an axis."""
    return {"/s": "per second", "": "count"}.get(unit, unit)


def with_unique_ids(charts: Sequence[Chart]) -> list[Chart]:
    """The charts, each with an id of its own: it is the name of its image too."""
    used: set[str] = set()
    unique: list[Chart] = []
    for chart in charts:
        names = (f"{chart.id}-{number}" if number else chart.id for number in itertools.count())
        name = next(name for name in names if name not in used)
        used.add(name)
        unique.append(msgspec.structs.replace(chart, id=name))
    return unique
