"""``python -m touchline_loadtest``, which ``make bench`` runs.

Exit codes are those of ``touchline``: 0 done, 1 a measurement failed (or a mistake of ours), 2 something that
the user can mend, 130 interrupted.
"""

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import httpx
import typer
import uvloop
from rich.console import Console

from touchline_protocol.errors import OperatorError

from . import machine
from .clients import CrowdFailed
from .measuring import Bench
from .processes import ServerFailed
from .registry import SCENARIOS, Scenario, choose, resized
from .results import Result, check_writable, show, write_json

FILES = 20_000
"""Open at once by the largest scenario: 10,000 connections, with room for twice as many."""

USER_ERROR = 2
INTERRUPTED = 130


def bench(
    names: Annotated[list[str] | None, typer.Argument(metavar="[SCENARIO]...", help="Those to run; else all.")] = None,
    runs: Annotated[int | None, typer.Option(min=1, help="Runs of those scenarios that take a median.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="How long each measurement takes.")] = None,
    scale: Annotated[float, typer.Option(min=0.0001, help="Multiply clients, rooms and records by this.")] = 1.0,
    kafka: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="A broker for what needs one.")] = None,
    json: Annotated[Path, typer.Option(metavar="FILE", help="Where the results go.")] = Path("benchmarks.json"),
    list_: Annotated[bool, typer.Option("--list", help="List the scenarios and exit.")] = False,
) -> None:
    """Measure Touchline on this machine: the server on one core, its clients on another."""
    console = Console()
    if list_:
        for scenario in SCENARIOS.values():
            console.print(f"{scenario.name:20} {scenario.about}", highlight=False, soft_wrap=True)
        return
    try:
        scenarios = [
            scenario._replace(sizes=resized(scenario.sizes, runs=runs, seconds=seconds, scale=scale))
            for scenario in choose(names or [], kafka)
        ]
        check_writable(json)
        machine.need_files(min(FILES, int(FILES * scale) + 1000))
        cores = machine.choose_cores()
        machine.pin(0, cores.clients)
        results = uvloop.run(_run(scenarios, Bench(cores, kafka, lambda text: console.print(text, style="dim"))))
        show(results, console)
        write_json(results, json, cores)
    except OperatorError as error:
        _fail(str(error), USER_ERROR)
    except (CrowdFailed, ServerFailed, httpx.HTTPError) as error:
        _fail(str(error) or type(error).__name__, 1)
    except asyncio.CancelledError:
        _fail("ended by SIGTERM", INTERRUPTED)
    if not names and kafka is None:
        console.print("Scenarios that need a Kafka broker were left out: name one with --kafka host:port.")
    if not cores.pinned:
        console.print("Server and clients could not be given a core each: the numbers are of both together.")
    console.print(f"Written to {json}", highlight=False)


async def _run(scenarios: Sequence[Scenario], bench: Bench) -> list[Result]:
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this is a coroutine
    # So that the servers are ended on SIGTERM as they are on Ctrl-C.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    results = []
    for scenario in scenarios:
        result = await scenario.run(bench, scenario.sizes)
        if scenario.sizes != SCENARIOS[scenario.name].sizes:
            note = "run at other sizes than those that the bounds are meant for"
            result = Result(result.scenario, result.rows, result.sizes, [note, *result.notes])
        results.append(result)
    return results


def _fail(message: str, code: int) -> None:
    sys.stderr.write(f"bench: {message}\n")
    raise typer.Exit(code)


if __name__ == "__main__":
    typer.run(bench)
