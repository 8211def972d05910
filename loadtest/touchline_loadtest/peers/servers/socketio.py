"""Socket.IO on Node, WebSocket transport alone, in-memory adapter: ``socketio/server.mjs``."""

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.peers.installed import FOLDER, reason, system_program
from touchline_loadtest.peers.peer import PeerFailed, PeerMissing, PeerServer, Received, RoomStart
from touchline_loadtest.peers.posts import open_posts
from touchline_loadtest.peers.start import listening_process
from touchline_loadtest.wire.event_values import stamps
from touchline_loadtest.wire.frames import masked
from touchline_loadtest.wire.handshake import upgrade_request
from touchline_loadtest.wire.opening import Step

INSTALLED = FOLDER / "socketio"
"""Where the installer puts ``servers/socketio`` with its node_modules."""
PATH = "/socket.io/?EIO=4&transport=websocket"
RECOVERY_S = 1800
"""How long a session can be recovered: ``maxDisconnectionDuration``."""
_PONG = masked(b"3")


class SocketIoReader:
    """Reads Engine.IO and Socket.IO packets. A position is the session's private id and the offset of a packet.

    A session comes back as a whole: its rooms share one position.
    """

    def __init__(self, rooms: Sequence[RoomStart]) -> None:
        self.positions: dict[str, str] = {}
        self.recovered: dict[str, bool] = {}
        self.replies: list[bytes] = []
        self._rooms = rooms
        self._session = ""
        self._offset = ""

    def read(self, payload: bytes) -> list[Received]:
        """The event in a packet, if it is one."""
        if payload.startswith(b"42["):
            _, room, _, *offset = json.loads(payload[2:])
            if offset:
                self._offset = offset[0]
                self._note_position()
            return [Received(room, number, due) for due, number in stamps(payload)]
        if payload == b"2":
            self.replies.append(_PONG)
        elif payload.startswith(b"40"):
            self._connected(json.loads(payload[2:]))
        elif payload.startswith((b"44", b"41", b"1")):
            raise PeerFailed(payload.decode(errors="replace")[:200])
        return []

    def _connected(self, answer: dict[str, Any]) -> None:
        """The answer to CONNECT. The server sends the events that a recovered session has missed before it."""
        self._session = answer.get("pid", "")
        for start in self._rooms:
            if start.after is not None:
                session, _, offset = start.after.partition(" ")
                self.recovered[start.room] = session == self._session
                self._offset = self._offset or offset
        self._note_position()

    def _note_position(self) -> None:
        if self._session and self._offset:
            self.positions = dict.fromkeys((start.room for start in self._rooms), f"{self._session} {self._offset}")


class SocketIoDialect:
    """Engine.IO 4 and Socket.IO 5, by hand."""

    def opening(self, port: int, rooms: Sequence[RoomStart]) -> list[Step]:
        """Connect to the main namespace, perhaps with a session to recover, and have the server join the rooms."""
        after = next((start.after for start in rooms if start.after is not None), None)
        session, _, offset = (after or "").partition(" ")
        auth = json.dumps({"pid": session, "offset": offset}) if after else ""
        join = json.dumps(["join", [start.room for start in rooms]])
        return [
            Step(upgrade_request("127.0.0.1", port, PATH), b"\r\n\r\n"),
            Step(masked(f"40{auth}".encode()), b'40{"sid"'),
            Step(masked(f"420{join}".encode()), b"430["),
        ]

    def reader(self, rooms: Sequence[RoomStart]) -> SocketIoReader:
        """A reader for one client."""
        return SocketIoReader(rooms)


class SocketIoPeer:
    """Socket.IO from npm, pinned by its package-lock.json."""

    name = "socket.io"
    package = "npm package socket.io"
    note = "WebSocket transport alone, no compression, in-memory adapter; events by HTTP, one request per 10 ms"
    recovers = True

    def __init__(self, recovery_s: int | None = RECOVERY_S) -> None:
        self._recovery_s = recovery_s

    def version(self) -> str:
        """The version in node_modules."""
        try:
            package = (INSTALLED / "node_modules/socket.io/package.json").read_text("utf-8")
        except OSError:
            raise PeerMissing(reason("socketio")) from None
        return str(json.loads(package)["version"])

    @contextlib.asynccontextmanager
    async def serve(self, bench: Bench, folder: Path, *, recovery: bool = False) -> AsyncIterator[PeerServer]:
        """Run it, with connection state recovery if ``recovery`` is on. The sessions end with the process."""
        self.version()
        (port,) = free_ports(1)
        script = INSTALLED / "server.mjs"
        command = [system_program("node"), str(script), str(port), *self._options(recovery=recovery)]
        variables = {"NODE_ENV": "production"}
        async with listening_process(bench, command, folder, [port], variables) as process, open_posts(port) as posts:

            async def publish_all(events: Sequence[tuple[str, bytes]]) -> None:
                pairs = b",".join(b'["%s",%s]' % (room.encode(), value) for room, value in events)
                await posts.post("/publish", b"[%s]" % pairs)

            yield PeerServer(process, port, publish_all, SocketIoDialect())

    def _options(self, *, recovery: bool) -> list[str]:
        if not recovery:
            return []
        return ["recovery", *([] if self._recovery_s is None else [str(self._recovery_s)])]
