"""A client over a WebSocket, written from the specification."""

import asyncio
import contextlib
from collections.abc import Sequence
from random import Random

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.typing import Subprotocol

from cluster.clients.numbers import number_of
from cluster.clients.patience import REST_S, SILENCE_S, WELCOME_S
from touchline_loadtest.checks.room_follower import RoomFollower
from touchline_loadtest.checks.trace import Refused, Trace
from touchline_loadtest.clock import now_ms
from touchline_protocol.codecs import CODECS, JSON, CodecName
from touchline_protocol.codes import INTERNAL_ERROR, Recovery, recovery_of_close
from touchline_protocol.messages import Error, Hello, ServerMessage, Subscribe


class SocketWatcher:
    """One connection in several rooms, which is made again whenever it is lost."""

    def __init__(self, port: int, codec: CodecName, traces: Sequence[Trace], random: Random) -> None:
        self._port = port
        self._codec = next(each for each in CODECS if each.name == codec)
        self._rooms = {trace.room: RoomFollower(trace, number_of, restarts=True, now_ms=now_ms) for trace in traces}
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
            subprotocols=[Subprotocol(f"touchline.v1.{self._codec.name}")],
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
                room = self._rooms.get(getattr(message, "room", None) or "")
                if room is None:
                    continue
                if (breach := room.receive(message)) is not None and breach.kind == "gap":
                    return
                if isinstance(message, Error):
                    again.add(asyncio.create_task(self._subscribe_later(socket, room)))
        finally:
            for task in again:
                task.cancel()

    async def _subscribe_later(self, socket: ClientConnection, room: RoomFollower) -> None:
        await asyncio.sleep(1)
        with contextlib.suppress(ConnectionClosed):
            await self._send(socket, Subscribe([room.request()]))

    async def _receive(self, socket: ClientConnection) -> ServerMessage:
        async with asyncio.timeout(SILENCE_S):
            data = await socket.recv()
        return self._codec.decode_server(data.encode() if isinstance(data, str) else data)

    async def _send(self, socket: ClientConnection, message: Hello | Subscribe) -> None:
        data = self._codec.encode(message)
        await socket.send(data.decode() if self._codec is JSON else data)

    def _note_close(self, code: int | None) -> None:
        if code is not None and (code == INTERNAL_ERROR.code or recovery_of_close(code) is Recovery.GIVE_UP):
            for room in self._rooms.values():
                room.trace.add(Refused(str(code)))
