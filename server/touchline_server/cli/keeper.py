"""``touchline keeper``: write the state of rooms to Redis until it is stopped.

SIGTERM and Ctrl-C stop it: what was read is written and committed, and the group is left at once, so that other
keepers take over. The exit code is 0 then, and 2 for an error that an operator can fix. SIGHUP does nothing but a line
in the log: a keeper has no setting that could change while it runs, and one signal for a whole fleet must not end it.
"""

import asyncio
import gc
from functools import partial
from typing import Annotated

import structlog
import typer
import uvloop

from touchline_server.config.loading import load_settings
from touchline_server.config.settings import Settings
from touchline_server.keeper.health import health_server
from touchline_server.keeper.keeper import Keeper
from touchline_server.node.process_log import (
    failures_logged,
    log_second_signal,
    log_signal,
    log_unexpected,
    what_starts,
)
from touchline_server.node.signals import stop_on_signals
from touchline_server.server_log.setup import server_log

from .options import ConfigOption, LogOption

COLLECTOR_THRESHOLDS = (10_000, 10, 100)
"""Thresholds of Python's cycle collector: a full collection walks all rooms that are remembered, and frees nothing."""

STOP = "write what was read, leave the group and stop"
"""What a signal has a keeper do."""

logger = structlog.get_logger("touchline.keeper")


def keeper(
    config: ConfigOption = None,
    log: LogOption = None,
    edge_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The name of this keeper in its log.  [default: the host name]")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Where /healthz and /readyz answer; 0 picks a free port.  [default: 8082]")
    ] = None,
) -> None:
    """Write the state of rooms to Redis.

    They are read from Kafka, and kept for edges that start. Any number of keepers share the partitions. The settings
    are those of `touchline serve`, with the tables [redis] and [keeper].
    """
    flags = {"log": log, "edge_name": edge_name, "keeper": None if port is None else {"port": port}}
    settings = load_settings(config, flags)
    shown = settings.logging
    with server_log(shown.format, shown.level, settings.edge_name, program="keeper"), failures_logged(settings):
        logger.info("keeper_starting", **what_starts(settings))
        gc.set_threshold(*COLLECTOR_THRESHOLDS)
        uvloop.run(_keep(settings))


async def _keep(settings: Settings) -> None:
    asyncio.get_running_loop().set_exception_handler(log_unexpected)
    kept = Keeper(settings)
    health = health_server(kept, settings)
    stop = stop_on_signals(partial(log_signal, action=STOP), log_second_signal, reload=_log_ignored)
    try:
        await health.start()
        await kept.start()
        logger.info("keeper_ready", group=kept.group, health=f"{settings.keeper.host}:{health.port}")
        await kept.run(stop)
    finally:
        await kept.close()
        await health.stop()
        logger.info("keeper_stopped")


def _log_ignored() -> None:
    """Log a SIGHUP."""
    logger.warning("reload_ignored", why="a keeper reads its settings when it starts: restart it to change them")
