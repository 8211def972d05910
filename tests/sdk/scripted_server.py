"""A WebSocket server that follows a test's scripts: one for each connection, the last for all that follow."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from support.waiting import eventually
from touchline_protocol.codecs import BY_SUBPROTOCOL
from touchline_protocol.messages import (
    ClientMessage,
    Event,
    Hello,
    Limits,
    RoomRequest,
    ServerMessage,
    Subscribe,
    Subscribed,
    Welcome,
)

Said = TypeVar("Said", bound=ClientMessage)


class Peer:
    """The server's side of one connection."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.codec = BY_SUBPROTOCOL[connection.subprotocol or ""]

    async def say(self, *messages: ServerMessage) -> None:
        for message in messages:
            await self.connection.send(self.codec.encode(message), text=self.codec.name == "json")

    async def hear(self, kind: type[Said]) -> Said:
        message = self.codec.decode_client(await self.connection.recv(decode=False))
        assert isinstance(message, kind)
        return message

    async def welcome(
        self, heartbeat_ms: int = 25_000, *, player: str | None = None, expires_s: float | None = None
    ) -> Hello:
        """Receive the hello, and send the welcome. A ``player`` may have four actions on their way."""
        hello = await self.hear(Hello)
        actions_window = 0 if player is None else 4
        await self.say(
            Welcome(
                session=hello.session or "s",
                edge="edge-1",
                heartbeat_ms=heartbeat_ms,
                limits=Limits(65_536, rooms_max=100, action_bytes_max=1000, actions_window=actions_window),
                time=0,
                player=player,
                expires=None if expires_s is None else round(expires_s * 1000),
            )
        )
        return hello

    async def admit(self, heartbeat_ms: int = 25_000) -> RoomRequest:
        """Welcome, and answer the subscribe: with an empty log, or recovered if it had a cursor."""
        await self.welcome(heartbeat_ms)
        return await self.join()

    async def join(self) -> RoomRequest:
        subscribe = await self.hear(Subscribe)
        (request,) = subscribe.rooms
        head = -1 if request.after is None else request.after
        recovered = request.after is not None
        await self.say(Subscribed(room=request.room, epoch="e", head=head, recovered=recovered, id=subscribe.id))
        return request

    async def until_closed(self) -> int:
        """Wait until the client leaves; returns the close code."""
        try:
            while True:
                await self.connection.recv()
        except ConnectionClosed as closed:
            return 1006 if closed.rcvd is None else closed.rcvd.code


Script = Callable[[Peer], Awaitable[Any]]


class ScriptedServer:
    """Where the server listens, and its connections: ``times`` is when each was opened."""

    def __init__(self) -> None:
        self.url = ""
        self.times: list[float] = []
        self.failures: list[BaseException] = []
        self.open = 0


@asynccontextmanager
async def scripted(*scripts: Script, refuse: Callable[..., Any] | None = None) -> AsyncIterator[ScriptedServer]:
    """Serve. At the end a script that failed fails the test, and no client may still be connected."""
    state = ScriptedServer()

    async def handle(connection: ServerConnection) -> None:
        state.times.append(asyncio.get_running_loop().time())
        state.open += 1
        try:
            await scripts[min(len(state.times), len(scripts)) - 1](Peer(connection))
        except ConnectionClosed:
            pass
        except Exception as error:  # noqa: BLE001  # any failure fails the test, below
            state.failures.append(error)
        finally:
            state.open -= 1

    subprotocols = [Subprotocol(name) for name in BY_SUBPROTOCOL]
    async with serve(
        handle, "127.0.0.1", 0, subprotocols=subprotocols, process_request=refuse, compression=None, close_timeout=1
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        state.url = f"ws://127.0.0.1:{port}/ws"
        yield state
        await eventually(lambda: not state.open)
    if state.failures:
        raise state.failures[0]


def event(offset: int, *, prev: int | None = None, room: str = "score:1", key: str | None = None) -> Event:
    return Event(room=room, offset=offset, prev=prev, ts=offset, data={"n": offset}, key=key)
