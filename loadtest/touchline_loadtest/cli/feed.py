"""``feed``: publish an evening of matches, or the positions of players. ``profile``: derive what an evening follows."""

from pathlib import Path
from typing import Annotated

import httpx
import msgspec
import typer

from touchline_cli.run import run_to_end
from touchline_demo.matches.statsbomb import ATTRIBUTION, read_match
from touchline_loadtest.feeds.choice import Destination, FeedChoice, FeedName, topics_by_feed
from touchline_loadtest.feeds.evening import MATCHES
from touchline_loadtest.feeds.moments import Played, play
from touchline_loadtest.feeds.profile import derive

from .exit_codes import Failed
from .options.numbers import SECONDS_MAX, SPEED_MAX, number

Name = Annotated[FeedName, typer.Argument(help="Events and scores of matches, or positions of players.")]
Matches = Annotated[int, typer.Option(min=1, max=1000, help="Matches that are played at once.")]
Kafka = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="The broker to publish to.")]
Url = Annotated[str | None, typer.Option(metavar="URL", help="Publish over the HTTP API of this server instead.")]
ApiKey = Annotated[str | None, typer.Option(metavar="KEY", help="The API key that the server asks for.")]
Topic = Annotated[
    list[str] | None, typer.Option(metavar="FEED=TOPIC", help="A feed's topic, if it is not <feed>-events.")
]
Match = Annotated[
    list[Path] | None, typer.Option(metavar="FILE", help="Replay this match, in StatsBomb's format; may be repeated.")
]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Matches in StatsBomb's format.")]
Seed = Annotated[int, typer.Option(help="Everything that is random follows from it.")]
Speed = Annotated[float, number("1 is real time, 60 is a minute per second.", 0.001, SPEED_MAX)]
Seconds = Annotated[
    float | None, number("Stop after this many seconds.  [default: when the feed ends]", 0.1, SECONDS_MAX)
]


def feed(
    name: Name,
    matches: Matches = MATCHES,
    kafka: Kafka = None,
    url: Url = None,
    api_key: ApiKey = None,
    topic: Topic = None,
    match: Match = None,
    seed: Seed = 1,
    speed: Speed = 1.0,
    seconds: Seconds = None,
) -> None:
    """Publish a feed of realistic size and pace.

    `evening` plays 50 matches at once, with the rates, sizes and bursts of recorded matches, in the rooms match:1,
    score:1 and so on. `tracking` publishes 23 positions per match, 25 times a second, under a key each, in the rooms
    tracking:1 and so on. Records that go to Kafka are stamped with the time at which they were due.
    """
    choice = FeedChoice(name, matches, seed, match or [])
    destination = Destination(kafka, url, api_key, topics_by_feed(topic or []))
    try:
        played = run_to_end(_play(choice, destination, speed, seconds))
    except httpx.HTTPStatusError as error:
        raise Failed(f"publishing to {url}: HTTP {error.response.status_code}, {error.response.text}") from error
    except httpx.HTTPError as error:
        raise Failed(f"publishing to {url}: {str(error) or type(error).__name__}") from error
    late_ms = played.late_s * 1000
    typer.echo(f"Published {played.events:,} events, {played.bytes:,} bytes, at most {late_ms:.1f} ms late.")
    if match:
        typer.echo(f"{ATTRIBUTION}.")


async def _play(choice: FeedChoice, destination: Destination, speed: float, seconds: float | None) -> Played:
    moments = choice.moments()
    async with destination.open(choice.feeds()) as publish:
        return await play(moments, publish, speed=speed, seconds=float("inf") if seconds is None else seconds)


def profile(files: Files) -> None:
    """Derive the statistics of recorded matches.

    Prints the numbers that `feed evening` generates matches from, as JSON: kinds of events, their sizes, the times
    between them, and keys. None of the matches' own data is in them.
    """
    matches = [read_match(path) for path in files]
    names = ", ".join(match.match_id for match in matches)
    derived = derive([match.timeline for match in matches], f"StatsBomb Open Data, matches {names}. {ATTRIBUTION}.")
    typer.echo(msgspec.json.format(msgspec.json.encode(derived)).decode())
