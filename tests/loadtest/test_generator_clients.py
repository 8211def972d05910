"""The audience against a server that does wrong on purpose: it must not be overlooked, by those who check or count."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Sequence

import pytest
from websockets.asyncio.server import ServerConnection, serve

from support.free_ports import free_ports
from support.waiting import eventually
from touchline_loadtest import crowd_words as words
from touchline_loadtest.audience import Audience, audience_of
from touchline_loadtest.clients import CrowdFailed
from touchline_loadtest.machine import Cores
from touchline_loadtest.measuring import gaps
from touchline_loadtest.wire import event_value
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Beat, Error, Event, Limits, Message, RoomRequest, Subscribed, Welcome

ROOM = "match:1"
WELCOME = Welcome(session="s", edge="e", heartbeat_ms=1000, limits=Limits(1024, 1), time=0)
SUBSCRIBED = Subscribed(room=ROOM, epoch="e", head=0, recovered=False)
JOINED = (WELCOME, SUBSCRIBED)
UNPINNED = Cores(None, None)
TIMEOUT_S = 10


def event(offset: int, size_bytes: int = 200) -> Event:
    return Event(room=ROOM, offset=offset, prev=offset - 1, ts=0, data=JSON.value(event_value(0, size_bytes)))


class WrongServer:
    """Says ``first`` to each client that has said hello and subscribed; the last client can be told other things."""

    def __init__(self, first: Sequence[Message], last_first: Sequence[Message] | None, clients: int) -> None:
        self.first = first
        self.last_first = first if last_first is None else last_first
        self.clients = clients
        self.connections: list[ServerConnection] = []

    async def handle(self, connection: ServerConnection) -> None:
        for _ in ("hello", "subscribe"):
            await connection.recv()
        self.connections.append(connection)
        await say(connection, self.last_first if len(self.connections) == self.clients else self.first)
        await connection.wait_closed()


async def say_to(connections: Sequence[ServerConnection], *messages: Message) -> None:
    for connection in connections:
        await say(connection, messages)


async def say(connection: ServerConnection, messages: Sequence[Message]) -> None:
    for message in messages:
        await connection.send(JSON.encode(message).decode())


@contextlib.asynccontextmanager
async def audience_with(
    first: Sequence[Message], last_first: Sequence[Message] | None = None, *, clients: int = 6, checked: int = 2
) -> AsyncIterator[tuple[Audience, WrongServer]]:
    """Clients of which the last to join is one that counts: the checked ones have joined when the others begin."""
    server = WrongServer(first, last_first, clients)
    async with serve(server.handle, "127.0.0.1", 0, compression=None, ping_interval=None) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        async with audience_of(port, UNPINNED) as audience:
            group = await audience.connect(checked, RoomRequest(room=ROOM), checked=checked)
            await audience.crowd.do(
                words.Connect(0, port, clients - checked, clients, TIMEOUT_S, request=RoomRequest(room=ROOM))
            )
            group.counted = clients - checked
            yield audience, server


async def test_nothing_is_found_where_nothing_is_wrong() -> None:
    async with audience_with([*JOINED, event(1), event(2)]) as (audience, _):
        assert audience.expect(2, [ROOM]) == 12
        await audience.until_arrived(TIMEOUT_S)
        assert await audience.lacking() == 0
        assert gaps(audience) == 0
        assert [check.events for check in audience.checks] == [2, 2]


async def test_a_gap_is_seen_by_the_checked_clients() -> None:
    async with audience_with([*JOINED, event(1), event(2), event(4)]) as (audience, _):
        audience.expect(3, [ROOM])
        await audience.until_arrived(TIMEOUT_S)
        assert gaps(audience) == 2
        assert await audience.lacking() == 0


async def test_events_that_nobody_gets_are_told() -> None:
    async with audience_with([*JOINED, event(1)]) as (audience, _):
        audience.expect(2, [ROOM])
        with pytest.raises(CrowdFailed, match="2 lack some"):
            await audience.until_arrived(0.2)
        assert await audience.lacking() == 2


@pytest.mark.parametrize("wrong", [(), (event(1, 199),)], ids=["an event", "a byte"])
async def test_what_one_counting_client_lacks_is_told(wrong: Sequence[Message]) -> None:
    async with audience_with([*JOINED, event(1)], [*JOINED, *wrong]) as (audience, _):
        audience.expect(1, [ROOM])
        with pytest.raises(CrowdFailed, match="1 of 4 lack some"):
            await audience.until_arrived(0.2)
        assert await audience.lacking() == 1


async def test_a_counting_client_that_gets_too_much_is_told() -> None:
    async with audience_with([*JOINED, event(1)], [*JOINED, event(1, 201)]) as (audience, _):
        audience.expect(1, [ROOM])
        await audience.until_arrived(TIMEOUT_S)
        assert await audience.lacking() == 1


async def test_beats_before_the_first_event_are_not_counted() -> None:
    async with audience_with(JOINED, [*JOINED, Beat(), Beat()]) as (audience, server):
        await say_to(server.connections, event(1))
        audience.expect(1, [ROOM])
        await audience.until_arrived(TIMEOUT_S)
        assert await audience.lacking() == 0


@pytest.mark.parametrize("checked", [0, 1], ids=["counted", "checked"])
async def test_a_refusal_ends_the_measurement_with_its_reason(checked: int) -> None:
    with pytest.raises(CrowdFailed, match="no such room"):
        async with audience_with([WELCOME, Error(code="bad_room", message="no such room")], clients=1, checked=checked):
            pass


async def test_a_checked_client_that_is_cut_off_ends_the_measurement() -> None:
    async with audience_with(JOINED) as (audience, server):
        server.connections[0].transport.abort()
        audience.expect(1, [ROOM])
        with pytest.raises(CrowdFailed, match="1 clients were lost"):
            await audience.until_arrived(TIMEOUT_S)


async def test_a_counting_client_that_is_cut_off_ends_the_measurement() -> None:
    async with audience_with(JOINED) as (audience, server):
        server.connections[-1].transport.abort()
        with pytest.raises(CrowdFailed, match="1 clients were lost"):
            await audience.crowd.do(words.Await([1_000_000], TIMEOUT_S))
        with pytest.raises(CrowdFailed, match="1 clients were lost"):
            await audience.lacking()


@pytest.mark.parametrize("checked", [0, 1], ids=["counted", "checked"])
async def test_a_server_that_is_not_there_is_told(checked: int) -> None:
    (port,) = free_ports(1)
    async with audience_of(port, UNPINNED) as audience:
        with pytest.raises(CrowdFailed, match="could not connect"):
            await audience.connect(1, RoomRequest(room=ROOM), checked=checked)


async def test_clients_that_pause_are_not_waited_for_and_catch_up_afterwards() -> None:
    async with audience_with(JOINED) as (audience, server):
        (group,) = audience.groups
        await audience.pause(group, 3)
        await say_to(server.connections, event(1), event(2))
        audience.expect(2, [ROOM])
        await audience.until_arrived(TIMEOUT_S)
        assert await audience.lacking() == 3
        await audience.resume()
        await audience.until_arrived(TIMEOUT_S)
        assert await audience.lacking() == 0


async def test_a_small_receive_buffer_makes_the_server_wait_for_a_client_that_pauses() -> None:
    """What the kernel takes for a client that does not read is what its buffers hold."""
    much = event(1, 900_000)
    async with serve(
        (server := WrongServer(JOINED, None, 1)).handle, "127.0.0.1", 0, compression=None, ping_interval=None
    ) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        async with audience_of(port, UNPINNED) as audience:
            group = await audience.connect(1, RoomRequest(room=ROOM), checked=0, receive_buffer_bytes=4096)
            await audience.pause(group, 1)
            sending = [asyncio.create_task(say(server.connections[0], [much] * 10))]
            done, _ = await asyncio.wait(sending, timeout=0.5)
            assert not done
            await audience.resume()
            await asyncio.wait_for(sending[0], TIMEOUT_S)


async def test_it_is_noted_when_the_first_and_the_last_client_had_an_event() -> None:
    async with audience_with(JOINED) as (audience, server):
        (group,) = audience.groups
        checked, counting = server.connections[:2], server.connections[2:]
        sizes_bytes = [len(JSON.frame(event(number))) for number in (9, 10)]
        await audience.record()
        await say_to(counting, event(9))
        await audience.crowd.do(words.Await([sizes_bytes[0]], TIMEOUT_S))
        between_ns = [time.monotonic_ns()]
        await say_to(checked, event(9))
        audience.expect(1, [ROOM])
        await audience.until_arrived(TIMEOUT_S)
        await say_to(checked, event(10))
        await eventually(lambda: all(check.events == 2 for check in audience.checks))
        between_ns.append(time.monotonic_ns())
        await say_to(counting, event(10))
        audience.expect(1, [ROOM])
        await audience.until_arrived(TIMEOUT_S)
        for found, time_ns in zip(await audience.recorded(group), between_ns, strict=True):
            assert found.clients == 6
            assert found.first_ns < time_ns < found.last_ns
        assert sizes_bytes[0] < sizes_bytes[1]
        assert await audience.lacking() == 0


async def test_the_crowd_is_nicer_than_the_measuring_process() -> None:
    async with audience_with(JOINED) as (audience, _):
        assert os.getpriority(os.PRIO_PROCESS, audience.crowd.pid) == os.getpriority(os.PRIO_PROCESS, 0) + 5
