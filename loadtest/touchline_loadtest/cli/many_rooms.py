"""``many-rooms``: 10,000 rooms with an event a second each, on Touchline and on its peers."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from touchline_loadtest.measure import machine
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.peers.shapes.entries import choose, many_rooms_entries
from touchline_loadtest.peers.shapes.many_rooms import Sizes, Standing
from touchline_loadtest.peers.shapes.many_rooms import run as run_shape
from touchline_loadtest.peers.shapes.tables import many_rooms_document, many_rooms_summary

from .exit_codes import Failed
from .measuring import Kafka, run_measurement, with_broker
from .options.numbers import CLIENTS_MAX, RATE_HZ_MAX, ROOMS_MAX, SECONDS_MAX, number
from .peer_options import Files, Json, List, Markdown, Names, RunFolder, list_entries, prepare, run_info

FILES_SPARE = 1000
SIZES = Sizes()

Rooms = Annotated[int, number("Rooms.", 1, ROOMS_MAX)]
Clients = Annotated[int, number("Clients, each with a connection of its own.", 1, CLIENTS_MAX)]
RoomsEach = Annotated[int, typer.Option(min=1, max=100, help="Rooms that each client is in.")]
Rate = Annotated[float, number("Events per second in each room.", 0.01, RATE_HZ_MAX)]
Bytes = Annotated[int, typer.Option("--bytes", min=64, max=60_000, help="Bytes of an event's value.")]
Seconds = Annotated[float, number("Length of each measurement.", 1, SECONDS_MAX)]
WarmUp = Annotated[float, number("Seconds of events before that.", 0, SECONDS_MAX)]


def many_rooms(
    names: Names = None,
    rooms: Rooms = SIZES.rooms,
    clients: Clients = SIZES.clients,
    rooms_each: RoomsEach = SIZES.rooms_each,
    rate: Rate = SIZES.rate_hz,
    size: Bytes = SIZES.event_bytes,
    seconds: Seconds = SIZES.seconds,
    warm_up: WarmUp = SIZES.warm_up_s,
    kafka: Kafka = None,
    json: Json = Path("many-rooms.json"),
    markdown: Markdown = None,
    run: RunFolder = None,
    list_: List = False,
) -> None:
    """Publish to very many rooms with few clients each; measure latency and cost per delivery.

    Touchline takes the events from Kafka, its peers by their own fastest way to publish.
    """
    console = Console()
    if list_:
        list_entries(many_rooms_entries(), console)
        return
    files = Files(json, markdown, run, "many-rooms")
    files.check()
    entries = choose(many_rooms_entries(), names or [], kafka)
    bench = prepare(clients + FILES_SPARE, console)
    sizes = Sizes(rooms, clients, rooms_each, rate, size, warm_up, seconds)
    info = run_info("Many rooms", sizes)
    began = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())

    async def work(bench: Bench) -> list[Standing]:
        async with with_broker(bench, kafka) as with_kafka:
            return await run_shape(with_kafka, entries, sizes)

    standings = run_measurement(work(bench))
    facts = machine.describe()
    table = many_rooms_document(standings, sizes, began, facts)
    document = {"began": began, "machine": facts, "sizes": sizes, "results": standings}
    files.write(document, table, many_rooms_summary(standings), info)
    console.print(table, highlight=False, soft_wrap=True, markup=False)
    if all(one.found is None for one in standings):
        raise Failed("no peer could be measured")
