"""``touchline demo``: a server with a page, a game and bots, from memory."""

from pathlib import Path
from typing import Annotated

import typer
import uvloop

from touchline_demo.app import run_demo
from touchline_demo.schedule import Schedule, invented, recorded
from touchline_protocol.printable import escaped
from touchline_server.cli.banner import control_url, websocket_url
from touchline_server.cli.options import ConfigOption, ControlPortOption, PortOption
from touchline_server.cli.signals import run_until, stop_on_signals
from touchline_server.config.loading import load_settings
from touchline_server.config.settings import Settings
from touchline_server.node.node import Node
from touchline_server.node.process_log import log_signal
from touchline_server.server_log.setup import server_log

from .banner import demo_banner


def demo(
    match: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Replay this match instead of invented ones.")
    ] = None,
    matches: Annotated[int, typer.Option(min=1, help="Invented matches that are played at the same time.")] = 3,
    rate: Annotated[float, typer.Option(min=0.001, help="Average number of events per second in each match.")] = 2.0,
    config: ConfigOption = None,
    port: PortOption = None,
    control_port: ControlPortOption = None,
) -> None:
    """Serve a page with live matches, a game, and bots.

    The bots cheat in the game and are caught. Everything runs from memory: you need neither Kafka nor a file.
    """
    settings = load_settings(config, {"log": "sqlite://", "port": port, "control_port": control_port})
    schedule = invented(matches, rate) if match is None else recorded(match)
    for note in schedule.notes:
        typer.echo(escaped(f"note: {note}"), err=True)
    # Bots come and go, and the page shows them: at the server's usual level each would be a line.
    level = settings.logging.level if "logging" in settings.model_fields_set else "warning"
    with server_log(settings.logging.format, level, settings.edge_name):
        uvloop.run(_demo(settings, schedule))


async def _demo(settings: Settings, schedule: Schedule) -> None:
    def ready(node: Node) -> None:
        for line in demo_banner(
            schedule,
            websocket_url=websocket_url(settings.host, node.edge_port),
            control_url=control_url(settings.control_host, node.control_port),
        ):
            typer.echo(line)

    await run_until(stop_on_signals(log_signal), run_demo(schedule, settings, ready))
