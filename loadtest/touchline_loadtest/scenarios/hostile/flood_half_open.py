"""5,000 connections that send half a request: how late events reach others, and what the server keeps."""

from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.results import Result
from touchline_loadtest.wire.floods import Flood

from .flood import HeldSizes as Sizes
from .flood import run as run_flood

NAME = "flood-half-open"

__all__ = ["NAME", "Sizes", "run"]


async def run(bench: Bench, sizes: Sizes) -> Result:
    """Run it."""
    return await run_flood(bench, sizes, name=NAME, flood=Flood.HALF_OPEN)
