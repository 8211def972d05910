"""nchan, the module of nginx that Debian has, with its buffer in memory.

It takes one event per request, so the requests of one tick are pipelined on one connection.
"""

import contextlib
import re
import resource
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from urllib.parse import quote

from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.peers.installed import HINT, system_program
from touchline_loadtest.peers.peer import PeerMissing, PeerServer, Received, RoomStart
from touchline_loadtest.peers.posts import open_posts
from touchline_loadtest.peers.start import listening_process
from touchline_loadtest.peers.template import fill
from touchline_loadtest.wire.event_values import stamps
from touchline_loadtest.wire.handshake import upgrade_request
from touchline_loadtest.wire.opening import Step

CONFIG = Path(__file__).with_suffix(".conf")
MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
META = "ws+meta.nchan"
"""The subprotocol in which each message begins with its id, which is the position to come back with."""
NOT_STORED = "nchan_store_messages off;"
STORED = "nchan_message_buffer_length 100000; nchan_message_timeout 30m;"
_VERSION = re.compile(r"^Version: (?:\d+:)?([\d.]+)", re.MULTILINE)
_ID = re.compile(rb"^id: ([^\r\n]+)")


class NchanReader:
    """Reads bare values, or values after a head with their id. A client is in one room."""

    def __init__(self, start: RoomStart, *, meta: bool) -> None:
        self.positions: dict[str, str] = {}
        self.recovered: dict[str, bool] = {}
        self.replies: list[bytes] = []
        self._room = start.room
        self._meta = meta

    def read(self, payload: bytes) -> list[Received]:
        """The event in a frame."""
        if self._meta and (found := _ID.match(payload)):
            self.positions[self._room] = found[1].decode()
        return [Received(self._room, number, due) for due, number in stamps(payload)]


class NchanDialect:
    """WebSocket frames with bare values; with ``meta`` each has a head, and clients can come back.

    nchan does not confirm a subscription, and says nothing about what a client that comes back has missed.
    """

    def __init__(self, *, meta: bool) -> None:
        self._meta = meta

    def opening(self, port: int, rooms: Sequence[RoomStart]) -> list[Step]:
        """The room and the position are in the URL."""
        (start,) = rooms
        query = f"room={quote(start.room)}" + (f"&last_event_id={quote(start.after)}" if start.after else "")
        request = upgrade_request("127.0.0.1", port, f"/subscribe?{query}")
        if self._meta:
            request = request.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: %s\r\n\r\n" % META.encode())
        return [Step(request, b"\r\n\r\n")]

    def reader(self, rooms: Sequence[RoomStart]) -> NchanReader:
        """A reader for one client."""
        (start,) = rooms
        return NchanReader(start, meta=self._meta)


class NchanPeer:
    """nginx with nchan, as Debian builds both."""

    name = "nchan"
    package = "Debian package libnginx-mod-nchan"
    note = "one worker, messages not stored; events by HTTP, one request each, pipelined on one connection"
    recovers = True

    def __init__(self, stored: str = STORED) -> None:
        self._stored = stored

    def version(self) -> str:
        """The version of the module's package."""
        if not MODULE.exists():
            raise PeerMissing(f"there is no {MODULE}: {HINT}")
        command = ["dpkg-query", "--status", "libnginx-mod-nchan"]  # the module itself does not know
        found = _VERSION.search(subprocess.run(command, capture_output=True, text=True, check=False).stdout)  # noqa: S603
        return found[1] if found else "unknown"

    @contextlib.asynccontextmanager
    async def serve(self, bench: Bench, folder: Path, *, recovery: bool = False) -> AsyncIterator[PeerServer]:
        """Run nginx. With ``recovery``, messages are stored in its memory, which ends with the process."""
        self.version()
        (port,) = free_ports(1)
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        values = {
            "folder": folder,
            "port": port,
            "module": MODULE,
            "messages": self._stored if recovery else NOT_STORED,
            "files": files,
            "connections": files * 6 // 5,
        }
        config = fill(CONFIG, folder / "nginx.conf", values)
        command = [system_program("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(config)]
        async with listening_process(bench, command, folder, [port]) as process, open_posts(port) as posts:

            async def publish_all(events: Sequence[tuple[str, bytes]]) -> None:
                await posts.post_all((f"/publish?room={quote(room)}", value) for room, value in events)

            yield PeerServer(process, port, publish_all, NchanDialect(meta=recovery))
