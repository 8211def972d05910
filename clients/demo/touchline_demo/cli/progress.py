"""Plays timelines into a target of the command line, with a progress bar on stderr."""

from collections.abc import Awaitable, Iterable, Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from touchline_demo.matches.timeline import Timed
from touchline_demo.playback import Report, play
from touchline_server.cli.publish_targets.target import PublishTarget


async def play_with_progress(
    timelines: Sequence[Iterable[Timed]],
    opening: Awaitable[PublishTarget],
    console: Console,
    title: str,
    *,
    total: int | None = None,
    speed: float = 1.0,
) -> None:
    """Play one timeline after another. Each starts at its own beginning, however long those before took."""
    target = await opening
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(title, total=total)

            def waiting(problem: str) -> None:
                progress.update(task, description=f"waiting: {problem}")

            def published(count: int) -> None:
                progress.update(task, advance=count, description=title)

            for timeline in timelines:
                await play(timeline, target, Report(published, waiting), speed=speed)
    finally:
        await target.close()
