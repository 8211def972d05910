"""``touchline replay``: publish a recorded match as it was played."""

from pathlib import Path
from typing import Annotated

import typer

from touchline_cli.run import run_to_end
from touchline_demo.matches.sample import sample_match
from touchline_demo.matches.statsbomb import ATTRIBUTION, read_match
from touchline_demo.matches.timeline import MATCH, SCORE
from touchline_protocol.errors import OperatorError
from touchline_protocol.rooms import split_room
from touchline_server.cli.options import ApiKeyOption, ConfigOption, ControlUrlOption, DirectLogOption
from touchline_server.cli.publish_targets.target import open_target

from .progress import play_with_progress, publishing_to, say


def replay(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The match's events file in StatsBomb's format.")
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Replay an invented match, which needs no file.")] = False,
    room: Annotated[
        str | None,
        typer.Option(
            metavar="ROOM",
            help="match:<id>; the score goes to score:<id>.  [default: the file's number, or match:1001]",
        ),
    ] = None,
    speed: Annotated[float, typer.Option(min=0.001, help="1 is real time, 60 is a minute per second.")] = 1.0,
    url: ControlUrlOption = None,
    api_key: ApiKeyOption = None,
    log: DirectLogOption = None,
    config: ConfigOption = None,
) -> None:
    """Publish a recorded match as it was played.

    FILE is a match of StatsBomb's open data, from https://github.com/statsbomb/open-data/tree/master/data/events.
    Its events go to match:<id>, and the resulting score to score:<id>, in order. While the server or the log is
    unavailable the command waits up to a minute, then continues where it was. An event is published twice only if a
    connection breaks after the event was accepted and before the answer arrived.
    """
    if (file is None) is not sample:
        raise OperatorError("replay needs the FILE of a match, or --sample for an invented one, and not both")
    match = sample_match(_match_id(room)) if file is None else read_match(file, _match_id(room))
    for note in match.notes:
        say(f"note: {note}")
    say(f"{match.home} - {match.away}. {ATTRIBUTION if file else 'An invented match'}.")
    say(publishing_to([match.match_id], url, log, config))
    opening = open_target(url, api_key, log, config)
    title = f"{MATCH}:{match.match_id}, {SCORE}:{match.match_id}"
    total = len(match.timeline)
    run_to_end(play_with_progress([match.timeline], opening, title, total=total, speed=speed))


def _match_id(room: str | None) -> str | None:
    if room is None:
        return None
    feed, room_id = split_room(room)
    if feed != MATCH:
        raise OperatorError(f"a match is replayed into the feed {MATCH}: use --room {MATCH}:{room_id}")
    return room_id
