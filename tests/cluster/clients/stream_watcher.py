"""A client that reads a room as server-sent events, written from the specification."""

import asyncio
import contextlib
from random import Random
from urllib.parse import quote

from cluster.clients.numbers import number_of
from cluster.clients.patience import REST_S, SILENCE_S, WELCOME_S
from support.event_source import EventSourceParser
from touchline_loadtest.checks.room_follower import RoomFollower
from touchline_loadtest.checks.trace import Refused, Trace
from touchline_loadtest.clock import now_ms
from touchline_protocol.codecs import JSON
from touchline_protocol.cursor import Cursor

READ_BYTES = 64 * 1024
STREAM_HEAD = "GET /v1/rooms/{room}/events?deliver={deliver} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
"""The request, which `Last-Event-ID` follows."""


class StreamWatcher:
    """An event stream of one room, which comes back with `Last-Event-ID` as a browser does."""

    def __init__(self, port: int, trace: Trace, random: Random) -> None:
        self._port = port
        self._trace = trace
        self._follower = RoomFollower(trace, number_of, restarts=True, now_ms=now_ms)
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
                breach = self._follower.receive(JSON.decode_server(message.data.encode()))
                if breach is not None and breach.kind == "gap":
                    return
