"""Watchers: clients over a WebSocket that were written from the specification, event streams, and the Python SDK.

All of them connect to a relay, which picks an edge, and come back by their cursors.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from random import Random
from typing import Any
from urllib.parse import quote

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.typing import Subprotocol

import touchline
from cluster.follower import Follower
from cluster.trace import Gap, Joined, Received, Refused, Trace
from support.event_source import EventSourceParser
from touchline_protocol.codecs import CodecName
from touchline_protocol.codes import INTERNAL_ERROR, Recovery, recovery_of_close
from touchline_protocol.cursor import Cursor
from touchline_protocol.messages import Hello, Subscribe

BACKOFF = touchline.Backoff(0.2, 2.0)
WELCOME_S = 10.0
SILENCE_S = 10.0
"""More than two heartbeats of the edges (`rig.py`), on a busy machine."""
REST_S = (0.0, 2.0)
"""How long a client stays away after a lost connection."""
READ_BYTES = 64 * 1024
STREAM_HEAD = "GET /v1/rooms/{room}/events?deliver={deliver} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
"""An event stream's request; `Last-Event-ID` follows."""


class SocketWatcher:
    """One connection in several rooms, which is made again whenever it is lost."""

    def __init__(self, port: int, codec: CodecName, traces: Sequence[Trace], random: Random) -> None:
        self._port = port
        self._codec = codec
        self._rooms = {trace.room: Follower(trace) for trace in traces}
        self._random = random

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            with contextlib.suppress(OSError, TimeoutError, InvalidHandshake, InvalidMessage, EOFError):
                await self._connect()
            await asyncio.sleep(self._random.uniform(*REST_S))

    async def _connect(self) -> None:
        connected = connect(
            f"ws://127.0.0.1:{self._port}/ws",
            subprotocols=[Subprotocol(f"touchline.v1.{self._codec}")],
            compression=None,
            ping_interval=None,
            proxy=None,
            open_timeout=WELCOME_S,
            close_timeout=1,
            max_size=None,
        )
        async with connected as socket:
            try:
                await self._watch(socket)
            except ConnectionClosed as closed:
                self._note_close(closed.rcvd.code if closed.rcvd is not None else None)

    async def _watch(self, socket: ClientConnection) -> None:
        await self._send(socket, Hello(agent="cluster run"))
        await self._send(socket, Subscribe([room.request() for room in self._rooms.values()]))
        again: set[asyncio.Task[None]] = set()
        try:
            while True:
                message = await self._receive(socket)
                room = self._rooms.get(message.get("room", ""))
                if room is None:
                    continue
                if not room.receive(message):
                    return
                if message["type"] == "error":
                    again.add(asyncio.create_task(self._subscribe_later(socket, room)))
        finally:
            for task in again:
                task.cancel()

    async def _subscribe_later(self, socket: ClientConnection, room: Follower) -> None:
        await asyncio.sleep(1)
        with contextlib.suppress(ConnectionClosed):
            await self._send(socket, Subscribe([room.request()]))

    async def _receive(self, socket: ClientConnection) -> dict[str, Any]:
        async with asyncio.timeout(SILENCE_S):
            data = await socket.recv()
        json = self._codec == "json"
        message: dict[str, Any] = msgspec.json.decode(data) if json else msgspec.msgpack.decode(data)  # type: ignore[arg-type]
        return message

    async def _send(self, socket: ClientConnection, message: Hello | Subscribe) -> None:
        json = self._codec == "json"
        await socket.send(msgspec.json.encode(message).decode() if json else msgspec.msgpack.encode(message))

    def _note_close(self, code: int | None) -> None:
        if code is not None and (code == INTERNAL_ERROR.code or recovery_of_close(code) is Recovery.GIVE_UP):
            for room in self._rooms.values():
                room.trace.add(Refused(str(code)))


class StreamWatcher:
    """An event stream of one room, which comes back with `Last-Event-ID` as a browser does."""

    def __init__(self, port: int, trace: Trace, random: Random) -> None:
        self._port = port
        self._trace = trace
        self._follower = Follower(trace)
        self._random = random
        self._last_event_id = ""

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            with contextlib.suppress(OSError, TimeoutError, EOFError):
                await self._connect()
            await asyncio.sleep(self._random.uniform(*REST_S))

    async def _connect(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(self._request())
            async with asyncio.timeout(WELCOME_S):
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
            status = head.split()[1]
            if status == "200":
                await self._watch(reader)
            elif status != "503":
                self._trace.add(Refused(status))
        finally:
            writer.transport.abort()

    def _request(self) -> bytes:
        room = quote(self._trace.room, safe=":")
        head = STREAM_HEAD.format(room=room, deliver=self._trace.deliver)
        cursor = Cursor.parse(self._last_event_id) if self._last_event_id else None
        self._follower.present(None if cursor is None else (cursor.epoch, cursor.offset))
        resume = f"Last-Event-ID: {self._last_event_id}\r\n" if self._last_event_id else ""
        return f"{head}{resume}\r\n".encode()

    async def _watch(self, reader: asyncio.StreamReader) -> None:
        parser = EventSourceParser()
        parser.last_event_id = self._last_event_id
        while True:
            async with asyncio.timeout(SILENCE_S):
                data = await reader.read(READ_BYTES)
            if not data:
                return
            for message in parser.feed(data):
                self._last_event_id = message.last_event_id
                if not self._follower.receive(msgspec.json.decode(message.data)):
                    return


class SdkWatcher:
    """The Python SDK in one room. It shows neither ``prev`` nor which events were skipped, and resumes by itself."""

    def __init__(self, port: int, codec: CodecName, trace: Trace) -> None:
        self._port = port
        self._codec = codec
        self._trace = trace

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            await self._watch()
        except touchline.errors.TouchlineError as error:
            self._trace.add(Refused(repr(error)))

    async def _watch(self) -> None:
        url = f"ws://127.0.0.1:{self._port}/ws"
        async with touchline.connect(url, codec=self._codec, retry_first=True, proxy=False, backoff=BACKOFF) as client:
            trace = self._trace
            room = client.subscribe(trace.room, deliver=trace.deliver, on_restart=self._joined)
            self._joined(await room.joined())
            gaps = 0
            async for event in room:
                if room.gaps > gaps:
                    gaps = room.gaps
                    trace.add(Gap(None, event.offset))
                removal = event.data is None
                number = event.ts if removal else event.data["number"]
                trace.add(Received(event.epoch, event.offset, None, number, event.key, removal))

    def _joined(self, room: touchline.Subscription) -> None:
        cursor = room.cursor
        assert cursor is not None
        state = {key: event.data["number"] for key, event in room.state.items()}
        self._trace.add(Joined(cursor.epoch, cursor.offset, recovered=False, state=state))
