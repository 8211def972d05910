"""``swarm``: load running servers with tens of thousands of clients that receive."""

import contextlib
import resource
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from rich.table import Table

from touchline_cli.run import unwinding_on_signals
from touchline_loadtest.clients.room_choice import POPULARITY, POPULARITY_MAX, parse_range, parse_rooms
from touchline_loadtest.clock import now_ms
from touchline_loadtest.feeds.choice import Destination, FeedChoice, FeedName, topics_by_feed
from touchline_loadtest.feeds.evening import MATCHES
from touchline_loadtest.measure import machine
from touchline_loadtest.rig.swarm_servers import Local, run_with_servers
from touchline_loadtest.runs.thresholds import parse_threshold
from touchline_loadtest.runs.writer import RunWriter
from touchline_loadtest.swarm.plan import Edge, Publishing, Settings, Shape, sample_size
from touchline_loadtest.swarm.result import Outcome
from touchline_loadtest.swarm.run import run_info, run_swarm
from touchline_protocol.errors import OperatorError

from .exit_codes import Failed
from .measuring import run_measurement
from .options.numbers import CLIENTS_MAX, PROCESSES_MAX, SECONDS_MAX, SPEED_MAX, number

DEFAULT_PORT = 80
FILES_SPARE = 500
"""Open files of a process besides its connections."""
BREACHES_SHOWN = 10
REACH_S_MAX = 10.0
"""How long a server may take to accept a connection before anything is asked of it."""

Url = Annotated[
    list[str] | None, typer.Option(metavar="URL", help="A server, such as ws://127.0.0.1:8080/ws; repeatable.")
]
StartEdges = Annotated[
    int,
    typer.Option(min=0, max=16, help="Start this many edges for the run, and Kafka without --kafka; no --url then."),
]
Clients = Annotated[int, number("All clients, those of the sample included.", 1, CLIENTS_MAX)]
Rooms = Annotated[
    str | None, typer.Option(help="Rooms: score:1,score:2 or score:1..50; the first is the most popular.")
]
Popularity = Annotated[float, number("Exponent of Zipf's law for rooms; 0 for all alike.", 0, POPULARITY_MAX)]
RoomsPerClient = Annotated[str, typer.Option(metavar="N-N", help="How many rooms a client watches at once: 1-5.")]
Processes = Annotated[int, number("Processes that the counting clients are divided among.", 1, PROCESSES_MAX)]
Sample = Annotated[int, number("Clients that read and check every frame.", 1, CLIENTS_MAX)]
Seconds = Annotated[float, number("Length of the run, once all clients have connected.", 0.1, SECONDS_MAX)]
ShapeOption = Annotated[
    Shape,
    typer.Option(help="steady; kick-off: all connect within 30 s; avalanche: all are cut and return with cursors."),
]
Publish = Annotated[
    FeedName | None, typer.Option(help="Play this feed meanwhile; without it, somebody else publishes.")
]
Matches = Annotated[int, typer.Option(min=1, max=1000, help="Matches of that feed.")]
Speed = Annotated[float, number("Its speed: 1 is real time.", 0.001, SPEED_MAX)]
Kafka = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="The broker to publish it to.")]
PublishUrl = Annotated[str | None, typer.Option(metavar="URL", help="Or the HTTP API to publish it over.")]
ApiKey = Annotated[str | None, typer.Option(metavar="KEY", help="The API key that the HTTP API asks for.")]
Topic = Annotated[
    list[str] | None, typer.Option(metavar="FEED=TOPIC", help="A feed's topic, if it is not <feed>-events.")
]
Token = Annotated[str | None, typer.Option(metavar="TOKEN", help="The token that all clients present.")]
FailAbove = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME.QUANTILE=MS", help="Fail above this: event.p99=50; also connect and first_state."),
]
Run = Annotated[Path | None, typer.Option(metavar="FOLDER", help="The run folder, for the report.")]
Seed = Annotated[int, typer.Option(help="Everything random follows from it, including the feed.")]


def swarm(
    url: Url = None,
    start_edges: StartEdges = 0,
    clients: Clients = 1000,
    rooms: Rooms = None,
    popularity: Popularity = POPULARITY,
    rooms_per_client: RoomsPerClient = "1",
    processes: Processes = 1,
    sample: Sample = 50,
    seconds: Seconds = 30.0,
    shape: ShapeOption = Shape.STEADY,
    publish: Publish = None,
    matches: Matches = MATCHES,
    speed: Speed = 1.0,
    kafka: Kafka = None,
    publish_url: PublishUrl = None,
    api_key: ApiKey = None,
    topic: Topic = None,
    token: Token = None,
    fail_above: FailAbove = None,
    run: Run = None,
    seed: Seed = 1,
) -> None:
    """Load running servers with tens of thousands of clients that receive.

    A sample of the clients reads every frame, checks it, and measures latency. The others count bytes; at the end each
    must have received, to the byte, what the sample received of its rooms. The run fails if any client did not, if a
    promise was broken, or if a threshold is exceeded.
    """
    destination = Destination(kafka, publish_url, api_key, topics_by_feed(topic or []))
    choice = None if publish is None else FeedChoice(publish, matches, seed)
    publishing = None if choice is None else Publishing(choice, destination, speed)
    settings = Settings(
        edges=[_edge(each) for each in url or []],
        rooms=_rooms(rooms, publishing),
        clients=clients,
        sample=sample,
        processes=processes,
        seconds=seconds,
        shape=shape,
        popularity=popularity,
        rooms_per_client=parse_range(rooms_per_client),
        seed=seed,
        publishing=publishing,
        token=token,
        thresholds=[parse_threshold(text) for text in fail_above or []],
    )
    _allow_files(max(-(-clients // processes), clients // max(1, start_edges)) + FILES_SPARE)
    _run(settings, run, _local(settings, start_edges, kafka))


def _local(settings: Settings, start_edges: int, kafka: str | None) -> Local | None:
    """The servers to start; None if running ones are named."""
    if bool(settings.edges) is bool(start_edges):
        raise OperatorError("name the servers with --url, or start some with --start-edges")
    return Local(start_edges, kafka) if start_edges else None


def _run(settings: Settings, folder: Path | None, local: Local | None) -> None:
    """Run, and show the result.

    Raises:
        Failed: the run has failed.
    """
    if folder is None and local is not None:
        with unwinding_on_signals(), tempfile.TemporaryDirectory(prefix="touchline-swarm-") as temporary:
            _run(settings, Path(temporary) / "run", local)
        return
    sample_size(settings)
    _check_listening(settings.edges)
    with contextlib.ExitStack() as stack:
        writer = None
        if folder is not None:
            writer = stack.enter_context(RunWriter.create(folder, run_info(settings)))
        if writer is not None and local is not None:
            outcome = run_measurement(run_with_servers(settings, local, writer))
        else:
            outcome = run_measurement(run_swarm(settings, writer))
        if writer is not None:
            writer.finish(now_ms(), outcome.rows, outcome.notes)
    _show(outcome)
    if outcome.failed:
        raise Failed("the run has failed: see the rows that are not met")


def _edge(url: str) -> Edge:
    parts = urlsplit(url)
    if parts.scheme != "ws" or not parts.hostname or parts.path.rstrip("/") not in ("", "/ws"):
        raise OperatorError(f"a server is given as ws://host:port/ws, not {url!r}; the swarm does not speak TLS")
    try:
        port = parts.port or DEFAULT_PORT
    except ValueError as error:  # above 65535
        raise OperatorError(f"{url!r} is not an address: {error}") from error
    try:
        host = socket.gethostbyname(parts.hostname)  # IPv4
    except OSError as error:
        raise OperatorError(f"{parts.hostname} has no IPv4 address: {error.strerror}") from error
    return Edge(host, port)


def _check_listening(edges: Sequence[Edge]) -> None:
    """Find out now, and not from each of thousands of clients, that there is no server.

    Raises:
        OperatorError: one of them cannot be reached.
    """
    for host, port in sorted(set(edges)):
        try:
            socket.create_connection((host, port), REACH_S_MAX).close()
        except OSError as error:
            raise OperatorError(f"nobody listens at ws://{host}:{port}: {error.strerror or error}") from error


def _rooms(text: str | None, publishing: Publishing | None) -> Sequence[str]:
    if text is not None:
        return parse_rooms(text)
    if publishing is None:
        raise OperatorError("name the rooms to watch with --rooms, or let the swarm publish with --publish")
    return publishing.feed.rooms()


def _allow_files(count: int) -> None:
    """Allow this process and its workers as many open files as they need."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise OperatorError(
            f"each process needs {count} open files, but the limit is {hard}: raise it (ulimit -Hn), or use more "
            "--processes"
        )
    machine.need_files(count)


def _show(outcome: Outcome) -> None:
    console = Console()
    table = Table("what", "measured", "required", "met")
    for row in outcome.rows:
        measured = row.measured if isinstance(row.measured, str) else f"{row.measured:,.1f}".removesuffix(".0")
        verdict = {None: "", True: "yes", False: "NO"}[row.met]
        table.add_row(row.what, f"{measured} {row.unit}".rstrip(), row.bound, verdict)
    console.print(table)
    for breach in outcome.breaches[:BREACHES_SHOWN]:
        console.print(str(breach), highlight=False, soft_wrap=True, markup=False)
    for note in outcome.notes:
        console.print(note, highlight=False, soft_wrap=True, markup=False)
