"""Centrifugo, with its memory engine, over its bidirectional WebSocket in JSON.

Publishing uses the batch command of its HTTP API: one request for all events that are due.
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

CONFIG = Path(__file__).with_suffix(".json")
PATH = "/connection/websocket"
HISTORY = {"history_size": 100_000, "history_ttl": "30m", "force_recovery": True}
"""Settings of the namespace with recovery on: enough for everything that a run publishes."""

RECOVERED_MAX = 100_000
"""Events of a room that a client may have missed and still recover."""


class _Publication(msgspec.Struct):
    data: msgspec.Raw
    offset: int = 0


class _Subscribed(msgspec.Struct):
    epoch: str = ""
    offset: int = 0
    recovered: bool = False
    publications: list[_Publication] = []


class _Push(msgspec.Struct):
    channel: str
    pub: _Publication | None = None


class _Reply(msgspec.Struct):
    id: int = 0
    error: dict[str, Any] | None = None
    connect: dict[str, Any] | None = None
    subscribe: _Subscribed | None = None
    push: _Push | None = None


_DECODER = msgspec.json.Decoder(_Reply)
_PONG = masked(b"{}")


class CentrifugoReader:
    """Reads replies and pushes, of which one frame may have several. A position is the epoch and the offset.

    ``rooms`` are in the order of their subscriptions: a reply names its command alone, by number.
    """

    def __init__(self, rooms: Sequence[str]) -> None:
        self.positions: dict[str, str] = {}
        self.recovered: dict[str, bool] = {}
        self.replies: list[bytes] = []
        self._rooms = rooms
        self._epochs: dict[str, str] = {}

    def read(self, payload: bytes) -> list[Received]:
        """The events in a frame."""
        events: list[Received] = []
        for line in payload.splitlines():
            reply = _DECODER.decode(line)
            if reply.error is not None:
                raise PeerFailed(line.decode(errors="replace")[:200])
            if reply.push is not None and reply.push.pub is not None:
                events += self._event(reply.push.channel, reply.push.pub)
            elif reply.subscribe is not None:
                events += self._subscribed(self._rooms[reply.id - 2], reply.subscribe)
            elif reply.connect is None and reply.push is None:
                self.replies.append(_PONG)  # an empty reply is a ping
        return events

    def _subscribed(self, room: str, subscribed: _Subscribed) -> list[Received]:
        self._epochs[room] = subscribed.epoch
        self.recovered[room] = subscribed.recovered
        self.positions[room] = f"{subscribed.epoch} {subscribed.offset}"
        return [event for publication in subscribed.publications for event in self._event(room, publication)]

    def _event(self, room: str, publication: _Publication) -> list[Received]:
        if publication.offset:
            self.positions[room] = f"{self._epochs.get(room, '')} {publication.offset}"
        return [Received(room, number, due) for due, number in stamps(bytes(publication.data))]


class CentrifugoDialect:
    """Centrifuge's client protocol in JSON. Command 1 connects; the rooms are subscribed to by 2, 3 and so on."""

    def opening(self, port: int, rooms: Sequence[RoomStart]) -> list[Step]:
        """Connect, and subscribe to all rooms, in one frame."""
        commands = [{"id": 1, "connect": {}}]
        commands += [{"id": number, "subscribe": _subscribe(start)} for number, start in enumerate(rooms, 2)]
        text = "\n".join(json.dumps(command, separators=(",", ":")) for command in commands)
        return [
            Step(upgrade_request("127.0.0.1", port, PATH), b"\r\n\r\n"),
            Step(masked(text.encode()), b'"subscribe":{', len(rooms)),
        ]

    def reader(self, rooms: Sequence[RoomStart]) -> CentrifugoReader:
        """A reader for one client."""
        return CentrifugoReader([start.room for start in rooms])


class CentrifugoPeer:
    """Centrifugo as ``go install`` builds it."""

    name = "centrifugo"
    package = "Go module github.com/centrifugal/centrifugo/v6"
    note = "memory engine; events by the batch command of its HTTP API, one request per 10 ms"
    recovers = True

    def __init__(self, recovered_max: int = RECOVERED_MAX) -> None:
        self._recovered_max = recovered_max

    def version(self) -> str:
        """What ``centrifugo version`` says."""
        return module_version(program("centrifugo"))

    @contextlib.asynccontextmanager
    async def serve(self, bench: Bench, folder: Path, *, recovery: bool = False) -> AsyncIterator[PeerServer]:
        """Run it, with a history in each room if ``recovery`` is on. The history ends with the process."""
        (port,) = free_ports(1)
        config = json.loads(CONFIG.read_text("utf-8"))
        config["http_server"]["port"] = port
        config["client"]["recovery_max_publication_limit"] = self._recovered_max
        if recovery:
            config["channel"]["namespaces"][0] |= HISTORY
        path = folder / "centrifugo.json"
        path.write_text(json.dumps(config), "utf-8")
        command = [str(program("centrifugo")), "--config", str(path)]
        async with listening_process(bench, command, folder, [port]) as process, open_posts(port) as posts:

            async def publish_all(events: Sequence[tuple[str, bytes]]) -> None:
                commands = b",".join(
                    b'{"publish":{"channel":"%s","data":%s}}' % (room.encode(), value) for room, value in events
                )
                answer = await posts.post("/api/batch", b'{"commands":[%s]}' % commands)
                if b'"error"' in answer:
                    raise PeerFailed(f"Centrifugo refused an event: {answer[:200]!r}")

            yield PeerServer(process, port, publish_all, CentrifugoDialect())


def _subscribe(start: RoomStart) -> dict[str, Any]:
    if start.after is None:
        return {"channel": start.room}
    epoch, _, offset = start.after.rpartition(" ")
    return {"channel": start.room, "recover": True, "epoch": epoch, "offset": int(offset)}
