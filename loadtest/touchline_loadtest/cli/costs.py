"""``costs``: measures what a plan is made from, on this machine."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from touchline_loadtest.measure import machine
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.results import check_writable
from touchline_loadtest.planner.calibration import Sizes, calibrate
from touchline_loadtest.planner.costs import Costs
from touchline_loadtest.planner.fit import errors

from .measuring import LOCAL, Kafka, run_measurement, with_broker
from .options.numbers import SECONDS_MAX, number

FILES = 20_000
"""Open files that the largest run needs: 8,000 connections, with room for twice as many."""


def costs(
    kafka: Kafka = LOCAL,
    output: Annotated[Path, typer.Option(metavar="FILE", help="Where to write the costs.")] = Path("costs.json"),
    seconds: Annotated[float, number("Length of each run.", 0.1, SECONDS_MAX)] = 5.0,
    scale: Annotated[float, number("Multiply clients and rooms by this, for a trial.", 0.001, 1)] = 1.0,
) -> None:
    """Measure on this machine what a plan is made from; takes five minutes."""
    console = Console()
    check_writable(output)
    machine.need_files(FILES)
    cores = machine.choose_cores()
    machine.pin(0, cores.clients)
    bench = Bench(cores, say=lambda text: console.print(text, style="dim"))
    found = run_measurement(_measure(bench, kafka, Sizes(seconds=seconds, scale=scale)))
    output.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    console.print(f"Costs are derived. {errors(found.cpu, found.runs).text}", highlight=False, soft_wrap=True)
    console.print(f"Costs written to {output}", highlight=False)


async def _measure(bench: Bench, kafka: str | None, sizes: Sizes) -> Costs:
    async with with_broker(bench, kafka) as with_kafka:
        return await calibrate(with_kafka, sizes)
