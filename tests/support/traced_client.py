"""A client of a running edge, in one room, whose trace the checker compares with the log."""

import time
from collections.abc import Mapping
from typing import Any, Protocol

from support.node_fixture import Client
from touchline_loadtest.checks.room_follower import RoomFollower
from touchline_loadtest.checks.trace import Settled, Trace
from touchline_protocol.messages import Event, ServerMessage, Subscribe, Subscribed


class Source(Protocol):
    """Where messages come from: a WebSocket or an event stream."""

    async def next(self) -> ServerMessage: ...


class TracedClient:
    """One connection. A broken rule of following a room fails at once, and the rest is for `check_room` at the end.

    ``after`` is the cursor to come back with. ``events`` are those that it has received, ``state`` has the data of each
    key, and ``starts`` counts how often it started over, the first time included.
    """

    def __init__(
        self, source: Source, trace: Trace, *, after: tuple[str, int] | None = None, restarts: bool = False
    ) -> None:
        self.trace = trace
        self.events: list[Event] = []
        self.state: dict[str, Any] = {}
        self.starts = 0
        self._source = source
        self._follower = RoomFollower(trace, after=after, restarts=restarts, now_ms=lambda: time.time() * 1000)

    @property
    def cursor(self) -> tuple[str, int] | None:
        """Where to resume."""
        return self._follower.live.cursor

    async def join(self) -> Subscribed:
        """Subscribe, over a WebSocket."""
        assert isinstance(self._source, Client)
        await self._source.send(Subscribe([self._follower.request()]))
        joined = await self.next()
        assert isinstance(joined, Subscribed), joined
        return joined

    async def next(self) -> ServerMessage:
        """The next message, of any room."""
        message = await self._source.next()
        if getattr(message, "room", None) == self.trace.room:
            breach = self._follower.receive(message)
            assert breach is None, breach
            self._keep(message)
        return message

    async def until_events(self, count: int) -> None:
        """Read until this many events have arrived."""
        while len(self.events) < count:
            await self.next()

    async def until_state(self, state: Mapping[str, Any]) -> None:
        """Read until the state is this."""
        while self.state != state:
            await self.next()

    def settle(self) -> None:
        """The client claims to have everything that the log has."""
        self.trace.add(Settled())

    def _keep(self, message: ServerMessage) -> None:
        match message:
            case Subscribed(recovered=False):
                self.starts += 1
                self.state = {event.key: event.data for event in message.state if event.key is not None}
            case Event():
                self.events.append(message)
                if message.key is not None and message.data is None:
                    self.state.pop(message.key, None)
                elif message.key is not None:
                    self.state[message.key] = message.data
            case _:
                pass
