"""The usual way in Python: ``broadcast()`` of the websockets library."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from importlib.metadata import version
from pathlib import Path

from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.processes import LISTENS, module_process
from touchline_loadtest.peers.bare_reader import BareReader
from touchline_loadtest.peers.peer import PeerFailed, PeerServer, RoomStart
from touchline_loadtest.wire.handshake import upgrade_request
from touchline_loadtest.wire.opening import Step

MODULE = "touchline_loadtest.peers.servers.broadcast_server"


class BroadcastDialect:
    """WebSocket messages with bare values. The path is the client's only room."""

    def opening(self, port: int, rooms: Sequence[RoomStart]) -> list[Step]:
        """The handshake."""
        (start,) = rooms
        return [Step(upgrade_request("127.0.0.1", port, f"/{start.room}"), b"\r\n\r\n")]

    def reader(self, rooms: Sequence[RoomStart]) -> BareReader:
        """A reader for one client."""
        return BareReader(rooms)


class BroadcastPeer:
    """`broadcast_server` in this installation's Python."""

    name = "python-websockets"
    package = "PyPI package websockets"
    note = "broadcast() on uvloop, no compression; events on its standard input"
    recovers = False

    def version(self) -> str:
        """The version that is installed with Touchline."""
        return version("websockets")

    @contextlib.asynccontextmanager
    async def serve(self, bench: Bench, folder: Path, *, recovery: bool = False) -> AsyncIterator[PeerServer]:
        """Run it. It has no recovery to turn on, and needs no ``folder``."""
        if recovery:
            raise PeerFailed("broadcast() cannot recover")
        async with module_process([MODULE], bench.cores.server) as process:
            port = await process.until_printed(LISTENS)

            async def publish_all(events: Sequence[tuple[str, bytes]]) -> None:
                await process.write(b"".join(b"%s %s\n" % (room.encode(), value) for room, value in events))

            yield PeerServer(process, port, publish_all, BroadcastDialect())
