"""``bench``: the scenarios, with the server on one core and its clients on another. ``make bench`` runs it."""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from touchline_loadtest.clock import now_ms
from touchline_loadtest.measure import machine
from touchline_loadtest.measure.bench import Bench, ServerCommand
from touchline_loadtest.measure.results import Result, check_writable, show, summary, write_json
from touchline_loadtest.registry import SCENARIOS, Scenario, choose, resized
from touchline_loadtest.runs.records import Mark, RunInfo
from touchline_loadtest.runs.versions import versions
from touchline_loadtest.runs.writer import RunWriter
from touchline_loadtest.samplers.children import recorded
from touchline_protocol.errors import OperatorError

from .measuring import Kafka, run_measurement, with_broker
from .options.numbers import RUNS_MAX, SECONDS_MAX, number

FILES = 20_000
"""Open files that the largest scenario needs: 10,000 connections, with room for twice as many."""
SCALE_MAX = 100.0
"""A million connections in the largest scenario."""
NAMES_MAX = 3
"""Scenarios that the title of a run names one by one."""

Names = Annotated[list[str] | None, typer.Argument(metavar="[SCENARIO]...", help="Scenarios to run; all by default.")]
Runs = Annotated[int | None, number("Runs of each scenario that reports a median.", 1, RUNS_MAX)]
Seconds = Annotated[float | None, number("Length of each measurement.", 0.1, SECONDS_MAX)]
Scale = Annotated[float, number("Multiply clients, rooms and records by this.", 0.0001, SCALE_MAX)]
Json = Annotated[Path, typer.Option(metavar="FILE", help="Where to write the results.")]
ServerPython = Annotated[
    str, typer.Option(metavar="PATH", help="Python interpreter whose installed server is measured.", show_default=False)
]
ServerRename = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=NAME", help="The name that the measured server has for an environment variable."),
]
RunFolder = Annotated[
    Path | None, typer.Option("--run", metavar="FOLDER", help="Also record the run, for the command report.")
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
    run: RunFolder = None,
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
    recorder = None if run is None else RunWriter.create(run, _run_info(scenarios, bench, scale))
    results = run_measurement(_run(scenarios, bench, recorder))
    show(results, console)
    write_json(results, json, cores, server)
    if recorder is not None:
        recorder.finish(now_ms(), *summary(results))
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


def _run_info(scenarios: Sequence[Scenario], bench: Bench, scale: float) -> RunInfo:
    names = [scenario.name for scenario in scenarios]
    return RunInfo(
        name=f"Benchmark: {', '.join(names)}" if len(names) <= NAMES_MAX else f"Benchmarks: {len(names)} scenarios",
        kind="bench",
        began_ms=now_ms(),
        versions=versions(),
        machine=machine.describe(),
        settings={
            "scenarios": " ".join(names),
            "scale": scale,
            "kafka": bench.kafka,
            "server_python": bench.server.python,
            "a core each for server and clients": bench.cores.pinned,
        },
    )


async def _run(scenarios: Sequence[Scenario], bench: Bench, recorder: RunWriter | None) -> list[Result]:
    recording = contextlib.nullcontext() if recorder is None else recorded(recorder)
    async with recording, with_broker(bench, bench.kafka) as with_kafka:
        return [await _run_one(scenario, with_kafka, recorder) for scenario in scenarios]


async def _run_one(scenario: Scenario, bench: Bench, recorder: RunWriter | None) -> Result:
    began_ms = now_ms()
    result = await scenario.run(bench, scenario.sizes)
    if recorder is not None:
        recorder.mark(Mark(began_ms, scenario.name, end_ms=now_ms()))
    return result if scenario.sizes == SCENARIOS[scenario.name].sizes else result.at_other_sizes()
