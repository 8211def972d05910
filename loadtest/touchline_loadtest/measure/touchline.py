"""Runs ``touchline serve``, of this installation or of another one."""

import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

from .bench import Bench
from .processes import ChildProcess, module_process

WEBSOCKET = re.compile(rb"ws://127\.0\.0\.1:(\d+)/ws")
CONTROL = re.compile(rb"\bhttp://127\.0\.0\.1:(\d+)")
"""The addresses that a server prints when it has started."""


class Touchline(NamedTuple):
    """A running server."""

    process: ChildProcess
    port: int
    control_port: int


@contextlib.asynccontextmanager
async def serve(
    bench: Bench, *, log: str = "sqlite://", variables: Mapping[str, str] | None = None, pinned: bool = True
) -> AsyncIterator[Touchline]:
    """Run ``touchline serve`` on free ports. ``variables`` are its settings besides the defaults."""
    arguments = ["touchline_server", "serve", "--log", log, "--port", "0", "--control-port", "0"]
    settings = {bench.server.renamed.get(name, name): value for name, value in (variables or {}).items()}
    core = bench.cores.server if pinned else None
    async with module_process(arguments, core, settings, python=bench.server.python) as process:
        yield Touchline(process, await process.until_printed(WEBSOCKET), await process.until_printed(CONTROL))
