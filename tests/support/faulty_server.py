"""A server of one room that sends an event every few milliseconds, and to some clients not what it should."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from touchline_protocol.codecs import JSON
from touchline_protocol.messages import (
    Event,
    Hello,
    Limits,
    Message,
    Subscribe,
    Subscribed,
    Unsubscribe,
    Unsubscribed,
    Welcome,
)

ROOM = "match:1"
INTERVAL_S = 0.01
WELCOME = Welcome(session="s", edge="e", heartbeat_ms=10_000, limits=Limits(1024, 1), time=0)

Fault = Callable[[int, int, Event], Sequence[Event]]
"""What a client receives instead of an event: its number, in the order of connecting from 0, how many events it
has received before, and the event."""


def no_fault(_client: int, _before: int, event: Event) -> Sequence[Event]:
    return [event]


class FaultyServer:
    """Serves. The clients with the numbers in ``wrong_states`` receive a key too many when they join; those in
    ``hello_timeouts`` are closed as if their hello had come too late."""

    def __init__(self, fault: Fault, close_at: tuple[int, int] | None, honours_cursors: bool) -> None:
        self.fault = fault
        self.close_at = close_at
        self.honours_cursors = honours_cursors
        self.wrong_states: set[int] = set()
        self.hello_timeouts: set[int] = set()
        self.connected = 0
        self.events: list[Event] = []
        self.members: dict[int, ServerConnection] = {}
        self.sent: Counter[int] = Counter()

    async def handle(self, connection: ServerConnection) -> None:
        number, self.connected = self.connected, self.connected + 1
        with contextlib.suppress(ConnectionClosed):
            await self.serve(connection, number)
        self.members.pop(number, None)

    async def serve(self, connection: ServerConnection, number: int) -> None:
        async for payload in connection:
            assert isinstance(payload, str)
            match JSON.decode_client(payload.encode()):
                case Hello() if number in self.hello_timeouts:
                    await connection.close(4001, "hello_timeout")
                case Hello():
                    await send(connection, WELCOME)
                case Subscribe(rooms=[request]):
                    await self.join(connection, number, request.after)
                case Unsubscribe():
                    self.members.pop(number, None)
                    await send(connection, Unsubscribed(room=ROOM))

    async def join(self, connection: ServerConnection, number: int, after: int | None) -> None:
        head = len(self.events)
        recovered = after is not None and self.honours_cursors
        state = [] if recovered else self.events[-1:]
        if number in self.wrong_states:
            state.append(Event(room=ROOM, offset=head - 1, prev=None, ts=0, data={}, key="another"))
        self.members[number] = connection
        replay = [event for event in self.events if recovered and after is not None and event.offset > after]
        subscribed = Subscribed(room=ROOM, epoch="e", head=head, recovered=recovered, state=state)
        await send(connection, subscribed, *replay)

    async def publish(self) -> None:
        while True:
            offset = len(self.events) + 1
            event = Event(room=ROOM, offset=offset, prev=offset - 1, ts=0, data={"n": offset}, key="k")
            self.events.append(event)
            for number, connection in list(self.members.items()):
                with contextlib.suppress(ConnectionClosed):
                    if (number, self.sent[number]) == self.close_at:
                        connection.transport.close()
                    else:
                        await send(connection, *self.fault(number, self.sent[number], event))
                    self.sent[number] += 1
            await asyncio.sleep(INTERVAL_S)


async def send(connection: ServerConnection, *messages: Message) -> None:
    for message in messages:
        await connection.send(JSON.encode(message).decode())


@contextlib.asynccontextmanager
async def faulty_server(
    fault: Fault = no_fault, *, close_at: tuple[int, int] | None = None, honours_cursors: bool = True
) -> AsyncIterator[tuple[FaultyServer, int]]:
    """Run one; yields it with its port."""
    server = FaultyServer(fault, close_at, honours_cursors)
    async with serve(server.handle, "127.0.0.1", 0, compression=None) as listening:
        publishing = asyncio.create_task(server.publish())
        try:
            yield server, listening.sockets[0].getsockname()[1]
        finally:
            publishing.cancel()
