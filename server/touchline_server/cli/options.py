"""The options that several commands share. Light to import: only typer and names."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from touchline_server.config.variables import API_KEY_VARIABLE

SERVER_URL = "http://127.0.0.1:8081"
WEBSOCKET_URL = "ws://127.0.0.1:8080/ws"

ConfigOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The TOML file.  [default: the value of TOUCHLINE_CONFIG]"),
]
LogOption: TypeAlias = Annotated[
    str | None, typer.Option("--log", metavar="URL", help="kafka://host:port,… or sqlite:///absolute/path or sqlite://")
]
PortOption: TypeAlias = Annotated[int | None, typer.Option(help="0 picks a free port.  [default: 8080]")]
ControlPortOption: TypeAlias = Annotated[int | None, typer.Option(help="0 picks a free port.  [default: 8081]")]
ServerOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--server", metavar="URL", help=f"Publish over HTTP to this server.  [default: {SERVER_URL}]"),
]
ApiKeyOption: TypeAlias = Annotated[
    str | None, typer.Option("--api-key", envvar=API_KEY_VARIABLE, metavar="KEY", help="One of the server's api_keys.")
]
DirectLogOption: TypeAlias = Annotated[
    str | None, typer.Option("--log", metavar="URL", help="Write directly to this log instead, e.g. kafka://host:port")
]
