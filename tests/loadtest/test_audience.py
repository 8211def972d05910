"""The audience of a server that misbehaves on purpose: checkers and counters must both notice."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Sequence

import pytest
from websockets.asyncio.server import ServerConnection, serve

from support.waiting import eventually
from touchline_loadtest.clients.errors import ClientsFailed
from touchline_loadtest.counters import commands
from touchline_loadtest.free_ports import free_ports
from touchline_loadtest.measure.audience import Audience, open_audience
from touchline_loadtest.measure.findings import breaches
from touchline_loadtest.measure.machine import Cores
from touchline_loadtest.wire.event_values import event_value
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Beat, Error, Event, Limits, Message, RoomRequest, Subscribed, Welcome

ROOM = "match:1"
WELCOME = Welcome(session="s", edge="e", heartbeat_ms=1000, limits=Limits(1024, 1), time=0)
SUBSCRIBED = Subscribed(room=ROOM, epoch="e", head=0, recovered=False)
JOINED = (WELCOME, SUBSCRIBED)
UNPINNED = Cores(None, None)
TIMEOUT_S = 60


def event(offset: int, size_bytes: int = 200) -> Event:
    return Event(room=ROOM, offset=offset, prev=offset - 1, ts=0, data=JSON.value(event_value(0, size_bytes)))


class WrongServer:
    """Answers the hello and subscribe of each client with ``first``, and those of the last one with ``last_first``."""

    def __init__(self, first: Sequence[Message], last_first: Sequence[Message] | None, clients: int) -> None:
        self.first = first
        self.last_first = first if last_first is None else last_first
        self.clients = clients
        self.connections: list[ServerConnection] = []

    async def handle(self, connection: ServerConnection) -> None:
        for _ in ("hello", "subscribe"):
            await connection.recv()
        self.connections.append(connection)
        await send(connection, self.last_first if len(self.connections) == self.clients else self.first)
        await connection.wait_closed()


async def send_to(connections: Sequence[ServerConnection], *messages: Message) -> None:
    for connection in connections:
        await send(connection, messages)


async def send(connection: ServerConnection, messages: Sequence[Message]) -> None:
    for message in messages:
        await connection.send(JSON.encode(message).decode())


@contextlib.asynccontextmanager
async def audience_with(
    first: Sequence[Message], last_first: Sequence[Message] | None = None, *, clients: int = 6, checkers: int = 2
) -> AsyncIterator[tuple[Audience, WrongServer]]:
    """An audience whose last client to join is a counter, because the checkers join before the counters begin."""
    server = WrongServer(first, last_first, clients)
    async with serve(server.handle, "127.0.0.1", 0, compression=None, ping_interval=None) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        async with open_audience(port, UNPINNED) as audience:
            group = await audience.connect(checkers, RoomRequest(room=ROOM), checkers=checkers)
            await audience.counters.do(
                commands.Connect(0, port, clients - checkers, clients, TIMEOUT_S, request=RoomRequest(room=ROOM))
            )
            group.counters = clients - checkers
            yield audience, server


async def test_a_correct_server_yields_no_findings() -> None:
    async with audience_with([*JOINED, event(1), event(2)]) as (audience, _):
        assert audience.expect(2, [ROOM]) == 12
        await audience.until_arrived(TIMEOUT_S)
        assert await audience.lacking() == 0
        assert breaches(audience) == 0
        assert [check.events for check in audience.checks] == [2, 2]


async def test_checkers_notice_a_gap() -> None:
    async with audience_with([*JOINED, event(1), event(2), event(4)]) as (audience, _):
        audience.expect(3, [ROOM])
        await audience.until_arrived(TIMEOUT_S)
        assert breaches(audience) == 2
        assert await audience.lacking() == 0


async def test_events_that_no_client_receives_are_noticed() -> None:
    async with audience_with([*JOINED, event(1)]) as (audience, _):
        audience.expect(2, [ROOM])
        with pytest.raises(ClientsFailed, match=r"\b2 clients"):
            await audience.until_arrived(0.2)
        assert await audience.lacking() == 2


@pytest.mark.parametrize("wrong", [(), (event(1, 199),)], ids=["an event", "a byte"])
async def test_what_a_single_counter_lacks_is_noticed(wrong: Sequence[Message]) -> None:
    async with audience_with([*JOINED, event(1)], [*JOINED, *wrong]) as (audience, _):
        audience.expect(1, [ROOM])
        with pytest.raises(ClientsFailed, match="1 of 4"):
            await audience.until_arrived(0.2)
        assert await audience.lacking() == 1


async def test_a_counter_that_receives_too_much_is_noticed() -> None:
    async with audience_with([*JOINED, event(1)], [*JOINED, event(1, 201)]) as (audience, _):
        audience.expect(1, [ROOM])
        await audience.until_arrived(TIMEOUT_S)
        assert await audience.lacking() == 1


async def test_beats_before_the_first_event_are_not_counted() -> None:
    async with audience_with(JOINED, [*JOINED, Beat(), Beat()]) as (audience, server):
        await send_to(server.connections, event(1))
        audience.expect(1, [ROOM])
        await audience.until_arrived(TIMEOUT_S)
        assert await audience.lacking() == 0


@pytest.mark.parametrize("checkers", [0, 1], ids=["counter", "checker"])
async def test_a_refusal_ends_the_measurement_with_its_code(checkers: int) -> None:
    with pytest.raises(ClientsFailed, match="bad_room"):
        async with audience_with([WELCOME, Error(code="bad_room", message="no")], clients=1, checkers=checkers):
            pass


async def test_a_disconnected_checker_ends_the_measurement() -> None:
    async with audience_with(JOINED) as (audience, server):
        server.connections[0].transport.abort()
        audience.expect(1, [ROOM])
        with pytest.raises(ClientsFailed, match=r"\b1 clients"):
            await audience.until_arrived(TIMEOUT_S)


async def test_a_disconnected_counter_ends_the_measurement() -> None:
    async with audience_with(JOINED) as (audience, server):
        server.connections[-1].transport.abort()
        with pytest.raises(ClientsFailed, match=r"\b1 clients"):
            await audience.counters.do(commands.Await([1_000_000], TIMEOUT_S))
        with pytest.raises(ClientsFailed, match=r"\b1 clients"):
            await audience.lacking()


@pytest.mark.parametrize("checkers", [0, 1], ids=["counter", "checker"])
async def test_a_missing_server_is_an_error(checkers: int) -> None:
    (port,) = free_ports(1)
    async with open_audience(port, UNPINNED) as audience:
        with pytest.raises(ClientsFailed):
            await audience.connect(1, RoomRequest(room=ROOM), checkers=checkers)


async def test_paused_counters_are_not_waited_for_and_catch_up_afterwards() -> None:
    async with audience_with(JOINED) as (audience, server):
        (group,) = audience.groups
        await audience.pause(group, 3)
        await send_to(server.connections, event(1), event(2))
        audience.expect(2, [ROOM])
        await audience.until_arrived(TIMEOUT_S)
        assert await audience.lacking() == 3
        await audience.resume()
        await audience.until_arrived(TIMEOUT_S)
        assert await audience.lacking() == 0


async def test_a_small_receive_buffer_makes_the_server_wait_for_a_paused_counter() -> None:
    """For a client that does not read, the kernel accepts only what fits into the buffers."""
    much = event(1, 900_000)
    async with serve(
        (server := WrongServer(JOINED, None, 1)).handle, "127.0.0.1", 0, compression=None, ping_interval=None
    ) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        async with open_audience(port, UNPINNED) as audience:
            group = await audience.connect(1, RoomRequest(room=ROOM), checkers=0, receive_buffer_bytes=4096)
            await audience.pause(group, 1)
            sending = [asyncio.create_task(send(server.connections[0], [much] * 10))]
            done, _ = await asyncio.wait(sending, timeout=0.5)
            assert not done
            await audience.resume()
            await asyncio.wait_for(sending[0], TIMEOUT_S)


async def test_checkers_are_ten_of_a_large_group_and_all_of_a_small_one() -> None:
    async with audience_with(JOINED, clients=30, checkers=0) as (audience, _):
        small = await audience.connect(5, RoomRequest(room=ROOM))
        large = await audience.connect(15, RoomRequest(room=ROOM))
        assert (len(small.checkers), small.counters) == (5, 0)
        assert (len(large.checkers), large.counters) == (10, 5)
        assert len(audience) == 30 + 20


async def test_event_times_are_those_of_the_first_and_the_last_client() -> None:
    async with audience_with(JOINED) as (audience, server):
        (group,) = audience.groups
        checkers, counters = server.connections[:2], server.connections[2:]
        sizes_bytes = [len(JSON.frame(event(number))) for number in (9, 10)]
        await audience.record()
        await send_to(counters, event(9))
        await audience.counters.do(commands.Await([sizes_bytes[0]], TIMEOUT_S))
        between_ns = [time.monotonic_ns()]
        await send_to(checkers, event(9))
        audience.expect(1, [ROOM])
        await audience.until_arrived(TIMEOUT_S)
        await send_to(checkers, event(10))
        await eventually(lambda: all(check.events == 2 for check in audience.checks))
        between_ns.append(time.monotonic_ns())
        await send_to(counters, event(10))
        audience.expect(1, [ROOM])
        await audience.until_arrived(TIMEOUT_S)
        for found, time_ns in zip(await audience.event_times(group), between_ns, strict=True):
            assert found.clients == 6
            assert found.first_ns < time_ns < found.last_ns
        assert sizes_bytes[0] < sizes_bytes[1]
        assert await audience.lacking() == 0


async def test_the_counters_are_nicer_than_the_measuring_process() -> None:
    async with audience_with(JOINED) as (audience, _):
        assert (
            os.getpriority(os.PRIO_PROCESS, audience.counters.pid)
            == os.getpriority(os.PRIO_PROCESS, 0) + commands.NICENESS
        )
