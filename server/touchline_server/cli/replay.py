"""``touchline replay`` and ``touchline simulate``: publish a recorded match, or made-up ones, as they are played."""

from collections.abc import Awaitable, Iterable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from touchline_demo.matches.simulator import simulate_under_way
from touchline_demo.matches.statsbomb import ATTRIBUTION, read_match
from touchline_demo.matches.timeline import MATCH, SCORE, Timed
from touchline_demo.playback import Report, play
from touchline_protocol.errors import OperatorError
from touchline_protocol.rooms import split_room

from .options import ApiKeyOption, ConfigOption, DirectLogOption, ServerOption, open_publisher
from .publish_targets import Publisher
from .signals import run_to_end


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The match's events file in StatsBomb's format.")],
    room: Annotated[
        str | None,
        typer.Option(metavar="ROOM", help="match:<id>; the score goes to score:<id>.  [default: the file's number]"),
    ] = None,
    speed: Annotated[float, typer.Option(min=0.001, help="1 is as it was played, 60 a minute each second.")] = 1.0,
    server: ServerOption = None,
    api_key: ApiKeyOption = None,
    log: DirectLogOption = None,
    config: ConfigOption = None,
) -> None:
    """Publish a recorded match as it was played.

    Its events go to match:<id>, and what follows from them for the score to score:<id>, in order. While the server or
    the log is away it waits up to a minute, then goes on where it was. An event is published twice only where a
    connection broke after the event was taken and before that was answered.
    """
    match = read_match(file, _match_id(room))
    console = Console(stderr=True)
    for note in match.notes:
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"{match.home} - {match.away}. {ATTRIBUTION}.", markup=False, highlight=False, soft_wrap=True)
    publishing = open_publisher(server, api_key, log, config)
    title = f"{MATCH}:{match.match_id}, {SCORE}:{match.match_id}"
    run_to_end(_play([match.timeline], publishing, console, title, total=len(match.timeline), speed=speed))


def simulate(
    matches: Annotated[int, typer.Option(min=1, help="Matches that are played at any time.")] = 3,
    rate: Annotated[float, typer.Option(min=0.001, help="Events of each match in a second, on average.")] = 2.0,
    seed: Annotated[int, typer.Option(help="The same seed makes the same matches.")] = 1,
    duration: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Stop after so long.  [default: go on until Ctrl-C]")
    ] = None,
    server: ServerOption = None,
    api_key: ApiKeyOption = None,
    log: DirectLogOption = None,
    config: ConfigOption = None,
) -> None:
    """Publish made-up matches.

    Each has a room in the feed match and one in score; the first are match:1001, score:1001. When one ends the next
    begins. All are being played from the start: what came before the last one's kick-off is published at once, and
    --duration counts from then.
    """
    history, timeline = simulate_under_way(matches, rate, seed)
    if duration is not None:
        timeline = takewhile(lambda item: item.due_s <= duration, timeline)
    publishing = open_publisher(server, api_key, log, config)
    timelines = [history, timeline]
    run_to_end(_play(timelines, publishing, Console(stderr=True), f"{matches} matches", total=None, speed=1.0))


def _match_id(room: str | None) -> str | None:
    if room is None:
        return None
    feed, room_id = split_room(room)
    if feed != MATCH:
        raise OperatorError(f"a match is replayed into the feed {MATCH}: give --room {MATCH}:{room_id}")
    return room_id


async def _play(
    timelines: Sequence[Iterable[Timed]],
    publishing: Awaitable[Publisher],
    console: Console,
    title: str,
    *,
    total: int | None,
    speed: float,
) -> None:
    """Play one timeline after the other. Each has its own beginning, however long those before took."""
    publisher = await publishing
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(title, total=total)

            def waiting(problem: str) -> None:
                progress.update(task, description=f"waiting: {problem}")

            def published(count: int) -> None:
                progress.update(task, advance=count, description=title)

            for timeline in timelines:
                await play(timeline, publisher, Report(published, waiting), speed=speed)
    finally:
        await publisher.close()
