"""``broadcast()`` of python-websockets in an asyncio server, as its documentation shows it.

It runs on uvloop, as Touchline does, without compression and keepalive pings. It prints ``listens PORT``; each line of
its standard input is a room and an event. It ends with its input.
"""

import asyncio
import sys
from collections import defaultdict

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from touchline_loadtest.baselines.bare_send import BACKLOG

LINE_BYTES_MAX = 1024 * 1024


async def main() -> None:
    """Serve until the input ends."""
    rooms: defaultdict[str, set[ServerConnection]] = defaultdict(set)

    async def handler(connection: ServerConnection) -> None:
        assert connection.request is not None  # noqa: S101 - the handshake is over
        room = rooms[connection.request.path.removeprefix("/")]
        room.add(connection)
        try:
            await connection.wait_closed()
        finally:
            room.discard(connection)

    events = asyncio.StreamReader(LINE_BYTES_MAX)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(events), sys.stdin)
    async with serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=BACKLOG) as server:
        sys.stdout.write(f"listens {next(iter(server.sockets)).getsockname()[1]}\n")
        sys.stdout.flush()
        while line := await events.readline():
            room, _, value = line[:-1].decode().partition(" ")
            broadcast(rooms[room], value)


if __name__ == "__main__":
    uvloop.run(main())
