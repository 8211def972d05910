"""Clients that send as much as they can: the others are served meanwhile, and each flood ends with its code.

The flooders and the clients share this process with the edge, so these tests look at outcomes; `make bench` measures.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
from websockets.frames import Opcode

from edge.players import AUTH, token
from edge.streams import stream
from support.node_fixture import RawClient, RunningNode, client_frame, running_node
from support.waiting import eventually
from touchline_protocol import codes
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import (
    Action,
    Error,
    Event,
    Message,
    Refresh,
    RoomRequest,
    Subscribe,
    Subscribed,
    Unsubscribe,
)
from touchline_server.core.input_scheduler import UNIT_BYTES

READ_BYTES = 256 * 1024
"""What the event loop hands over at once, which is all that may wait for its turn."""
EXCESS_UNITS_MAX = READ_BYTES // UNIT_BYTES + 256
"""How much more than its budget a turn may do: throw such a read away, or answer a message with a hundred rooms."""
ROOMS = [f"score:flood-{number}" for number in range(100)]
FLOOD_BYTES = 1 << 20
FLOODERS = 10


def texts(*messages: Message) -> bytes:
    return b"".join(client_frame(Opcode.TEXT, JSON.encode(message)) for message in messages)


FLOODS = {
    "joins and leaves": (
        texts(Subscribe(rooms=[RoomRequest(room=room) for room in ROOMS], id=1), Unsubscribe(rooms=ROOMS)),
        codes.TOO_MANY_ERRORS,
    ),
    "refreshes": (texts(Refresh(token=token("eve", iss="nobody"), id=1)), codes.TOO_MANY_ERRORS),
    "refused actions": (texts(Action(id=1, room="score:1", kind="tap")), codes.TOO_MANY_ERRORS),
    "nonsense": (client_frame(Opcode.TEXT, b"{"), codes.TOO_MANY_ERRORS),
    "pings": (client_frame(Opcode.PING, b""), codes.TOO_MANY_PINGS),
    "pongs": (client_frame(Opcode.PONG, b""), codes.TOO_MANY_PINGS),
    "fragments": (
        client_frame(Opcode.TEXT, b"", fin=False) + client_frame(Opcode.CONT, b"", fin=False) * 10_000,
        codes.TOO_BIG,
    ),
}


async def flood(client: RawClient, frames: bytes) -> None:
    block = frames * (1 + FLOOD_BYTES // len(frames))
    with contextlib.suppress(OSError):
        await client.send_bytes(block)


async def until_closed(client: RawClient, frames: bytes) -> int | None:
    """Flood, and read what is answered meanwhile; returns the code that ends it."""
    async with asyncio.TaskGroup() as group:
        flooding = group.create_task(flood(client, frames))
        code = await client.close_code()
        flooding.cancel()
    return code


@pytest.mark.parametrize(("frames", "code"), FLOODS.values(), ids=FLOODS)
async def test_others_are_served_beside_a_flood_which_ends_with_its_code(frames: bytes, code: codes.CloseCode) -> None:
    rates = {"refusals_per_second_max": 64.0}  # as little as there may be
    async with (
        running_node(auth=AUTH, rates=rates) as node,
        node.client() as honest,
        contextlib.AsyncExitStack() as stack,
    ):
        await honest.join("score:1")
        flooders = [await stack.enter_async_context(node.raw()) for _ in range(FLOODERS)]
        for flooder in flooders:
            await flooder.open()
        async with asyncio.TaskGroup() as group:
            ends = [group.create_task(until_closed(flooder, frames)) for flooder in flooders]
            while not all(end.done() for end in ends):
                ((_, offset),) = await node.publish("score:1", 1)
                assert (await honest.expect(Event)).offset == offset
                await honest.join("score:2")
                await honest.leave("score:2")
                assert node.node.core.input.overspent < EXCESS_UNITS_MAX
                assert all(len(connection._input) <= READ_BYTES for connection in node.connections)
        assert {end.result() for end in ends} == {code.code}
        for flooder in flooders:
            flooder.sock.close()
        await eventually(lambda: node.node.core.connections == 1)
        assert not node.node.core.input.has_waiting
        assert set(node.node.core.hub.rooms) <= {"score:1", "score:2"}


@pytest.mark.parametrize(
    ("end", "code"), [(client_frame(Opcode.CLOSE, b"\x03\xe8"), 1000), (b"", None)], ids=["close", "end"]
)
async def test_a_flood_is_answered_in_order_before_the_close_or_the_end_behind_it(
    node: RunningNode, end: bytes, code: int | None
) -> None:
    count = 900
    async with node.raw() as client:
        await client.open()
        await client.send_bytes(texts(*(Unsubscribe(rooms=["score:1"], id=number) for number in range(count))) + end)
        if not end:
            client.sock.shutdown(1)
        answers = [await client.next() for _ in range(count)]
        assert [answer.id for answer in answers if isinstance(answer, Error)] == list(range(count))
        assert await client.close_code() == code
    await eventually(lambda: node.node.core.connections == 0)


async def test_nothing_is_kept_of_a_flood_that_stops_and_the_client_goes_on(node: RunningNode) -> None:
    async with node.raw() as client:
        await client.open()
        await client.send_bytes(texts(*(Unsubscribe(rooms=["score:1"]) for _ in range(900))))
        for _ in range(900):
            assert isinstance(await client.next(), Error)
        await client.send(Unsubscribe(rooms=["score:1"], id=7))
        assert await client.next() == Error(
            code="not_subscribed", message="the connection is not in this room", room="score:1", id=7
        )
        (connection,) = node.connections
        assert not connection._input
        assert not connection._input._data
        assert not node.node.core.input.has_waiting


async def test_joining_all_rooms_at_once_again_and_again_is_within_the_rates(node: RunningNode) -> None:
    async with node.client() as client:
        for _ in range(5):
            await client.send(Subscribe(rooms=[RoomRequest(room=room) for room in ROOMS]))
            joined = [await client.next() for _ in ROOMS]
            assert not [message for message in joined if isinstance(message, Error)]
            await client.send(Unsubscribe(rooms=ROOMS))
            assert not [message for message in [await client.next() for _ in ROOMS] if isinstance(message, Error)]


async def trickle_a_request(client: RawClient) -> None:
    request = b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    for byte in request * 20:
        await client.send_bytes(bytes((byte,)))
        await asyncio.sleep(0)
    await client.read_all()


async def send_a_huge_header(client: RawClient) -> None:
    await client.send_bytes(b"GET /ws HTTP/1.1\r\nX: " + b"x" * FLOOD_BYTES)
    await client.read_all()


async def send_many_headers(client: RawClient) -> None:
    await client.send_bytes(b"GET /ws HTTP/1.1\r\n" + b"X: x\r\n" * (FLOOD_BYTES // 6))
    await client.read_all()


async def send_bytes_that_are_not_http(client: RawClient) -> None:
    await client.send_bytes(b"\x00" * (4 * FLOOD_BYTES))
    await client.read_all()


@pytest.mark.parametrize(
    "abuse", [trickle_a_request, send_a_huge_header, send_many_headers, send_bytes_that_are_not_http]
)
async def test_others_are_served_beside_abused_handshakes_which_end(
    abuse: Callable[[RawClient], Awaitable[None]],
) -> None:
    async with (
        running_node(handshake_timeout_s=1.0) as node,
        node.client() as honest,
        contextlib.AsyncExitStack() as stack,
    ):
        await honest.join("score:1")
        clients = [await stack.enter_async_context(node.raw()) for _ in range(FLOODERS)]

        async def abuse_until_the_end(client: RawClient) -> None:
            with contextlib.suppress(OSError):
                await abuse(client)

        async with asyncio.TaskGroup() as group:
            abusing = [group.create_task(abuse_until_the_end(client)) for client in clients]
            while not all(task.done() for task in abusing):
                await node.publish("score:1", 1)
                await honest.expect(Event)
                assert node.node.core.input.overspent < EXCESS_UNITS_MAX
                assert all(len(connection._input) <= READ_BYTES for connection in node.connections)
        for client in clients:
            client.sock.close()
        await eventually(lambda: node.node.core.connections == 1)


async def test_rubbish_on_an_event_stream_is_thrown_away_and_delays_nobody(node: RunningNode) -> None:
    async with stream(node) as streaming, node.client() as honest:
        await honest.join("score:1")
        await streaming.expect(Subscribed)
        rubbish = asyncio.create_task(streaming.client.send_bytes(b"rubbish!" * FLOOD_BYTES))
        for _ in range(10):
            ((_, offset),) = await node.publish("score:1", 1)
            assert (await honest.expect(Event)).offset == offset
            assert (await streaming.expect(Event)).offset == offset
            assert node.node.core.input.overspent < EXCESS_UNITS_MAX
        await rubbish
        await eventually(lambda: not any(connection._input for connection in node.connections))
