"""A client over a WebSocket, written from the specification."""

import asyncio
import contextlib
from collections.abc import Sequence
from random import Random
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
from websockets.typing import Subprotocol

from cluster.clients.follower import Follower
from cluster.clients.patience import REST_S, SILENCE_S, WELCOME_S
from touchline_loadtest.checks.trace import Refused, Trace
from touchline_protocol.codecs import CodecName
from touchline_protocol.codes import INTERNAL_ERROR, Recovery, recovery_of_close
from touchline_protocol.messages import Hello, Subscribe


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
