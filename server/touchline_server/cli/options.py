"""The options that several commands share, and what they are turned into."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from touchline_protocol.errors import OperatorError
from touchline_server.config.loading import API_KEY_VARIABLE, load_settings
from touchline_server.config.settings import Settings

from .publish_targets import HttpPublisher, LogPublisher, Publisher

SERVER_URL = "http://127.0.0.1:8081"
WEBSOCKET_URL = "ws://127.0.0.1:8080/ws"

ConfigOption: TypeAlias = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="The TOML file; else TOUCHLINE_CONFIG names it.")
]
LogOption: TypeAlias = Annotated[
    str | None, typer.Option("--log", metavar="URL", help="kafka://host:port,… or sqlite:///absolute/path or sqlite://")
]
ServerOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--server", metavar="URL", help=f"Publish over HTTP to this server.  [default: {SERVER_URL}]"),
]
ApiKeyOption: TypeAlias = Annotated[
    str | None, typer.Option("--api-key", envvar=API_KEY_VARIABLE, metavar="KEY", help="One of the server's api_keys.")
]
DirectLogOption: TypeAlias = Annotated[
    str | None, typer.Option("--log", metavar="URL", help="Write straight into this log instead, as kafka://host:port")
]


async def open_publisher(server: str | None, api_key: str | None, log: str | None, config: Path | None) -> Publisher:
    """The publisher that the options ask for: into a log, or over HTTP.

    Raises:
        OperatorError: they ask for both, or the log cannot be reached.
    """
    if log is None:
        return HttpPublisher(server or SERVER_URL, api_key)
    if server is not None:
        raise OperatorError("--server and --log exclude each other: events go over HTTP or straight into the log")
    return await LogPublisher.open(log_settings(log, config))


def log_settings(log: str | None, config: Path | None) -> Settings:
    """The settings of a command that works on a log: its address, its feeds and how to reach it."""
    return load_settings(config, {"log": log})
