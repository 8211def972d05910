"""``touchline demo``: a server with a page, a game and bots, from memory."""

import secrets
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from touchline_cli.output import say
from touchline_demo.app import run_demo
from touchline_demo.schedule import Schedule, invented, recorded
from touchline_protocol.loopback import is_loopback
from touchline_protocol.printable import escaped
from touchline_server.cli.options import ConfigOption, ControlPortOption, PortOption, control_url, websocket_url
from touchline_server.config.loading import load_settings
from touchline_server.config.settings import Settings
from touchline_server.node.node import Node
from touchline_server.node.process_log import log_second_signal, log_signal
from touchline_server.node.signals import run_until, stop_on_signals
from touchline_server.server_log.setup import server_log

from .banner import demo_banner
from .network import other_addresses

KEY_BYTES = 16
"""Random bytes of the key for publishing, if others can reach the demo."""


def demo(
    match: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Replay this match instead of invented ones.")
    ] = None,
    matches: Annotated[int, typer.Option(min=1, help="Invented matches that are played at the same time.")] = 3,
    rate: Annotated[float, typer.Option(min=0.001, help="Average number of events per second in each match.")] = 2.0,
    host: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen on for the page and its WebSockets; 0.0.0.0 lets phones in your network open it."
            "  [default: 127.0.0.1]",
        ),
    ] = None,
    config: ConfigOption = None,
    port: PortOption = None,
    control_port: ControlPortOption = None,
) -> None:
    """Serve a page with live matches, a game, and bots.

    The bots cheat in the game and are caught. Everything runs from memory: you need neither Kafka nor a file.

    With --host, everybody who reaches the address can open the page, play, start bots (a few at a time) and read the
    rooms. Publishing then needs a key, which is printed, unless the configuration has api_keys.
    """
    flags = {"log": "sqlite://", "port": port, "control_port": control_port, "host": host, "control_host": host}
    api_key = new_key(config, host)
    settings = load_settings(config, flags if api_key is None else {**flags, "api_keys": [api_key]})
    schedule = invented(matches, rate) if match is None else recorded(match)
    for note in schedule.notes:
        typer.echo(escaped(f"note: {note}"), err=True)
    # Bots come and go, and the page shows them: at the server's usual level each would be a line.
    level = settings.logging.level if "logging" in settings.model_fields_set else "warning"
    with server_log(settings.logging.format, level, settings.edge_name):
        uvloop.run(_demo(settings, schedule, api_key))


def new_key(config: Path | None, host: str | None) -> str | None:
    """A key for publishing, if others can reach ``host`` and the configuration has no keys: None if none is needed."""
    if host is None or is_loopback(host):
        return None
    settings = load_settings(config)
    return None if settings.api_keys or settings.publish_without_key else secrets.token_urlsafe(KEY_BYTES)


async def _demo(settings: Settings, schedule: Schedule, api_key: str | None) -> None:
    def ready(node: Node) -> None:
        for line in demo_banner(
            schedule,
            websocket_url=websocket_url(settings.host, node.edge_port),
            control_url=control_url(settings.control_host, node.control_port),
            elsewhere=[control_url(name, node.control_port) for name in other_addresses(settings.control_host)],
            api_key=api_key,
        ):
            say(line)

    await run_until(stop_on_signals(log_signal, log_second_signal), run_demo(schedule, settings, ready))
