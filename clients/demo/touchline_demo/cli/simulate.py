"""``touchline simulate``: publish invented matches."""

from itertools import takewhile
from typing import Annotated

import typer

from touchline_cli.run import run_to_end
from touchline_demo.matches.simulator import FIRST_MATCH_ID, simulate_under_way
from touchline_protocol.printable import counted
from touchline_server.cli.options import ApiKeyOption, ConfigOption, ControlUrlOption, DirectLogOption
from touchline_server.cli.publish_targets.target import open_target

from .progress import play_with_progress, publishing_to, say


def simulate(
    matches: Annotated[int, typer.Option(min=1, help="Matches that are played at the same time.")] = 3,
    rate: Annotated[float, typer.Option(min=0.001, help="Average number of events per second in each match.")] = 2.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same matches.")] = 1,
    duration: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Stop after this time.  [default: run until Ctrl-C]")
    ] = None,
    url: ControlUrlOption = None,
    api_key: ApiKeyOption = None,
    log: DirectLogOption = None,
    config: ConfigOption = None,
) -> None:
    """Publish invented matches.

    Each match has a room in the feed match and one in the feed score; the first are match:1001 and score:1001. When a
    match ends the next one begins. All are under way from the start: what happened before the last kick-off is
    published at once, and --duration counts from then.
    """
    history, timeline = simulate_under_way(matches, rate, seed)
    if duration is not None:
        timeline = takewhile(lambda item: item.due_s <= duration, timeline)
    newest = FIRST_MATCH_ID + matches - 1
    say(publishing_to([str(number) for number in range(FIRST_MATCH_ID, newest + 1)], url, log, config))
    say("When a match ends, the next one begins in rooms of its own, which count up.")
    opening = open_target(url, api_key, log, config)
    run_to_end(play_with_progress([history, timeline], opening, counted(matches, "match", "matches")))
