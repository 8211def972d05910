"""Plays timelines into a target of the command line, with a progress bar on stderr."""

import sys
from collections.abc import Awaitable, Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from touchline_demo.matches.timeline import MATCH, SCORE, Timed
from touchline_demo.playback import Report, play
from touchline_protocol.printable import escaped, without_credentials
from touchline_server.cli.options import control_plane
from touchline_server.cli.publish_targets.target import PublishTarget


def say(line: str) -> None:
    """Print a line about what happens, before any progress bar is shown."""
    sys.stderr.write(f"{escaped(without_credentials(line))}\n")


def publishing_to(match_ids: Sequence[str], url: str | None, log: str | None, config: Path | None) -> str:
    """Which rooms are published to, and where: a bar without a terminal shows nothing before its end."""
    first, last = match_ids[0], match_ids[-1]
    rooms = [f"{feed}:{first}" + (f" to {feed}:{last}" if first != last else "") for feed in (MATCH, SCORE)]
    where = "straight into the log" if log else f"through the server at {url or control_plane(config).url}"
    return f"Publishing to {' and '.join(rooms)}, {where}."


async def play_with_progress(
    timelines: Sequence[Iterable[Timed]],
    opening: Awaitable[PublishTarget],
    title: str,
    *,
    total: int | None = None,
    speed: float = 1.0,
) -> None:
    """Play one timeline after another. Each starts at its own beginning, however long those before took."""
    target = await opening
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(title, total=total)

            reported = ""

            def waiting(problem: str) -> None:
                nonlocal reported
                if not console.is_terminal and problem != reported:
                    say(f"waiting: {problem}")
                reported = problem
                progress.update(task, description=escaped(f"waiting: {problem}"))

            def published(count: int) -> None:
                progress.update(task, advance=count, description=title)

            for timeline in timelines:
                await play(timeline, target, Report(published, waiting), speed=speed)
    finally:
        await target.close()
