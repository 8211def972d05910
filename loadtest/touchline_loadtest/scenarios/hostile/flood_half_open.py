"""5,000 connections that send half a request: how late events reach others, and what the server keeps."""

from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.results import Result
from touchline_loadtest.wire.floods import Flood

from . import flood

NAME = "flood-half-open"


class Sizes(flood.Sizes, frozen=True):
    """As for the other floods, with up to 5,000 connections from four addresses."""

    flooders: int = 5_000


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    return await flood.run(bench, sizes, name=NAME, flood=Flood.HALF_OPEN)
