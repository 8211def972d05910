"""Touchline itself: ``touchline serve`` of this installation, with its defaults."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import msgspec

from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.server_under_test import server_under_test
from touchline_loadtest.peers.peer import PeerFailed, PeerServer, Received, RoomStart
from touchline_loadtest.wire.event_values import stamps
from touchline_loadtest.wire.frames import masked
from touchline_loadtest.wire.greeting import hello
from touchline_loadtest.wire.handshake import upgrade_request
from touchline_loadtest.wire.opening import Step
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import RoomRequest, Subscribe
from touchline_protocol.version import __version__

LOG_FILE = "touchline.sqlite"


class _Message(msgspec.Struct):
    """What a reader needs of any message."""

    type: str
    room: str = ""
    epoch: str = ""
    offset: int = 0
    head: int = 0
    recovered: bool = False
    recent: list["_Message"] = []
    data: msgspec.Raw = msgspec.Raw()


_DECODER = msgspec.json.Decoder(_Message)


class TouchlineReader:
    """Reads Touchline's messages. A position is the epoch and the offset."""

    def __init__(self) -> None:
        self.positions: dict[str, str] = {}
        self.recovered: dict[str, bool] = {}
        self.replies: list[bytes] = []
        self._epochs: dict[str, str] = {}

    def read(self, payload: bytes) -> list[Received]:
        """The event in a message, if it is one."""
        message = _DECODER.decode(payload)
        match message.type:
            case "event":
                self._epochs[message.room] = message.epoch or self._epochs.get(message.room, "")
                self._move(message.room, message.offset)
                return [Received(message.room, number, due) for due, number in stamps(bytes(message.data))]
            case "subscribed":
                self._epochs[message.room] = message.epoch
                self.recovered[message.room] = message.recovered
                if not message.recovered:
                    self._move(message.room, message.head)
            case "error" | "goaway":
                raise PeerFailed(payload.decode(errors="replace")[:200])
        return []

    def _move(self, room: str, offset: int) -> None:
        self.positions[room] = f"{self._epochs[room]} {offset}"


class TouchlineDialect:
    """The protocol of protocol/README.md, in JSON."""

    def opening(self, port: int, rooms: Sequence[RoomStart]) -> list[Step]:
        """``hello`` and ``subscribe`` in one write."""
        subscribe = masked(JSON.encode(Subscribe(rooms=[_request(start) for start in rooms])))
        return [
            Step(upgrade_request("127.0.0.1", port), b"\r\n\r\n"),
            Step(hello() + subscribe, b'"type":"subscribed"', len(rooms)),
        ]

    def reader(self, _rooms: Sequence[RoomStart]) -> TouchlineReader:
        """A reader for one client."""
        return TouchlineReader()


class TouchlinePeer:
    """Touchline on a log of its own, or on Kafka if ``bench`` names a broker."""

    name = "touchline"
    package = "this repository"
    note = "defaults; events through its HTTP API into its log in memory"
    recovers = True

    def version(self) -> str:
        """Ours."""
        return __version__

    @contextlib.asynccontextmanager
    async def serve(self, bench: Bench, folder: Path, *, recovery: bool = False) -> AsyncIterator[PeerServer]:
        """Run ``touchline serve``. Recovery needs no setting, but a log in a file to outlive the process."""
        log = f"sqlite://{folder / LOG_FILE}" if recovery else "sqlite://"
        async with server_under_test(bench, log=log) as server:

            async def publish_all(events: Sequence[tuple[str, bytes]]) -> None:
                for room, of_room in groupby(events, key=itemgetter(0)):
                    await server.publish(room, [value for _, value in of_room])

            yield PeerServer(server.process, server.port, publish_all, TouchlineDialect())


def _request(start: RoomStart) -> RoomRequest:
    if start.after is None:
        return RoomRequest(room=start.room)
    epoch, _, offset = start.after.rpartition(" ")
    return RoomRequest(room=start.room, epoch=epoch, after=int(offset))
