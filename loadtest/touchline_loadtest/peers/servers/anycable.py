"""AnyCable, alone: clients subscribe to public streams over Action Cable's protocol, and no Rails application is asked.

With recovery on, its broker keeps the streams in memory, and clients speak the extended protocol, in which each message
has its position.
"""

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.peers.installed import module_version, program
from touchline_loadtest.peers.peer import PeerFailed, PeerServer, Received, RoomStart
from touchline_loadtest.peers.posts import open_posts
from touchline_loadtest.peers.start import listening_process
from touchline_loadtest.wire.event_values import stamps
from touchline_loadtest.wire.frames import masked
from touchline_loadtest.wire.handshake import upgrade_request
from touchline_loadtest.wire.opening import Step

OPTIONS = Path(__file__).with_suffix(".options")
BROKER = "--broker=memory"
HISTORY = ("--history_limit=100000", "--history_ttl=1800")
BASE, EXTENDED = "actioncable-v1-json", "actioncable-v1-ext-json"
CHANNEL = "$pubsub"


class _Reply(msgspec.Struct):
    type: str = ""
    identifier: str = ""
    message: msgspec.Raw = msgspec.Raw()
    epoch: str = ""
    offset: int = 0


_DECODER = msgspec.json.Decoder(_Reply)


class AnyCableReader:
    """Reads Action Cable's messages. A position is the epoch and the offset, which only the extended protocol has."""

    def __init__(self) -> None:
        self.positions: dict[str, str] = {}
        self.recovered: dict[str, bool] = {}
        self.replies: list[bytes] = []

    def read(self, payload: bytes) -> list[Received]:
        """The event in a message, if it is one."""
        reply = _DECODER.decode(payload)
        match reply.type:
            case "":
                room = _room(reply.identifier)
                if reply.offset:
                    self.positions[room] = f"{reply.epoch} {reply.offset}"
                return [Received(room, number, due) for due, number in stamps(bytes(reply.message))]
            case "confirm_history" | "reject_history":
                self.recovered[_room(reply.identifier)] = reply.type == "confirm_history"
            case "reject_subscription" | "disconnect":
                raise PeerFailed(payload.decode(errors="replace")[:200])
        return []


class AnyCableDialect:
    """Action Cable's protocol, or AnyCable's extension of it."""

    def __init__(self, *, extended: bool) -> None:
        self._protocol = EXTENDED if extended else BASE

    def opening(self, port: int, rooms: Sequence[RoomStart]) -> list[Step]:
        """Wait to be welcomed, then subscribe to a stream for each room."""
        upgrade = upgrade_request("127.0.0.1", port, "/cable")
        upgrade = upgrade.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: %s\r\n\r\n" % self._protocol.encode())
        subscribe = b"".join(masked(json.dumps(_subscribe(start)).encode()) for start in rooms)
        return [
            Step(upgrade, b"\r\n\r\n"),
            Step(b"", b'"type":"welcome"'),
            Step(subscribe, b'"type":"confirm_subscription"', len(rooms)),
        ]

    def reader(self, _rooms: Sequence[RoomStart]) -> AnyCableReader:
        """A reader for one client."""
        return AnyCableReader()


class AnyCablePeer:
    """anycable-go as ``go install`` builds it."""

    name = "anycable"
    package = "Go module github.com/anycable/anycable-go"
    note = "public streams without Rails, no broker; events by its HTTP broadcaster, one request per 10 ms"
    recovers = True

    def __init__(self, history: Sequence[str] = HISTORY) -> None:
        self._history = history

    def version(self) -> str:
        """The version of its module."""
        return module_version(program("anycable-go"))

    @contextlib.asynccontextmanager
    async def serve(self, bench: Bench, folder: Path, *, recovery: bool = False) -> AsyncIterator[PeerServer]:
        """Run it, with a broker in memory if ``recovery`` is on. The memory ends with the process."""
        port, publish_port = free_ports(2)
        command = [
            str(program("anycable-go")),
            *OPTIONS.read_text("utf-8").split(),
            f"--port={port}",
            f"--http_broadcast_port={publish_port}",
            *([BROKER, *self._history] if recovery else []),
        ]
        ports = [port, publish_port]
        async with listening_process(bench, command, folder, ports) as process, open_posts(publish_port) as posts:

            async def publish_all(events: Sequence[tuple[str, bytes]]) -> None:
                broadcasts = [{"stream": room, "data": value.decode()} for room, value in events]
                await posts.post("/_broadcast", msgspec.json.encode(broadcasts))

            yield PeerServer(process, port, publish_all, AnyCableDialect(extended=recovery))


def _room(identifier: str) -> str:
    return str(json.loads(identifier)["stream_name"])


def _subscribe(start: RoomStart) -> dict[str, Any]:
    identifier = json.dumps({"channel": CHANNEL, "stream_name": start.room})
    command: dict[str, Any] = {"command": "subscribe", "identifier": identifier}
    if start.after is not None:
        epoch, _, offset = start.after.rpartition(" ")
        command["history"] = {"streams": {start.room: {"epoch": epoch, "offset": int(offset)}}}
    return command
