"""NATS: clients subscribe to subjects over its WebSocket listener, and the publisher uses its TCP listener.

This is core NATS, which keeps nothing: a client that comes back has missed what was published meanwhile.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import NamedTuple

from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.measure.bench import Bench
from touchline_loadtest.measure.processes import ChildProcess
from touchline_loadtest.peers.installed import module_version, program
from touchline_loadtest.peers.peer import PeerFailed, PeerServer, Received, RoomStart
from touchline_loadtest.peers.start import listening_process
from touchline_loadtest.peers.template import fill
from touchline_loadtest.wire.event_values import stamps
from touchline_loadtest.wire.frames import masked
from touchline_loadtest.wire.handshake import upgrade_request
from touchline_loadtest.wire.opening import Step

CONFIG = Path(__file__).with_suffix(".conf")
CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"lang":"bytes","version":"1","protocol":1}\r\n'
PING, PONG = b"PING\r\n", b"PONG\r\n"
_MSG = re.compile(rb"MSG (\S+) \S+ (?:(\S+) )?(\d+)\r\n")


class NatsReader:
    """Reads NATS's protocol, whose messages do not care for the borders of frames."""

    def __init__(self) -> None:
        self.positions: dict[str, str] = {}
        self.recovered: dict[str, bool] = {}
        self.replies: list[bytes] = []
        self._unread = b""

    def read(self, payload: bytes) -> list[Received]:
        """The events that are now complete."""
        data = self._unread + payload
        events: list[Received] = []
        position = 0
        while (end := data.find(b"\r\n", position)) >= 0:
            if message := _MSG.match(data, position):
                end = message.end() + int(message[3])
                if len(data) < end + 2:
                    break
                events += self.message(message[1].decode(), (message[2] or b"").decode(), data[message.end() : end])
            else:
                self._control(data[position:end])
            position = end + 2
        self._unread = data[position:]
        return events

    def message(self, subject: str, _reply_to: str, content: bytes) -> list[Received]:
        """The events in one message."""
        return [Received(subject, number, due) for due, number in stamps(content)]

    def _control(self, line: bytes) -> None:
        if line == b"PING":
            self.replies.append(masked(PONG))
        elif line.startswith(b"-ERR"):
            raise PeerFailed(line.decode(errors="replace"))


class NatsDialect:
    """NATS's client protocol in WebSocket frames. A room is a subject."""

    def opening(self, port: int, rooms: Sequence[RoomStart]) -> list[Step]:
        """CONNECT, one SUB per room, and a PING, whose PONG follows when the server has done all of them."""
        subscribe = b"".join(b"SUB %s %d\r\n" % (start.room.encode(), sid) for sid, start in enumerate(rooms, 1))
        return [
            Step(upgrade_request("127.0.0.1", port, "/"), b"\r\n\r\n"),
            Step(masked(CONNECT + subscribe + PING), PONG),
        ]

    def reader(self, _rooms: Sequence[RoomStart]) -> NatsReader:
        """A reader for one client."""
        return NatsReader()


class NatsPeer:
    """nats-server as ``go install`` builds it."""

    name = "nats"
    package = "Go module github.com/nats-io/nats-server/v2"
    note = "core NATS, WebSocket without compression; events by PUB on one TCP connection"
    recovers = False

    def version(self) -> str:
        """The version of its module."""
        return module_version(program("nats-server"))

    @contextlib.asynccontextmanager
    async def serve(self, bench: Bench, folder: Path, *, recovery: bool = False) -> AsyncIterator[PeerServer]:
        """Run it; it has no recovery to turn on."""
        if recovery:
            raise PeerFailed("core NATS cannot recover")
        async with nats_server(bench, folder) as server:
            yield PeerServer(server.process, server.websocket_port, server.publisher.publish_all, NatsDialect())


class NatsPublisher:
    """One connection to the TCP listener."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._turn = asyncio.Lock()
        writer.write(CONNECT)

    async def publish_all(self, events: Sequence[tuple[str, bytes]]) -> None:
        """Publish; the server has taken all events when this returns."""
        async with self._turn:
            self._writer.writelines(
                b"PUB %s %d\r\n%s\r\n" % (room.encode(), len(value), value) for room, value in events
            )
            self._writer.write(PING)
            await self._reader.readuntil(PONG)

    async def request(self, subject: str, content: bytes) -> bytes:
        """Send a request; returns the answer's line and content."""
        async with self._turn:
            self._writer.write(b"SUB _INBOX.request 1\r\nUNSUB 1 1\r\n")
            self._writer.write(b"PUB %s _INBOX.request %d\r\n%s\r\n" % (subject.encode(), len(content), content))
            line = b""
            while not line.startswith(b"MSG "):
                line = await self._reader.readuntil(b"\r\n")
            return await self._reader.readexactly(int(line.split()[-1]) + 2)


class NatsServer(NamedTuple):
    """A running nats-server."""

    process: ChildProcess
    websocket_port: int
    publisher: NatsPublisher


@contextlib.asynccontextmanager
async def nats_server(bench: Bench, folder: Path, more_config: str = "") -> AsyncIterator[NatsServer]:
    """Run nats-server, and connect to publish.

    Raises:
        PeerMissing: it is not installed.
        PeerFailed: it did not start.
    """
    port, websocket_port = free_ports(2)
    values = {"port": port, "websocket_port": websocket_port, "more": more_config}
    config = fill(CONFIG, folder / "nats.conf", values)
    command = [str(program("nats-server")), "--config", str(config)]
    async with listening_process(bench, command, folder, [port, websocket_port]) as process:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield NatsServer(process, websocket_port, NatsPublisher(reader, writer))
        finally:
            writer.transport.abort()
