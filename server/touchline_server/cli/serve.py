"""``touchline serve`` and ``touchline demo``: run a server until it is told to stop.

SIGTERM and Ctrl-C drain: clients are told to come back, then everything is closed, and the exit code is 0. A second one
ends the process at once.
"""

import asyncio
import gc
import logging
import resource
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer
import uvloop

from touchline_server.config.loading import load_settings
from touchline_server.config.settings import Settings

from .banner import demo_greeting, greeting
from .options import ConfigOption, LogOption

if TYPE_CHECKING:
    from touchline_demo.app import Programme
    from touchline_server.node.node import Node

HostOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Where to listen for WebSockets.  [default: 127.0.0.1]")
]
PortOption: TypeAlias = Annotated[int | None, typer.Option(help="0 takes a free one.  [default: 8080]")]
ControlHostOption: TypeAlias = Annotated[
    str | None, typer.Option(help="Where to listen for health and publishing.  [default: 127.0.0.1]")
]
ControlPortOption: TypeAlias = Annotated[int | None, typer.Option(help="0 takes a free one.  [default: 8081]")]

FILES_OF_OUR_OWN = 256
"""Left for what is no client: the log's connections, the control plane's, and files."""

COLLECTOR_THRESHOLDS = (700, 10, 100)
"""Of Python's cycle collector; the last is 10 by default. A full collection walks all that lives and stops everything:
60 ms with 5,000 connections. Connections and rooms are taken apart when they end, so there is nothing for it to find;
it comes all the same after some 700,000 objects, for cycles in libraries."""


def serve(
    config: ConfigOption = None,
    log: LogOption = None,
    host: HostOption = None,
    port: PortOption = None,
    control_host: ControlHostOption = None,
    control_port: ControlPortOption = None,
    edge_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="This edge's name.  [default: the host name]")
    ] = None,
    publish_without_key: Annotated[
        bool | None,
        typer.Option("--publish-without-key", help="Let anybody who reaches the control port publish."),
    ] = None,
) -> None:
    """Serve the rooms of a log to WebSocket clients.

    Every other setting is in the TOML file, or a variable: TOUCHLINE_WINDOW_S=60.
    """
    flags = {
        "log": log,
        "host": host,
        "port": port,
        "control_host": control_host,
        "control_port": control_port,
        "edge_name": edge_name,
        "publish_without_key": publish_without_key,
    }
    settings = load_settings(config, flags)
    _log_to_stderr()
    settings = _with_file_descriptors(settings)
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    uvloop.run(_serve(settings, typer.echo))


def demo(
    match: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Replay this match instead of made-up ones.")
    ] = None,
    matches: Annotated[int, typer.Option(min=1, help="Made-up matches that are played at any time.")] = 3,
    rate: Annotated[float, typer.Option(min=0.001, help="Events of each match in a second, on average.")] = 2.0,
    config: ConfigOption = None,
    port: PortOption = None,
    control_port: ControlPortOption = None,
) -> None:
    """Serve a page with live matches, a game to play along, and bots that cheat in it and are caught.

    It runs from memory: no Kafka and no file is needed.
    """
    from touchline_demo.app import made_up, replayed  # noqa: PLC0415 - for those who serve alone

    settings = load_settings(config, {"log": "sqlite://", "port": port, "control_port": control_port})
    programme = made_up(matches, rate) if match is None else replayed(match)
    for note in programme.notes:
        typer.echo(f"note: {note}", err=True)
    _log_to_stderr()
    uvloop.run(_demo(settings, programme))


async def _demo(settings: Settings, programme: "Programme") -> None:
    from touchline_demo.app import run_demo  # noqa: PLC0415 - as above

    def ready(node: "Node") -> None:
        for line in demo_greeting(settings, node, programme):
            typer.echo(line)

    await _unless(_stop_on_signals(), run_demo(programme, settings, ready))


async def _serve(settings: Settings, say: Callable[[str], None]) -> None:
    from touchline_server.node.node import Node  # noqa: PLC0415 - as above

    node = Node(settings)
    stop = _stop_on_signals()
    try:
        # A start that waits for a log that does not answer can be stopped too.
        if not await _unless(stop, node.start()):
            return
        gc.collect()
        gc.freeze()  # what is there for good: code, settings, the window as of now
        for line in greeting(settings, node):
            say(line)
        await _unless(stop, node.failed())
    finally:
        await node.stop()


async def _unless(stop: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Do ``work`` to its end, or until ``stop``; returns whether it came to its end."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    for task in (working, stopping):
        task.cancel()
    await asyncio.wait([working, stopping])
    if working.cancelled():
        return False
    working.result()
    return True


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    return stop


def _with_file_descriptors(settings: Settings) -> Settings:
    """Take as many file descriptors as the process may have, one for each connection, and no more connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    most = max(1, hard - FILES_OF_OUR_OWN)
    if settings.connections_max <= most:
        return settings
    if "connections_max" in settings.model_fields_set:
        text = "connections_max is %d, but this process may open %d files: raise its limit (ulimit -Hn, LimitNOFILE)"
        logging.getLogger("touchline").warning(text, settings.connections_max, hard)
    return settings.model_copy(update={"connections_max": most})


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
