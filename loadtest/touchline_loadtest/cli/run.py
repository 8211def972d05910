"""``run``: a load test with everything that it needs, and its verdict. ``make loadtest`` runs it."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from touchline_cli.run import run_to_end
from touchline_loadtest.clients.errors import ClientsFailed
from touchline_loadtest.clock import now_ms
from touchline_loadtest.free_ports import check_free
from touchline_loadtest.measure import machine
from touchline_loadtest.measure.processes import ProcessFailed
from touchline_loadtest.rig.child import ChildFailed
from touchline_loadtest.rig.locust_processes import check_options
from touchline_loadtest.rig.results.publication import Publication
from touchline_loadtest.rig.results.summary_table import show_summary
from touchline_loadtest.rig.results.verdict import judge, page_of
from touchline_loadtest.rig.run import Outcome, run_load_test
from touchline_loadtest.rig.settings import LOG_ENDING, SWARM_KICK_OFF_S, LoadTest
from touchline_loadtest.runs.records import RunInfo
from touchline_loadtest.runs.thresholds import parse_threshold
from touchline_loadtest.runs.versions import SERVER, versions
from touchline_loadtest.runs.writer import RunWriter

from .exit_codes import Failed
from .measuring import ENDING

WEB_PORT = 8089
"""The port of Locust's page, as Locust has it by default."""
RUNS = Path("runs")
FAIL_ABOVE = ("connect.p99=5000", "first_state.p99=5000", "event.p99=5000", "action.p99=5000")
"""The thresholds, if none is given. Even on a busy machine, only something that is broken exceeds them."""
FAIL_ABOVE_WITHOUT_LOG = ("connect.p90=5000", "first_state.p90=5000", "event.p50=5000", "action.p50=5000")
"""The same for shapes in which Kafka is killed: events and actions have to wait for it, but not most of them."""
SWARM_SHAPES = (
    f"With kick-off, --seconds has to be {SWARM_KICK_OFF_S:g} or more; with a shape that ends connections, such as "
    "edge-drain, there is no swarm."
)
"""What a swarm asks of the shape."""

Shape = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="steady, ramp, kick-off, goal, half-time, edge-drain, rolling-restart, edge-kill, worker-kill, "
        "fleet-faults, avalanche.",
    ),
]
Users = Annotated[int, typer.Option(help="Users at the height of the test.")]
Seconds = Annotated[float, typer.Option(help="Length of the test, arrival and all.")]
Processes = Annotated[int, typer.Option(help="Processes of Locust.")]
Swarm = Annotated[int, typer.Option(help=f"Clients that receive and count, besides Locust's users. {SWARM_SHAPES}")]
SwarmProcesses = Annotated[int, typer.Option(help="Processes of the swarm.")]
Edges = Annotated[int, typer.Option(help="Edges. With more than one, a relay spreads users over them.")]
Workers = Annotated[int, typer.Option(help="Processes of each edge.")]
Brokers = Annotated[int, typer.Option(help="Kafka brokers to start: 1, or 3, which keep 3 replicas of everything.")]
Keepers = Annotated[
    int, typer.Option(help="Keepers, which write the state of rooms to a Redis that is started with them.")
]
DrainSeconds = Annotated[
    float | None,
    typer.Option(
        help="An edge that stops spreads its clients over this time; by default as many as a fast machine can take.",
        show_default=False,
    ),
]
Matches = Annotated[int, typer.Option(help="Matches that are played at once.")]
Speed = Annotated[float, typer.Option(help="Play matches this many times faster than they were.")]
Seed = Annotated[int, typer.Option(help="Matches with the same seed are the same.")]
Kafka = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="A running broker. Without it, a broker is started for the test."),
]
Folder = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The run folder; runs/DATE-TIME by default.", show_default=False)
]
FailAbove = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ROW.STATISTIC=LIMIT", help="A threshold, such as event.p99=50. Can be repeated.", show_default=False
    ),
]
Document = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the result into this Markdown, as its section with the shape's name."),
]
Images = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of the document's plots.", show_default=False),
]
Web = Annotated[bool, typer.Option("--web", help="Serve Locust's page. Ctrl-C ends the test, with its result.")]
WebPort = Annotated[int, typer.Option(min=1, max=65535, help="The port of Locust's page.")]
LocustOptions = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[-- LOCUST OPTIONS]", help="More options for Locust, and user classes.", show_default=False
    ),
]


def run(
    shape: Shape = "goal",
    users: Users = 200,
    seconds: Seconds = 60.0,
    processes: Processes = 1,
    swarm: Swarm = 0,
    swarm_processes: SwarmProcesses = 1,
    edges: Edges = 1,
    workers: Workers = 1,
    brokers: Brokers = 1,
    keepers: Keepers = 0,
    drain_seconds: DrainSeconds = None,
    matches: Matches = 50,
    speed: Speed = 4.0,
    seed: Seed = 1,
    kafka: Kafka = None,
    folder: Folder = None,
    fail_above: FailAbove = None,
    document: Document = None,
    images: Images = None,
    web: Web = False,
    web_port: WebPort = WEB_PORT,
    locust: LocustOptions = None,
) -> None:
    """Load-test Touchline on this machine: Kafka, edges, a feed, people, and a verdict by the log."""
    test = LoadTest(
        folder=(folder or RUNS / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")).absolute(),
        shape=shape,
        users=users,
        seconds=seconds,
        processes=processes,
        edges=edges,
        workers=workers,
        brokers=brokers,
        keepers=keepers,
        drain_s=drain_seconds,
        matches=matches,
        speed=speed,
        swarm=swarm,
        swarm_processes=swarm_processes,
        seed=seed,
        kafka=kafka,
        web_port=web_port if web else None,
        locust=locust or (),
    )
    test = _with_thresholds(test, fail_above)
    published = None if document is None else Publication(document, test.shape, images or document.parent / test.shape)
    _check(test, published)
    _carry_out(test, published, Console(highlight=False))


def _with_thresholds(test: LoadTest, given: Sequence[str] | None) -> LoadTest:
    usual = FAIL_ABOVE_WITHOUT_LOG if test.cues & LOG_ENDING else FAIL_ABOVE
    return msgspec.structs.replace(test, fail_above=[parse_threshold(text) for text in given or usual])


def _carry_out(test: LoadTest, published: Publication | None, console: Console) -> None:
    """Run it, and judge it.

    Raises:
        Failed: something was not as it has to be.
    """
    with RunWriter.create(test.folder, _info(test)) as writer:
        outcome = _run(test, writer, console)
        rows = judge(test, outcome, writer)
    if published is not None:
        published.write(test.folder)
    show_summary(rows, console)
    console.print(f"The report is {page_of(test.folder)}; everything else about the run is beside it.", soft_wrap=True)
    if any(row.met is False for row in rows):
        raise Failed("the load test has failed: see the rows that are not met")


def _check(test: LoadTest, published: Publication | None) -> None:
    """Find out now what would fail after minutes.

    Raises:
        OperatorError: something would.
    """
    if published is not None:
        published.check()
    if test.web_port is not None:
        check_free(test.web_port)
    check_options(test.locust)
    machine.need_files(test.files, "take fewer --users")


def _info(test: LoadTest) -> RunInfo:
    return RunInfo(
        name=f"{test.shape}, {test.users + test.swarm:,} people",
        kind="locust",
        began_ms=now_ms(),
        versions=versions((*SERVER, "locust")),
        machine=machine.describe(),
        settings=test.facts(),
    )


def _run(test: LoadTest, writer: RunWriter, console: Console) -> Outcome:
    # aiokafka logs each attempt to reach a broker that was killed. It raises an error when it gives up.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    end = asyncio.Event()
    work = run_load_test(test, writer, lambda text: console.print(text, style="dim"), end)
    try:
        # A test with a page has no end of its own, so Ctrl-C is its regular end.
        return run_to_end(work, numbers=ENDING, first_interrupt=None if test.web_port is None else end.set)
    except (ChildFailed, ClientsFailed, ProcessFailed) as error:
        raise Failed(str(error)) from error
