"""The clients of a server that misbehaves on purpose: what it does wrong to a single one of them must be found."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from touchline_loadtest.clients.errors import ClientsFailed
from touchline_loadtest.measure.machine import Cores
from touchline_loadtest.peers.fan_out.audience import PeerAudience, open_audience
from touchline_loadtest.peers.peer import PeerFailed
from touchline_loadtest.peers.servers.python_websockets import BroadcastDialect
from touchline_loadtest.wire.event_values import event_value

ROOM = "match:1"
UNPINNED = Cores(None, None)
FIRST, OTHERS, LAST, ALL_BUT_LAST = slice(1), slice(1, None), slice(-1, None), slice(-1)
TIMEOUT_S = 60
SOON_S = 0.3
"""Until an event that never comes counts as lost."""


def events(*numbers: int) -> list[str]:
    return [event_value(0, 100, number).decode() for number in numbers]


class WrongServer:
    """Sends what it is told, to all of its clients or to the last one that connected."""

    def __init__(self) -> None:
        self.connections: list[ServerConnection] = []

    async def handle(self, connection: ServerConnection) -> None:
        self.connections.append(connection)
        await connection.wait_closed()

    async def send(self, values: Sequence[str], to: slice = slice(None)) -> None:
        for connection in self.connections[to]:
            for value in values:
                await connection.send(value)


@contextlib.asynccontextmanager
async def wrong_server(refuse: HTTPStatus | None = None) -> AsyncIterator[tuple[WrongServer, PeerAudience]]:
    """A server, and an audience that has yet to connect."""
    server = WrongServer()

    def answer(connection: ServerConnection, _request: Request) -> Response | None:
        return connection.respond(refuse, "no") if refuse else None

    async with serve(server.handle, "127.0.0.1", 0, compression=None, process_request=answer) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        async with open_audience(BroadcastDialect(), port, UNPINNED, ROOM) as audience:
            yield server, audience


async def test_what_a_single_client_lacks_or_has_twice_or_out_of_order_is_found() -> None:
    async with wrong_server() as (server, audience):
        await audience.connect(2, readers=2)
        await audience.connect(3)
        assert len(audience) == 5

        audience.begin()
        await server.send(events(0, 1, 2))
        await audience.until_arrived(3, TIMEOUT_S)
        assert await audience.wrong() == 0

        audience.begin()
        await server.send(events(0, 2, 1), FIRST)  # a reader
        await server.send(events(0, 1, 2), OTHERS)
        await audience.until_arrived(3, TIMEOUT_S)
        assert await audience.wrong() == 2

        await server.send(events(3), LAST)  # a counter has one more than the others
        with pytest.raises(ClientsFailed):
            await audience.until_arrived(1, SOON_S)
        assert await audience.wrong() == 4

        await server.send(events(3), ALL_BUT_LAST)
        server.connections[-1].transport.abort()
        with pytest.raises(ClientsFailed, match="lost"):
            await audience.until_arrived(0, TIMEOUT_S)


@pytest.mark.parametrize(("readers", "error"), [(0, ClientsFailed), (1, PeerFailed)], ids=["counter", "reader"])
async def test_a_server_that_refuses_clients_is_reported_at_once(readers: int, error: type[Exception]) -> None:
    async with wrong_server(HTTPStatus.FORBIDDEN) as (_, audience):
        with pytest.raises(error, match="403"):
            await audience.connect(1, readers=readers)
