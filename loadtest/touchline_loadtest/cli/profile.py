"""``profile``: derive the statistics that generated matches follow. ``feeds/profile.json`` is its output."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from touchline_demo.matches.statsbomb import ATTRIBUTION, read_match
from touchline_loadtest.feeds.profile import derive

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Matches in StatsBomb's format.")]


def profile(files: Files) -> None:
    """Derive the statistics of recorded matches.

    Prints the numbers that `feed evening` generates matches from, as JSON: kinds of events, their sizes, the times
    between them, and keys. None of the matches' own data is in them.
    """
    matches = [read_match(path) for path in files]
    names = ", ".join(match.match_id for match in matches)
    derived = derive([match.timeline for match in matches], f"StatsBomb Open Data, matches {names}. {ATTRIBUTION}.")
    typer.echo(msgspec.json.format(msgspec.json.encode(derived)).decode())
