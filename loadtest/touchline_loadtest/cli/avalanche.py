"""``avalanche``: how much reaches clients whose connections break, with Touchline and with its peers."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.peers.shapes.avalanche import Report
from touchline_loadtest.peers.shapes.avalanche import run as run_shape
from touchline_loadtest.peers.shapes.contestant import Sizes
from touchline_loadtest.peers.shapes.entries import avalanche_entries, choose
from touchline_loadtest.peers.shapes.phases import Plan
from touchline_loadtest.peers.shapes.tables import avalanche_document, avalanche_summary

from .exit_codes import Failed
from .measuring import Kafka, run_measurement, with_broker
from .options.numbers import CLIENTS_MAX, RATE_HZ_MAX, ROOMS_MAX, SECONDS_MAX, number
from .peer_options import Files, Json, List, Markdown, Names, RunFolder, list_entries, prepare, run_info

FILES_SPARE = 1000
BURST_MAX = 100_000
"""More than any server keeps to replay."""
PLAN = Plan()
SIZES = Sizes()

Clients = Annotated[int, number("Clients of each peer.", 1, CLIENTS_MAX)]
Rooms = Annotated[int, number("Rooms, which the clients share.", 1, ROOMS_MAX)]
Rate = Annotated[float, number("Events per second in each room.", 0.01, RATE_HZ_MAX)]
Bytes = Annotated[int, typer.Option("--bytes", min=64, max=60_000, help="Bytes of an event's value.")]
Jitter = Annotated[float, number("Seconds within which every client is cut once; 0: none is.", 0, SECONDS_MAX)]
AwayMax = Annotated[float, number("The longest time that a client is away then, in seconds.", 0, SECONDS_MAX)]
Avalanche = Annotated[
    float,
    number("Seconds from when all are cut until all reconnect; 0: they are not.", 0, SECONDS_MAX, "--avalanche"),
]
Outage = Annotated[float, number("Length of the outage in seconds; 0: there is none.", 0, SECONDS_MAX)]
OutageEvents = Annotated[int, number("Events that each room gets in a burst at the end of the outage.", 0, BURST_MAX)]
Pause = Annotated[
    float, number("Seconds of undisturbed events around each phase, and of silence that end it.", 0.1, SECONDS_MAX)
]


def avalanche(
    names: Names = None,
    clients: Clients = SIZES.clients,
    rooms: Rooms = SIZES.rooms,
    rate: Rate = SIZES.rate_hz,
    size: Bytes = SIZES.event_bytes,
    jitter: Jitter = PLAN.jitter_s,
    away_max: AwayMax = PLAN.away_max_s,
    avalanche_away: Avalanche = PLAN.avalanche_s,
    outage: Outage = PLAN.outage_s,
    outage_events: OutageEvents = PLAN.outage_events,
    pause: Pause = PLAN.pause_s,
    kafka: Kafka = None,
    json: Json = Path("avalanche.json"),
    markdown: Markdown = None,
    run: RunFolder = None,
    list_: List = False,
) -> None:
    """Cut connections one by one, all at once, and for the time of an outage; count what arrives nevertheless.

    Every peer has its recovery feature on. All peers run at the same time, so that one outage serves all of them.
    """
    console = Console()
    if list_:
        list_entries(avalanche_entries(), console)
        return
    files = Files(json, markdown, run, "avalanche")
    files.check()
    entries = choose(avalanche_entries(), names or [], kafka)
    bench = prepare(clients * len(entries) + FILES_SPARE, console)
    sizes = Sizes(clients, rooms, rate, size)
    plan = Plan(jitter, away_max, avalanche_away, outage, outage_events, pause)
    info = run_info("Avalanche", {**sizes._asdict(), **msgspec.to_builtins(plan)})

    async def work(bench: Bench) -> Report:
        async with with_broker(bench, kafka) as with_kafka:
            return await run_shape(with_kafka, entries, sizes, plan)

    report = run_measurement(work(bench))
    table = avalanche_document(report)
    files.write(report, table, avalanche_summary(report), info)
    console.print(table, highlight=False, soft_wrap=True, markup=False)
    if not report.phases or not any(report.phases.values()):
        raise Failed("no peer could be measured")
