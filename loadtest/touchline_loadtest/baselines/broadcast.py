"""The usual way in Python: the asyncio server of the websockets library, with its ``broadcast()``.

Arguments and input are those of `bare_send`. It runs on uvloop, as Touchline does, without compression and keepalive
pings, so that only the sending is compared.
"""

import asyncio
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from .bare_send import BACKLOG

HEAD_BYTES = 4
"""The header of a server's frame with 126 to 65,535 bytes of payload: subtracted, so that the whole has the given
size."""


async def main(size_bytes: int) -> None:
    """Serve until the input ends."""
    message = "x" * (size_bytes - HEAD_BYTES)
    connections: set[ServerConnection] = set()

    async def handler(connection: ServerConnection) -> None:
        connections.add(connection)
        await connection.wait_closed()

    async with serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=BACKLOG) as server:
        sys.stdout.write(f"listens {next(iter(server.sockets)).getsockname()[1]}\n")
        sys.stdout.flush()
        loop = asyncio.get_running_loop()
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            rate, count = line.split()
            await run(connections, message, float(rate), int(count))


async def run(connections: set[ServerConnection], message: str, rate_hz: float, count: int) -> None:
    """Broadcast ``count`` events at ``rate_hz``."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    for _ in range(count):
        await asyncio.sleep(max(0.0, due - loop.time()))
        broadcast(connections, message)
        due += 1 / rate_hz


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[2])))
