"""The flooders' process, as ``python -m touchline_loadtest.flooders PORT CONNECTIONS FLOOD [TOKEN]``."""

import asyncio
import os
import signal
import sys

import uvloop

from touchline_loadtest.wire.floods import Flood, block
from touchline_loadtest.wire.greeting import hello

from .flooder import flood

NICENESS = 15
"""It shares a core with the clients that are measured, which must not wait for it: it takes what they leave."""


async def _run(port: int, connections: int, kind: Flood, token: str) -> None:
    frames = block(kind, token)
    sys.stdout.write(f"floods {port}\n")
    sys.stdout.flush()
    await asyncio.gather(*(flood(port, hello(), frames) for _ in range(connections)))


if __name__ == "__main__":
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the measuring process, which ends this one
    port_text, connections_text, kind_text, *rest = sys.argv[1:]
    uvloop.run(_run(int(port_text), int(connections_text), Flood(kind_text), *(rest or [""])))
