"""``peers``: the fan-out of Touchline beside that of its peers. ``make bench-peers`` installs them and runs it."""

import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.peers.fan_out.comparison import Broker, Entry, choose, compare
from touchline_loadtest.peers.fan_out.observer import Observer
from touchline_loadtest.peers.fan_out.results import PeerResult, Sizes
from touchline_loadtest.peers.fan_out.tables import as_markdown, document, show, summary
from touchline_loadtest.runs.writer import RunWriter

from .exit_codes import Failed
from .measuring import LOCAL, Kafka, local_broker, run_measurement
from .options.numbers import CLIENTS_MAX, RATE_HZ_MAX, RUNS_MAX, SECONDS_MAX, number
from .peer_options import (
    MS,
    Files,
    Json,
    List,
    Markdown,
    Names,
    RunFolder,
    prepare,
    run_info,
)

FILES_SPARE = 1000
"""Open files of a process besides its connections."""
SECTION = "fan-out"
"""The name of the section of docs/comparison.md that has the table."""
TABLE_WIDTH = 120
"""Columns of the table, in characters, where there is no terminal."""
DELIVERIES_HZ_MAX = 1e9
"""A thousand times what a core delivers."""
DEFAULTS = Sizes()

Clients = Annotated[int, number("Clients in the room.", 20, CLIENTS_MAX)]
Seconds = Annotated[float, number("Length of each measurement.", 0.1, SECONDS_MAX)]
Runs = Annotated[int, number("Measurements at the given rate; the median counts.", 1, RUNS_MAX)]
Rate = Annotated[float, number("Events per second.", 0.1, RATE_HZ_MAX)]
Bytes = Annotated[int, typer.Option("--bytes", min=64, max=60_000, help="Bytes of an event's value.")]
StepSeconds = Annotated[float, number("Length of each step towards the highest rate.", 0.1, SECONDS_MAX)]
MostDeliveries = Annotated[float, number("The highest rate to try, in deliveries per second.", 1, DELIVERIES_HZ_MAX)]
Settle = Annotated[float, number("Seconds of rest before memory is looked at.", 0, SECONDS_MAX)]


def peers(
    names: Names = None,
    clients: Clients = DEFAULTS.clients,
    seconds: Seconds = DEFAULTS.seconds,
    runs: Runs = DEFAULTS.runs,
    rate: Rate = DEFAULTS.rate_hz,
    size: Bytes = DEFAULTS.event_bytes,
    step_seconds: StepSeconds = DEFAULTS.step_seconds,
    most_deliveries: MostDeliveries = DEFAULTS.most_deliveries_per_s,
    settle: Settle = DEFAULTS.settle_s,
    kafka: Kafka = None,
    json: Json = Path("peers.json"),
    markdown: Markdown = None,
    run: RunFolder = None,
    list_: List = False,
) -> None:
    """Compare the fan-out of Touchline with that of other servers, each on one core.

    A peer that is not installed, or fails, is reported as such, and the others are measured all the same.
    """
    console = Console(width=None if sys.stdout.isatty() else TABLE_WIDTH)
    entries = choose(names or [], _broker(kafka))
    if list_:
        for entry in entries:
            console.print(f"{entry.name:20} {entry.peer.package}: {entry.note}", highlight=False, soft_wrap=True)
        return
    sizes = Sizes(
        clients=clients,
        seconds=seconds,
        runs=runs,
        rate_hz=rate,
        event_bytes=size,
        step_seconds=step_seconds,
        most_deliveries_per_s=most_deliveries,
        settle_s=settle,
    )
    files = Files(json, markdown, run, SECTION)
    files.check()
    bench = prepare(clients + FILES_SPARE, console)
    results = _measure(entries, bench, sizes, run)
    show(results, console)
    files.write_results(document(results, sizes, pinned=bench.cores.pinned), as_markdown(results, sizes))
    if not bench.cores.pinned:
        console.print("Servers and clients could not be given a core each: the numbers are of both together.")
    console.print(f"Results written to {json}", highlight=False)
    _judge(results)


def _broker(kafka: str | None) -> Broker | None:
    if kafka is None:
        return None
    return local_broker if kafka == LOCAL else lambda: contextlib.nullcontext(kafka)


def _measure(entries: Sequence[Entry], bench: Bench, sizes: Sizes, run: Path | None) -> list[PeerResult]:
    info = run_info("Peers", sizes)
    with contextlib.ExitStack() as stack:
        writer = None if run is None else stack.enter_context(RunWriter.create(run, info))
        results = run_measurement(compare(entries, bench, sizes, Observer(bench.say, writer)))
        if writer is not None:
            writer.finish(time.time() * MS, summary(results))
    return results


def _judge(results: Sequence[PeerResult]) -> None:
    """Fail if no peer could be measured, or if one did not deliver everything once and in order."""
    measured = [(result.peer, result.numbers) for result in results if result.numbers is not None]
    if not measured:
        raise Failed("no peer could be measured")
    if wrong := [peer for peer, numbers in measured if numbers.wrong]:
        raise Failed(f"events were lost, repeated or out of order: {', '.join(wrong)}")
