"""The flooders' process, as ``python -m touchline_loadtest.flooders PORT CONNECTIONS FLOOD [TOKEN]``."""

import asyncio
import os
import signal
import sys

import uvloop

from touchline_loadtest.wire.floods import HELD, Flood, block
from touchline_loadtest.wire.greeting import hello

from .flooder import flood, hold

NICENESS = 15
"""It shares a core with the clients that are measured, which must not wait for it: it takes what they leave."""
ADDRESSES = [f"127.0.0.{number}" for number in range(2, 6)]
"""Those that held connections come from."""


async def _run(port: int, connections: int, kind: Flood, token: str) -> None:
    sys.stdout.write(f"floods {port}\n")
    sys.stdout.flush()
    if kind in HELD:
        addresses = [ADDRESSES[number % len(ADDRESSES)] for number in range(connections)]
        await asyncio.gather(*(hold(port, address, *HELD[kind]) for address in addresses))
    else:
        frames = block(kind, token)
        await asyncio.gather(*(flood(port, hello(), frames) for _ in range(connections)))


if __name__ == "__main__":
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the measuring process, which ends this one
    port_text, connections_text, kind_text, *rest = sys.argv[1:]
    uvloop.run(_run(int(port_text), int(connections_text), Flood(kind_text), *(rest or [""])))
