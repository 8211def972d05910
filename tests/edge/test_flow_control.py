"""Clients that read slower than the edge sends: what they cost, what they receive, and that nobody else notices."""

import asyncio
import socket
from typing import Any

import pytest
from websockets.frames import Opcode

from edge.logs import BreakableLog
from support.client_model import RoomView
from support.node_fixture import RawClient, RunningNode, client_frame, running_node
from support.waiting import eventually
from touchline_protocol import codes
from touchline_protocol.codecs import JSON
from touchline_protocol.frames import payload_of
from touchline_protocol.messages import Beat, Event, RoomRequest, ServerMessage, Subscribe, Subscribed, Unsubscribe
from touchline_server.core.clients.client import Client as CoreClient
from touchline_server.core.clients.client import ClientState
from touchline_server.core.liveness import LINGER_MS
from touchline_server.core.log import OffsetOutOfRange
from touchline_server.core.rooms.encoding import STEP_BYTES
from touchline_server.edge.connection import Connection
from touchline_server.edge.driver import Peer

RECEIVE_BYTES = 4096
LAG_S_MAX = 600  # longer than a test
EVENT_BYTES = 10_000
FRAME_BYTES_MAX = EVENT_BYTES + 200


def connection_of(node: RunningNode, client: RawClient) -> Connection:
    for connection in node.connections:
        if connection.transport.get_extra_info("peername")[1] == client.port:
            return connection
    raise AssertionError("the edge has no such connection")


def core_client_of(node: RunningNode, client: RawClient) -> CoreClient[Peer]:
    connection = connection_of(node, client)
    return next(found for found in node.node.core.clients if found.owner is connection)


async def join(client: RawClient, room: str = "score:1", **request: Any) -> Subscribed:
    await client.send(Subscribe(rooms=[RoomRequest(room=room, **request)]))
    joined = await next_but_beats(client)
    assert isinstance(joined, Subscribed)
    return joined


async def next_but_beats(client: RawClient) -> ServerMessage:
    """The next message that is not a beat: on a busy machine one may come between any two."""
    while isinstance(message := await client.next(), Beat):
        pass
    return message


async def publish_much(node: RunningNode, events: int, *, keys: int = 0) -> list[int]:
    """Publish events of 10 KB one after the other, and return their offsets. ``keys``: how many event keys to use."""
    offsets = []
    for number in range(events):
        key = f"k{number % keys}" if keys else None
        offsets += [position.offset for position in await node.publish("score:1", [number, "x" * EVENT_BYTES], key=key)]
    return offsets


async def read_too_little(
    node: RunningNode, slow: RawClient, client: CoreClient[Peer], offsets: list[int]
) -> list[int]:
    """Publish two events for each one that is read, until the client is closed.

    Adds the published offsets to ``offsets``, and returns those that were read.
    """
    received = []
    while client.state is ClientState.OPEN:
        offsets += await publish_much(node, 2)
        message = await next_but_beats(slow)
        assert isinstance(message, Event)
        received.append(message.offset)
    return received


async def test_a_client_that_does_not_read_has_a_bounded_buffer_delays_nobody_and_catches_up_later() -> None:
    async with running_node() as node, node.raw(receive_bytes=RECEIVE_BYTES) as slow, node.client() as quick:
        await slow.open()
        await join(slow)
        await quick.join("score:1")
        connection = connection_of(node, slow)
        most = 0
        offsets: list[int] = []
        for _ in range(400):
            offsets += await publish_much(node, 1)
            assert (await quick.expect(Event)).offset == offsets[-1]
            most = max(most, connection.transport.get_write_buffer_size())
        assert core_client_of(node, slow).paused_ms is not None
        assert most <= FRAME_BYTES_MAX
        received = []
        for _ in offsets:
            message = await next_but_beats(slow)
            assert isinstance(message, Event)
            received.append(message.offset)
            most = max(most, connection.transport.get_write_buffer_size())
        assert received == offsets
        assert most <= STEP_BYTES + FRAME_BYTES_MAX
        live = await publish_much(node, 1)
        assert (await next_but_beats(slow)).offset == live[0]  # type: ignore[union-attr]


async def test_deliver_latest_brings_the_newest_event_of_each_key_and_reports_what_it_skips() -> None:
    async with running_node() as node, node.raw(receive_bytes=RECEIVE_BYTES) as slow:
        await slow.open()
        view = RoomView()
        view.take(await join(slow, deliver="latest"))
        offsets = await publish_much(node, 400, keys=5)
        offsets += [position.offset for position in await node.publish("score:1", "happening")]
        while not view.events or view.events[-1].offset < offsets[-1]:
            view.take(await next_but_beats(slow))
        assert view.skipped + len(view.events) == len(offsets)
        assert view.skipped > 200
        assert {key: value[0] for key, value in view.state.items()} == {f"k{n}": 395 + n for n in range(5)}


async def test_a_catch_up_from_the_log_does_not_fill_the_buffer_of_a_slow_client() -> None:
    async with running_node(window_bytes_max=1 << 16) as node, node.raw(receive_bytes=RECEIVE_BYTES) as slow:
        await slow.open()
        joined = await join(slow)
        await slow.send(Unsubscribe(rooms=["score:1"]))
        await next_but_beats(slow)
        offsets = await publish_much(node, 400)
        assert (await join(slow, epoch=joined.epoch, after=joined.head)).recovered
        connection = connection_of(node, slow)
        most = 0
        received = []
        for _ in offsets:
            most = max(most, connection.transport.get_write_buffer_size())
            message = await next_but_beats(slow)
            assert isinstance(message, Event)
            received.append(message.offset)
        assert received == offsets
        assert most <= STEP_BYTES + FRAME_BYTES_MAX


async def test_a_client_that_reads_nothing_for_too_long_is_closed_and_can_resume() -> None:
    async with running_node(lag_s_max=LAG_S_MAX) as node:
        async with node.raw(receive_bytes=RECEIVE_BYTES) as slow:
            await slow.open()
            joined = await join(slow)
            behind = core_client_of(node, slow)
            offsets = await publish_much(node, 400)
            with node.clocks_ahead(LAG_S_MAX + 1):  # and back: the edge does not cut the connection before it is read
                node.tick()
            assert behind.state is ClientState.CLOSED
            received = [joined.head]
            assert await _close_code_after(slow, received) == codes.TOO_SLOW.code
            assert received[1:] == offsets[: len(received) - 1]
        async with node.client() as client:
            assert (await client.join("score:1", epoch=joined.epoch, after=received[-1])).recovered
            events = [event.offset for event in await client.events(len(offsets) - len(received) + 1)]
            assert events == offsets[len(received) - 1 :]


async def test_a_client_that_reads_too_slowly_to_catch_up_is_closed() -> None:
    async with (
        running_node(lag_s_max=0.5, heartbeat_s=0.2) as node,
        node.raw(receive_bytes=RECEIVE_BYTES) as slow,
    ):
        await slow.open()
        await join(slow)
        client = core_client_of(node, slow)
        offsets = await publish_much(node, 100)
        received = await read_too_little(node, slow, client, offsets)
        assert len(received) < len(offsets) - 50
        assert await _close_code_after(slow, received) == codes.TOO_SLOW.code
        assert received == offsets[: len(received)]


async def test_a_client_that_never_finishes_its_catch_up_is_closed() -> None:
    async with (
        running_node(lag_s_max=0.5, heartbeat_s=0.2) as node,
        node.raw(receive_bytes=RECEIVE_BYTES) as slow,
    ):
        await slow.open()
        joined = await join(slow)
        await slow.send(Unsubscribe(rooms=["score:1"]))
        await next_but_beats(slow)
        client = core_client_of(node, slow)
        offsets = await publish_much(node, 100)
        assert (await join(slow, epoch=joined.epoch, after=joined.head)).recovered
        received = await read_too_little(node, slow, client, offsets)
        assert await _close_code_after(slow, received) == codes.TOO_SLOW.code
        assert received == offsets[: len(received)] != offsets


async def test_the_kernel_does_not_drop_a_slow_client_before_the_edge_closes_it() -> None:
    """Linux would also count the time in which the client acknowledges and takes nothing."""
    async with running_node() as node, node.raw() as client:
        await client.open()
        sock = connection_of(node, client).transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0


async def _close_code_after(client: RawClient, received: list[int]) -> int:
    """Read events into ``received`` until the connection is closed, and return the close code."""
    while frame := await client.next_frame():
        if frame[0] & 0xF == Opcode.CLOSE:
            return int.from_bytes(payload_of(frame)[:2])
        message = JSON.decode_server(payload_of(frame))
        received += [message.offset] if isinstance(message, Event) else []
    raise AssertionError("the connection ended without a close frame")


@pytest.mark.parametrize("deliver", ["all", "latest"])
async def test_a_client_overtaken_by_retention_is_closed_or_starts_over(deliver: str) -> None:
    log = BreakableLog()
    async with (
        running_node(log, window_bytes_max=1 << 16) as node,
        node.raw(receive_bytes=RECEIVE_BYTES) as slow,
    ):
        await slow.open()
        joined = await join(slow, deliver=deliver)
        offsets = await publish_much(node, 400, keys=3)
        with log.reads_failing(OffsetOutOfRange("gone by retention")):
            if deliver == "all":
                received: list[int] = []
                assert await _close_code_after(slow, received) == codes.TOO_SLOW.code
                assert received == offsets[: len(received)] != offsets
                async with node.client() as client:
                    assert not (await client.join("score:1", epoch=joined.epoch, after=received[-1])).recovered
            else:
                while not isinstance(message := await next_but_beats(slow), Subscribed):
                    pass
                assert not message.recovered
                assert sorted(event.offset for event in message.state) == offsets[-3:]


async def test_a_client_that_reads_nothing_and_ignores_the_close_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        running_node(lag_s_max=LAG_S_MAX) as node,
        node.raw(receive_bytes=RECEIVE_BYTES) as slow,
    ):
        await slow.open()
        await join(slow)
        behind = core_client_of(node, slow)
        await publish_much(node, 400)
        with node.clocks_ahead(LAG_S_MAX + 1):
            node.tick()
        assert behind.state is ClientState.CLOSED
        with node.clocks_ahead(LAG_S_MAX + 1 + LINGER_MS / 1000 - 0.1):
            node.tick()
        assert node.node.core.connections == 1
        with node.clocks_ahead(LAG_S_MAX + 2 + LINGER_MS / 1000):
            node.tick()
        await eventually(lambda: node.node.core.connections == 0)
        await publish_much(node, 1)
    assert not caplog.records


async def test_the_edge_stops_reading_from_a_client_that_sends_but_never_reads() -> None:
    async with (
        running_node(rates={"pings_burst": 1_000_000}) as node,
        node.raw(receive_bytes=RECEIVE_BYTES) as client,
        node.client() as other,
    ):
        await client.open()
        connection = connection_of(node, client)
        block = client_frame(Opcode.PING, b"x" * 100) * 500
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.send_bytes(block * 1_000), 1)
        assert connection.transport.get_write_buffer_size() < 1024  # no more than the answer to one frame
        await other.join("score:1")
        await publish_much(node, 1)
        await other.expect(Event)


async def test_pausing_one_client_repeatedly_loses_no_events() -> None:
    async with running_node() as node, node.raw(receive_bytes=RECEIVE_BYTES) as slow, node.client() as quick:
        await slow.open()
        await join(slow)
        await quick.join("score:1")
        offsets: list[int] = []
        received: list[int] = []
        for _ in range(20):
            offsets += await publish_much(node, 30)
            for _ in range(25):
                message = await next_but_beats(slow)
                assert isinstance(message, Event)
                received.append(message.offset)
        assert received == offsets[: len(received)]
        assert [event.offset for event in await quick.events(len(offsets))] == offsets
