"""``touchline serve``: run a server until it is stopped.

SIGTERM and Ctrl-C drain it: clients are asked to reconnect, everything is closed, and the exit code is 0. A second one
ends the server at once. SIGHUP has it read its configuration again, without closing a connection.

With ``workers`` = 1 this process serves the clients. With more, it is their supervisor (`node.supervisor`).
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple, TypeAlias

import structlog
import typer
import uvloop

from touchline_cli.output import say
from touchline_protocol.errors import TouchlineError
from touchline_server.config.conflicts import conflicts
from touchline_server.config.loading import load_settings
from touchline_server.config.settings import Settings
from touchline_server.config.workers import worker_count
from touchline_server.node.collector import freeze, make_collections_rare
from touchline_server.node.cpus import cpu_count
from touchline_server.node.memory import memory_bytes
from touchline_server.node.node import Node
from touchline_server.node.open_files import fit, raise_limit
from touchline_server.node.process_log import (
    ends_in_time,
    failures_logged,
    log_reload_refused,
    log_second_signal,
    log_signal,
    log_start,
    log_unexpected,
)
from touchline_server.node.signals import run_until, stop_on_signals
from touchline_server.node.supervisor.supervisor import Supervisor
from touchline_server.node.supervisor.worker_process import python_command
from touchline_server.server_log.setup import server_log

from .banner import server_banner
from .options import ConfigOption, ControlPortOption, LogOption, PortOption, control_url, websocket_url

WORKER_MODULE = "touchline_server.cli.worker"

logger = structlog.get_logger("touchline.cli")


class Fitting(NamedTuple):
    """Settings that fit this machine: what was lowered in them, why, and by how many workers they are served."""

    settings: Settings
    lowered: Mapping[str, str]
    workers: int


Load: TypeAlias = Callable[[], Settings]


def serve(
    config: ConfigOption = None,
    log: LogOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on for WebSockets.  [default: 127.0.0.1]")] = None,
    port: PortOption = None,
    control_host: Annotated[
        str | None, typer.Option(help="Address to listen on for health and publishing.  [default: 127.0.0.1]")
    ] = None,
    control_port: ControlPortOption = None,
    edge_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The name of this edge.  [default: the host name]")
    ] = None,
    workers: Annotated[
        str | None,
        typer.Option(metavar="N|auto", help="Processes that serve clients; auto is one per CPU.  [default: 1]"),
    ] = None,
    publish_without_key: Annotated[
        bool | None,
        typer.Option("--publish-without-key", help="Let anybody who reaches the control port publish."),
    ] = None,
) -> None:
    """Serve the rooms of a log to WebSocket clients.

    Every other setting is in the TOML file or an environment variable, e.g. TOUCHLINE_WINDOW_S=60.
    """
    flags = {
        "log": log,
        "host": host,
        "port": port,
        "control_host": control_host,
        "control_port": control_port,
        "edge_name": edge_name,
        "workers": workers,
        "publish_without_key": publish_without_key,
    }

    def load() -> Settings:
        return load_settings(config, flags)

    settings = load()
    with server_log(settings.logging.format, settings.logging.level, settings.edge_name), failures_logged(settings):
        log_start(settings, open_files_max=raise_limit())
        fitting = _fit(settings)
        _log_conflicts(fitting.settings, fitting.workers)
        make_collections_rare()
        uvloop.run(_serve(fitting, load))


def _fit(settings: Settings) -> Fitting:
    """Make settings fit this machine.

    Raises:
        OperatorError: hardly any client fits.
    """
    fitting, lowered = fit(settings, raise_limit())
    return Fitting(fitting, lowered, worker_count(settings.workers, settings.log, cpu_count()))


def _log_conflicts(settings: Settings, workers: int) -> None:
    for conflict in conflicts(settings, memory_bytes() // workers):
        logger.warning("settings_conflict", options=conflict.options, why=conflict.message)


async def _serve(fitting: Fitting, load: Load) -> None:
    asyncio.get_running_loop().set_exception_handler(log_unexpected)
    settings, server = fitting.settings, _server(fitting)
    hangup = asyncio.Event()
    end_at_once = server.end_at_once if isinstance(server, Supervisor) else None
    stop = stop_on_signals(log_signal, log_second_signal, reload=hangup.set, before_end=end_at_once)
    reloading: asyncio.Task[None] | None = None
    try:
        # The start can be stopped too: a log that does not answer can hold it up for long.
        if not await run_until(stop, server.start()):
            return
        freeze()
        for line in server_banner(
            settings,
            websocket_url=websocket_url(settings.host, server.edge_port, tls=settings.tls.cert_file is not None),
            control_url=control_url(settings.control_host, server.control_port),
            can_act=settings.auth.has_keys,
            workers=fitting.workers,
        ):
            say(line)
        reloading = asyncio.create_task(reload_forever(server, hangup, load, fitting))
        with ends_in_time(settings.stop_s):
            await run_until(stop, server.failed())
    finally:
        if reloading is not None:
            reloading.cancel()
        await server.stop()
        logger.info("server_stopped")


def _server(fitting: Fitting) -> Node | Supervisor:
    settings, lowered, workers = fitting
    if workers == 1:
        return Node(settings, lowered=lowered)
    return Supervisor(settings, count=workers, command=python_command(WORKER_MODULE), lowered=lowered)


async def reload_forever(server: Node | Supervisor, hangup: asyncio.Event, load: Load, fitting: Fitting) -> None:
    """Read the configuration again whenever ``hangup`` is set. If anything is wrong with it, nothing changes.

    Whatever else goes wrong is logged, and does not end this: the next attempt may succeed.
    """
    lowered = fitting.lowered
    while True:
        await hangup.wait()
        hangup.clear()
        try:
            settings, lowered = fit(load(), raise_limit(), lowered)
            await server.reload(settings, lowered=lowered)
            _log_conflicts(server.settings, fitting.workers)
        except TouchlineError as error:
            log_reload_refused(error)
        except Exception:
            logger.exception("reload_failed")
