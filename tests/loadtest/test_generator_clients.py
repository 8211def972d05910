"""The crowd of clients against a server that does wrong on purpose: it must not be overlooked."""

import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest
from websockets.asyncio.server import ServerConnection, serve

from touchline_loadtest.clients import Crowd, CrowdFailed, short_clients
from touchline_loadtest.wire import event_value
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Error, Event, Limits, Message, RoomRequest, Subscribed, Welcome

ROOM = "match:1"
WELCOME = Welcome(session="s", edge="e", heartbeat_ms=1000, limits=Limits(1024, 1), time=0)
SUBSCRIBED = Subscribed(room=ROOM, epoch="e", head=0, recovered=False)


def event(offset: int) -> Event:
    return Event(room=ROOM, offset=offset, prev=offset - 1, ts=0, data=JSON.value(event_value(0, 200)))


@contextlib.asynccontextmanager
async def server_that_sends(messages: Sequence[Message]) -> AsyncIterator[int]:
    """A server that answers hello and a subscribe with ``messages``; its port."""

    async def handler(connection: ServerConnection) -> None:
        for _ in ("hello", "subscribe"):
            await connection.recv()
        for message in messages:
            await connection.send(JSON.encode(message).decode())
        await connection.wait_closed()

    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def crowd_at(port: int, clients: int, check_every: int, events: int) -> Crowd:
    crowd = Crowd(port)
    await crowd.connect(clients, RoomRequest(room=ROOM), check_every=check_every)
    try:
        await crowd.until_events(clients * events, 5)
    finally:
        await crowd.close()
    return crowd


async def test_a_gap_is_seen_by_the_checked_clients_and_counted_by_all() -> None:
    async with server_that_sends([WELCOME, SUBSCRIBED, event(1), event(2), event(4)]) as port:
        crowd = await crowd_at(port, clients=4, check_every=2, events=3)
    assert [check.gaps for check in crowd.checked] == [1, 1]
    assert short_clients(crowd.clients, 4) == 4
    assert short_clients(crowd.clients, 3) == 0


async def test_nothing_is_found_where_nothing_is_wrong() -> None:
    async with server_that_sends([WELCOME, SUBSCRIBED, event(1), event(2)]) as port:
        crowd = await crowd_at(port, clients=4, check_every=2, events=2)
    assert [(check.gaps, check.repeats, check.events) for check in crowd.checked] == [(0, 0, 2)] * 2
    assert crowd.events == 8


@pytest.mark.parametrize("check_every", [0, 1], ids=["counted", "checked"])
async def test_a_refusal_ends_the_measurement_with_its_reason(check_every: int) -> None:
    async with server_that_sends([WELCOME, Error(code="bad_room", message="no such room")]) as port:
        with pytest.raises(CrowdFailed, match="no such room"):
            await crowd_at(port, 1, check_every, 0)


async def test_a_client_that_is_cut_off_ends_the_measurement() -> None:
    async def handler(connection: ServerConnection) -> None:
        for message in (WELCOME, SUBSCRIBED):
            await connection.recv()
            await connection.send(JSON.encode(message).decode())
        connection.transport.abort()

    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        with pytest.raises(CrowdFailed, match="lost"):
            await crowd_at(next(iter(server.sockets)).getsockname()[1], clients=1, check_every=0, events=1)


async def test_events_that_do_not_come_are_told() -> None:
    async with server_that_sends([WELCOME, SUBSCRIBED, event(1)]) as port:
        crowd = Crowd(port)
        await crowd.connect(2, RoomRequest(room=ROOM))
        with pytest.raises(CrowdFailed, match="2 of 2 joined"):
            await crowd.until_events(3, 0.2)
        await crowd.close()


async def test_a_server_that_is_not_there_is_told() -> None:
    async with server_that_sends([]) as port:
        pass
    with pytest.raises(CrowdFailed, match="could not connect"):
        await Crowd(port).connect(1, RoomRequest(room=ROOM))
