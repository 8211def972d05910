"""``touchline serve``: run a server until it is stopped.

SIGTERM, SIGHUP and Ctrl-C drain it: clients are asked to reconnect, everything is closed, and the exit code is 0. A
second SIGTERM or Ctrl-C ends the process at once.
"""

import asyncio
import gc
from collections.abc import Mapping
from typing import Annotated

import structlog
import typer
import uvloop

from touchline_cli.output import say
from touchline_server.config.conflicts import conflicts
from touchline_server.config.loading import load_settings
from touchline_server.config.settings import Settings
from touchline_server.node.memory import memory_bytes
from touchline_server.node.node import Node
from touchline_server.node.open_files import fit, raise_limit
from touchline_server.node.process_log import failures_logged, log_second_signal, log_signal, log_start, log_unexpected
from touchline_server.server_log.setup import server_log

from .banner import control_url, server_banner, websocket_url
from .options import ConfigOption, ControlPortOption, LogOption, PortOption
from .signals import run_until, stop_on_signals

logger = structlog.get_logger("touchline.cli")

COLLECTOR_THRESHOLDS = (700, 10, 100)
"""Thresholds of Python's cycle collector; the last one is 10 by default. A full collection walks every live object and
stops everything: 60 ms with 5,000 connections. Connections and rooms are taken apart when they end, so it has nothing
to find there. It still runs after some 700,000 objects, for cycles in libraries."""


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
        "publish_without_key": publish_without_key,
    }
    settings = load_settings(config, flags)
    with server_log(settings.logging.format, settings.logging.level, settings.edge_name), failures_logged(settings):
        files_max = raise_limit()
        log_start(settings, open_files_max=files_max)
        fitting, lowered = fit(settings, files_max)
        for conflict in conflicts(fitting, memory_bytes()):
            logger.warning("settings_conflict", options=conflict.options, why=conflict.message)
        gc.set_threshold(*COLLECTOR_THRESHOLDS)
        uvloop.run(_serve(fitting, lowered))


async def _serve(settings: Settings, lowered: Mapping[str, str]) -> None:
    asyncio.get_running_loop().set_exception_handler(log_unexpected)
    node = Node(settings, lowered=lowered)
    stop = stop_on_signals(log_signal, log_second_signal)
    try:
        # The start can be stopped too: a log that does not answer can hold it up for long.
        if not await run_until(stop, node.start()):
            return
        gc.collect()
        gc.freeze()  # what stays for good: code, settings, the window as it is now
        for line in server_banner(
            settings,
            websocket_url=websocket_url(settings.host, node.edge_port),
            control_url=control_url(settings.control_host, node.control_port),
            can_act=node.verifier is not None,
        ):
            say(line)
        await run_until(stop, node.failed())
    finally:
        await node.stop()
        logger.info("server_stopped")
