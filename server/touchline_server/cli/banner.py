"""What a server says when it has started."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from touchline_protocol.version import __version__
from touchline_server.config.settings import LOOPBACK_HOSTS, Settings

from .options import SERVER_URL, WEBSOCKET_URL

if TYPE_CHECKING:
    from touchline_demo.app import Programme
    from touchline_server.node.node import Node


def greeting(settings: Settings, node: "Node") -> list[str]:
    """What an operator wants to know of a server that has started."""
    lines = [f"touchline {__version__}, edge {settings.edge_name}", f"log        {settings.log}"]
    if "log" not in settings.model_fields_set:
        lines.append("           the embedded log, since none was named; --log kafka://host:port reads from Kafka")
    if settings.log.startswith("kafka:"):
        window = f"{settings.window_s:g} s"
        lines.append(
            f"           it keeps no state of the rooms: state is built from the window alone, the last {window}"
        )
    lines += _who_may(settings, acting=node.verifier is not None)
    lines.append(f"WebSocket  ws://{_in_url(settings.host)}:{node.edge_port}/ws")
    lines.append(f"control    http://{_in_url(settings.control_host)}:{node.control_port}")
    return lines


def _who_may(settings: Settings, *, acting: bool) -> list[str]:
    """Who is let in, to do what."""
    whoever = "this machine" if settings.control_host in LOOPBACK_HOSTS else "whoever reaches control_host"
    mode = settings.auth.mode
    no_key = "nobody: there is no secret and no key in [auth] to check tokens with"
    return [
        f"watching   {'with a token' if mode == 'token' else 'everybody'} (auth.mode {mode})",
        f"acting     {'with a token' if acting else no_key}",
        f"publishing {'with one of api_keys' if settings.publish_needs_key else f'{whoever}, without a key'}",
    ]


def demo_greeting(settings: Settings, node: "Node", programme: "Programme") -> list[str]:
    """What to open, and three commands to try next, which work as they stand."""
    control = f"http://{_in_url(settings.control_host)}:{node.control_port}"
    websocket = f"ws://{_in_url(settings.host)}:{node.edge_port}/ws"
    us = _own_command()
    room = f"score:{programme.newest_match}"
    to_edge = "" if websocket == WEBSOCKET_URL else f" --url {websocket}"
    to_control = "" if control == SERVER_URL else f" --server {control}"
    lines = [
        f"The demo is on. Open  {control}/  (Ctrl-C ends it)",
        "Cheer for a team there, and start a bot that cheats: cheatwatch finds it.",
        "",
        "Then try, in another terminal:",
        f"  {us} tail {room}{to_edge}",
        f'  {us} publish {room} \'{{"note": "hello"}}\'{to_control}',
        f"  {shlex.quote(sys.executable)} -m websockets {websocket}",
        '    and type  {"type":"hello"}',
        f'    and then  {{"type":"subscribe","rooms":[{{"room":"{room}"}}]}}',
    ]
    return [*lines, "", f"{programme.attribution}."] if programme.attribution else lines


def _own_command() -> str:
    """How this very installation is called: another one on the PATH may be of another version."""
    found = shutil.which("touchline")
    same = found is not None and Path(found).absolute().parent == Path(sys.executable).absolute().parent
    return "touchline" if same else shlex.quote(sys.argv[0])


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
