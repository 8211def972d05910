"""``touchline demo``: one process with a log in memory, matches that are played, and a page that shows them.

It is the product as it stands: a `Node` whose control plane serves the page too, and a player that publishes as any
producer would. Nothing is made simpler for it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from touchline_server.config import Settings
from touchline_server.node import Node
from touchline_server.playback import Report, play
from touchline_server.sources.simulator import FIRST_MATCH_ID, simulate_under_way
from touchline_server.sources.statsbomb import ATTRIBUTION, read_match
from touchline_server.sources.timeline import Timed

PAGE = Path(__file__).parent / "page"

REPLAY_SPEED = 20.0
"""A real match of 93 minutes takes under 5: long enough to watch, short enough to see its goals."""

REPLAY_PAUSE_S = 20.0
"""Between the end of a replayed match and its next beginning: time to read the result. In seconds of the demo."""

SEED = 7
"""The made-up matches are the same at every start, so that two people see the same."""


class Programme(NamedTuple):
    """What the demo plays: a timeline, how much faster than its own time, how many matches at once, and whose data."""

    timeline: Iterator[Timed]
    speed: float
    matches: int
    newest_match: str
    attribution: str | None = None
    notes: Sequence[str] = ()


class Demo:
    """A node, its page, and the matches that are played into it."""

    def __init__(self, settings: Settings, programme: Programme) -> None:
        self.node = Node(settings, extra_routes=self._routes())
        self._programme = programme
        # Ids of made-up matches count up and each match replaces the oldest: the newest are those that are on.
        self._matches: deque[str] = deque(maxlen=programme.matches)

    async def play(self) -> None:
        """Play the matches; those that are made up never end."""
        report = Report(published=lambda _count: None, waiting=lambda _why: None)
        await play(self._noted(), self.node, report, speed=self._programme.speed)

    def _noted(self) -> Iterator[Timed]:
        for item in self._programme.timeline:
            if item.room_id not in self._matches:
                self._matches.append(item.room_id)
            yield item

    def _routes(self) -> list[BaseRoute]:
        return [Route("/demo.json", self._configuration), Mount("/", StaticFiles(directory=PAGE, html=True))]

    async def _configuration(self, _request: Request) -> JSONResponse:
        return JSONResponse(
            {
                "ws_port": self.node.edge_port,
                "matches": sorted(self._matches),
                "attribution": self._programme.attribution,
            }
        )


def made_up(matches: int, rate: float) -> Programme:
    """Matches that were never played. All are on from the start: what was before the last kick-off is history.

    Raises:
        OperatorError: numbers that no match can be played with.
    """
    newest = str(FIRST_MATCH_ID + matches - 1)
    return Programme(chain(*simulate_under_way(matches, rate, SEED)), speed=1.0, matches=matches, newest_match=newest)


def replayed(file: Path) -> Programme:
    """A real match, over and over.

    Raises:
        OperatorError: the file holds no match.
    """
    match = read_match(file)
    items = list(match.timeline)
    length_s = items[-1].due_s + REPLAY_PAUSE_S * REPLAY_SPEED
    rounds = (round_ * length_s for round_ in count())
    timeline = chain.from_iterable((item._replace(due_s=start_s + item.due_s) for item in items) for start_s in rounds)
    return Programme(timeline, REPLAY_SPEED, 1, match.match_id, ATTRIBUTION, match.notes)


async def run_demo(programme: Programme, settings: Settings, ready: Callable[[Node], None]) -> None:
    """Run the demo until it is cancelled; ``ready`` is called once the page can be opened."""
    demo = Demo(settings, programme)
    try:
        await demo.node.start()
        ready(demo.node)
        await asyncio.gather(demo.play(), demo.node.failed())
    finally:
        await demo.node.stop()
