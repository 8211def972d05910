"""``bench``: the scenarios, with the server on one core and its clients on another. ``make bench`` runs it."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from touchline_loadtest.measure import machine
from touchline_loadtest.measure.bench import Bench, ServerCommand
from touchline_loadtest.measure.results import Result, check_writable, show, write_json
from touchline_loadtest.registry import SCENARIOS, Scenario, choose, resized
from touchline_protocol.errors import OperatorError

from .measuring import run_measurement

FILES = 20_000
"""Open files that the largest scenario needs: 10,000 connections, with room for twice as many."""

Names = Annotated[list[str] | None, typer.Argument(metavar="[SCENARIO]...", help="Scenarios to run; all by default.")]
Runs = Annotated[int | None, typer.Option(min=1, help="Runs of each scenario that reports a median.")]
Seconds = Annotated[float | None, typer.Option(min=0.1, help="Length of each measurement.")]
Scale = Annotated[float, typer.Option(min=0.0001, help="Multiply clients, rooms and records by this.")]
Kafka = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="A broker, for scenarios that need one.")]
Json = Annotated[Path, typer.Option(metavar="FILE", help="Where to write the results.")]
ServerPython = Annotated[
    str, typer.Option(metavar="PATH", help="Python interpreter whose installed server is measured.", show_default=False)
]
ServerRename = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=NAME", help="The name that the measured server has for an environment variable."),
]
List = Annotated[bool, typer.Option("--list", help="List the scenarios and exit.")]


def bench(
    names: Names = None,
    runs: Runs = None,
    seconds: Seconds = None,
    scale: Scale = 1.0,
    kafka: Kafka = None,
    json: Json = Path("benchmarks.json"),
    server_python: ServerPython = sys.executable,
    server_rename: ServerRename = None,
    list_: List = False,
) -> None:
    """Measure Touchline on this machine, with the server on one core and its clients on another."""
    console = Console()
    if list_:
        for scenario in SCENARIOS.values():
            console.print(f"{scenario.name:20} {scenario.about}", highlight=False, soft_wrap=True)
        return
    scenarios = [
        scenario._replace(sizes=resized(scenario.sizes, runs=runs, seconds=seconds, scale=scale))
        for scenario in choose(names or [], kafka)
    ]
    check_writable(json)
    machine.need_files(min(FILES, int(FILES * scale) + 1000))
    server = ServerCommand(server_python, _pairs(server_rename or []))
    cores = machine.choose_cores()
    machine.pin(0, cores.clients)
    bench = Bench(cores, kafka, lambda text: console.print(text, style="dim"), server)
    results = run_measurement(_run(scenarios, bench))
    show(results, console)
    write_json(results, json, cores, server)
    if not names and kafka is None:
        console.print("Scenarios that need a Kafka broker were left out: name one with --kafka host:port.")
    if not cores.pinned:
        console.print("Server and clients could not be given a core each: the numbers are of both together.")
    console.print(f"Results written to {json}", highlight=False)


def _pairs(renames: Sequence[str]) -> dict[str, str]:
    """Split ``NAME=NAME``.

    Raises:
        OperatorError: one of them has another form.
    """
    pairs = {}
    for rename in renames:
        name, equals, other = rename.partition("=")
        if not (name and equals and other):
            raise OperatorError(f"--server-rename takes NAME=NAME, not {rename!r}")
        pairs[name] = other
    return pairs


async def _run(scenarios: Sequence[Scenario], bench: Bench) -> list[Result]:
    results = []
    for scenario in scenarios:
        result = await scenario.run(bench, scenario.sizes)
        if scenario.sizes != SCENARIOS[scenario.name].sizes:
            note = "run at sizes that the bounds are not meant for"
            result = Result(result.scenario, result.rows, result.sizes, [note, *result.notes])
        results.append(result)
    return results
