"""``peers``: the fan-out of Touchline beside that of its peers. ``make bench-peers`` installs them and runs it."""

import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from touchline_loadtest.measure import machine
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.results import check_writable
from touchline_loadtest.peers.fan_out.comparison import Broker, Entry, choose, compare
from touchline_loadtest.peers.fan_out.observer import Observer
from touchline_loadtest.peers.fan_out.results import PeerResult, Sizes
from touchline_loadtest.peers.fan_out.tables import document, markdown, show, summary
from touchline_loadtest.peers.sections import with_section
from touchline_loadtest.rig.local_kafka import local_kafka
from touchline_loadtest.runs.records import RunInfo
from touchline_loadtest.runs.versions import versions
from touchline_loadtest.runs.writer import RunWriter
from touchline_protocol.errors import OperatorError
from touchline_protocol.version import __version__

from .exit_codes import Failed
from .measuring import run_measurement

FILES_SPARE = 1000
"""Open files of a process besides its connections."""
SECTION = "fan-out"
"""The name of the section of docs/comparison.md that has the table."""
TABLE_WIDTH = 120
"""Columns of the table, in characters, where there is no terminal."""
MS = 1000
"""Milliseconds of a second."""
DEFAULTS = Sizes()

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Peers to measure; all by default.")]
Clients = Annotated[int, typer.Option(min=20, help="Clients in the room.")]
Seconds = Annotated[float, typer.Option(min=0.1, help="Length of each measurement.")]
Runs = Annotated[int, typer.Option(min=1, help="Measurements at the given rate; the median counts.")]
Rate = Annotated[float, typer.Option(min=0.1, help="Events per second.")]
Bytes = Annotated[int, typer.Option("--bytes", min=64, max=60_000, help="Bytes of an event's value.")]
StepSeconds = Annotated[float, typer.Option(min=0.1, help="Length of each step towards the highest rate.")]
MostDeliveries = Annotated[float, typer.Option(min=1, help="The highest rate to try, in deliveries per second.")]
Kafka = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="A broker: measure Touchline with it as well.")]
LocalKafka = Annotated[bool, typer.Option("--local-kafka", help="The same with a broker that is started for it.")]
Json = Annotated[Path, typer.Option(metavar="FILE", help="Where to write the results.")]
Markdown = Annotated[
    Path | None, typer.Option("--markdown", metavar="FILE", help="The document whose table is replaced.")
]
RunFolder = Annotated[Path | None, typer.Option("--run", metavar="FOLDER", help="A new run folder to write.")]
List = Annotated[bool, typer.Option("--list", help="List the peers and exit.")]


def peers(
    names: Names = None,
    clients: Clients = DEFAULTS.clients,
    seconds: Seconds = DEFAULTS.seconds,
    runs: Runs = DEFAULTS.runs,
    rate: Rate = DEFAULTS.rate_hz,
    size: Bytes = DEFAULTS.event_bytes,
    step_seconds: StepSeconds = DEFAULTS.step_seconds,
    most_deliveries: MostDeliveries = DEFAULTS.most_deliveries_per_s,
    kafka: Kafka = None,
    start_kafka: LocalKafka = False,
    json: Json = Path("peers.json"),
    markdown_file: Markdown = None,
    run_folder: RunFolder = None,
    list_: List = False,
) -> None:
    """Compare the fan-out of Touchline with that of other servers, each on one core.

    A peer that is not installed, or fails, is reported as such, and the others are measured all the same.
    """
    console = Console(width=None if sys.stdout.isatty() else TABLE_WIDTH)
    entries = choose(names or [], _broker(kafka, local=start_kafka))
    if list_:
        for entry in entries:
            console.print(f"{entry.name:20} {entry.peer.package}: {entry.peer.note}", highlight=False, soft_wrap=True)
        return
    sizes = Sizes(
        clients=clients,
        seconds=seconds,
        runs=runs,
        rate_hz=rate,
        event_bytes=size,
        step_seconds=step_seconds,
        most_deliveries_per_s=most_deliveries,
    )
    check_writable(json)
    if markdown_file is not None:
        _with_table(markdown_file, "")
    machine.need_files(clients + FILES_SPARE)
    cores = machine.choose_cores()
    machine.pin(0, cores.clients)
    results = _measure(entries, cores, sizes, run_folder, console)
    show(results, console)
    json.write_bytes(document(results, sizes, {"touchline": __version__, "pinned": cores.pinned}))
    if markdown_file is not None:
        markdown_file.write_text(_with_table(markdown_file, markdown(results, sizes)), "utf-8")
    if not cores.pinned:
        console.print("Servers and clients could not be given a core each: the numbers are of both together.")
    console.print(f"Results written to {json}", highlight=False)
    _judge(results)


def _broker(address: str | None, *, local: bool) -> Broker | None:
    if address is not None:
        return lambda: contextlib.nullcontext(address)
    return _local_broker if local else None


@contextlib.asynccontextmanager
async def _local_broker() -> AsyncIterator[str]:
    """A broker on the clients' core, because that is the core of this process."""
    with tempfile.TemporaryDirectory(prefix="touchline-peers-kafka-") as folder:
        async with local_kafka(Path(folder) / "kafka") as (address, _):
            yield address


def _with_table(path: Path, table: str) -> str:
    """The document with this table.

    Raises:
        OperatorError: it has no place for a table, or cannot be read.
    """
    try:
        return with_section(path.read_text("utf-8"), SECTION, table)
    except OSError as error:
        raise OperatorError(f"cannot read {path}: {error.strerror or error}") from error


def _measure(
    entries: Sequence[Entry], cores: machine.Cores, sizes: Sizes, run_folder: Path | None, console: Console
) -> list[PeerResult]:
    info = RunInfo(
        name="Peers",
        kind="peers",
        began_ms=time.time() * MS,
        versions=versions(),
        machine=machine.describe(),
        settings=msgspec.to_builtins(sizes),
    )
    with contextlib.ExitStack() as stack:
        writer = None if run_folder is None else stack.enter_context(RunWriter.create(run_folder, info))
        observer = Observer(lambda text: console.print(text, style="dim", highlight=False, soft_wrap=True), writer)
        results = run_measurement(compare(entries, Bench(cores), sizes, observer))
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
