"""What ``touchline demo`` prints once it is running."""

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from touchline_demo.schedule import Schedule
from touchline_server.cli.options import CONTROL_URL, WEBSOCKET_URL


def demo_banner(
    schedule: Schedule,
    *,
    websocket_url: str,
    control_url: str,
    elsewhere: Sequence[str] = (),
    api_key: str | None = None,
) -> list[str]:
    """The page to open, and three commands to try next. They work exactly as printed.

    ``elsewhere`` has the page's addresses for other machines, ``api_key`` the key that publishing needs.
    """
    touchline = _this_command()
    room = f"score:{schedule.newest_match}"
    to_edge = "" if websocket_url == WEBSOCKET_URL else f" --url {websocket_url}"
    to_control = "" if control_url == CONTROL_URL else f" --url {control_url}"
    if api_key is not None:
        to_control += f" --api-key {shlex.quote(api_key)}"
    lines = [
        f"The demo is running. Open  {control_url}/  (Ctrl-C ends it)",
        *(f"On a phone in the same network, open  {address}/" for address in elsewhere),
        "Cheer for a team there, then start a bot that cheats and watch cheatwatch catch it.",
        "",
        "Then try this in another terminal:",
        f"  {touchline} tail {room}{to_edge}",
        f'  {touchline} publish {room} \'{{"note": "hello"}}\'{to_control}',
        f"  {shlex.quote(sys.executable)} -m websockets {websocket_url}",
        '    and type  {"type":"hello"}',
        f'    and then  {{"type":"subscribe","rooms":[{{"room":"{room}"}}]}}',
    ]
    return [*lines, "", f"{schedule.attribution}."] if schedule.attribution else lines


def _this_command() -> str:
    """How to run this very installation: the one on the PATH may be another version."""
    found = shutil.which("touchline")
    same = found is not None and Path(found).absolute().parent == Path(sys.executable).absolute().parent
    return "touchline" if same else shlex.quote(sys.argv[0])
