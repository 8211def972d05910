"""The options that several commands share, and where a command finds the server if no ``--url`` is given.

Light to import: only typer and names. The settings take 0.3 s: they are loaded only if there is a configuration file.
"""

import os
from pathlib import Path
from typing import Annotated, NamedTuple, TypeAlias

import typer

from touchline_protocol.errors import OperatorError
from touchline_server.config.variables import API_KEY_VARIABLE, CONFIG_VARIABLE

CONTROL_URL = "http://127.0.0.1:8081"
WEBSOCKET_URL = "ws://127.0.0.1:8080/ws"

LOCAL_ADDRESSES = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not bound, connected to
"""Where programs on this machine connect to, by the address that stands for all of them."""

ConfigOption: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The TOML file.  [default: the value of TOUCHLINE_CONFIG]"),
]
LogOption: TypeAlias = Annotated[
    str | None, typer.Option("--log", metavar="URL", help="kafka://host:port,… or sqlite:///absolute/path or sqlite://")
]
PortOption: TypeAlias = Annotated[int | None, typer.Option(help="0 picks a free port.  [default: 8080]")]
ControlPortOption: TypeAlias = Annotated[int | None, typer.Option(help="0 picks a free port.  [default: 8081]")]
ControlUrlOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--url",
        metavar="URL",
        help=f"Publish over HTTP to this server's control plane.  [default: as in the TOML file, or {CONTROL_URL}]",
    ),
]
WebSocketUrlOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--url", metavar="URL", help=f"The edge's WebSocket.  [default: as in the TOML file, or {WEBSOCKET_URL}]"
    ),
]
ApiKeyOption: TypeAlias = Annotated[
    str | None, typer.Option("--api-key", envvar=API_KEY_VARIABLE, metavar="KEY", help="One of the server's api_keys.")
]
DirectLogOption: TypeAlias = Annotated[
    str | None, typer.Option("--log", metavar="URL", help="Write directly to this log instead, e.g. kafka://host:port")
]


class ControlPlane(NamedTuple):
    """Where to publish, and one of the keys that are accepted there, if it is known."""

    url: str
    api_key: str | None


def edge_url(config: Path | None) -> str:
    """Where a server with this configuration file serves clients of this machine.

    Raises:
        OperatorError: the file is invalid, or does not say so.
    """
    if not _has_file(config):
        return WEBSOCKET_URL
    from touchline_server.config.loading import load_settings  # noqa: PLC0415 - see above

    settings = load_settings(config)
    _check_port("port", settings.port)
    return websocket_url(settings.host, settings.port, tls=settings.tls.cert_file is not None)


def control_plane(config: Path | None) -> ControlPlane:
    """Where a server with this configuration file takes requests from this machine.

    Raises:
        OperatorError: the file is invalid, or does not say so.
    """
    if not _has_file(config):
        return ControlPlane(CONTROL_URL, None)
    from touchline_server.config.loading import load_settings  # noqa: PLC0415 - see above

    settings = load_settings(config)
    _check_port("control_port", settings.control_port)
    url = control_url(settings.control_host, settings.control_port)
    return ControlPlane(url, next(iter(settings.api_keys), None))


def websocket_url(host: str, port: int, *, tls: bool = False) -> str:
    """The address for clients on this machine."""
    return f"{'wss' if tls else 'ws'}://{_in_url(host)}:{port}/ws"


def control_url(host: str, port: int) -> str:
    """The address for requests from this machine."""
    return f"http://{_in_url(host)}:{port}"


def _in_url(host: str) -> str:
    address = LOCAL_ADDRESSES.get(host, host)
    return f"[{address}]" if ":" in address else address


def _has_file(config: Path | None) -> bool:
    return config is not None or bool(os.environ.get(CONFIG_VARIABLE))


def _check_port(option: str, port: int) -> None:
    if port == 0:
        raise OperatorError(f"{option} = 0 lets the server pick a port: pass the address that it prints as --url")
