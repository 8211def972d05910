"""Heartbeats, and how an edge stops."""

import asyncio
import contextlib
import time

import pytest
from websockets.exceptions import ConnectionClosed

from edge.logs import BreakableLog
from support.node_fixture import DEADLINE_S, Client, running_node
from support.waiting import eventually
from touchline_protocol import codes
from touchline_protocol.codecs import CODECS, Codec
from touchline_protocol.messages import Beat, Event, Goaway, Hello, RoomRequest, Subscribe, Subscribed, Welcome

HEARTBEAT_MS = 200
DRAIN_S = 60
"""Longer than the test, whose clients leave earlier."""
GRACE_S = 2.0
"""Enough for a client to connect, on a machine on which that takes a second."""


@pytest.mark.parametrize("codec", CODECS)
async def test_an_idle_client_gets_a_beat_per_heartbeat(codec: Codec) -> None:
    async with running_node(heartbeat_s=HEARTBEAT_MS / 1000) as node, node.client(codec) as client:
        began = time.monotonic()
        for _ in range(5):
            await client.expect(Beat)
        assert time.monotonic() - began > 3 * HEARTBEAT_MS / 2_000  # a beat comes at most once per check


async def test_no_beat_comes_before_the_welcome() -> None:
    async with running_node(heartbeat_s=HEARTBEAT_MS / 1000) as node, node.client(greeted=False) as client:
        with pytest.raises(TimeoutError):
            await client.next(timeout_s=3 * HEARTBEAT_MS / 1_000)
        await client.send(Hello())
        await client.expect(Welcome)


async def test_a_stopping_edge_spreads_reconnects_over_the_drain_while_events_still_flow() -> None:
    async with running_node(drain_s=DRAIN_S) as node, contextlib.AsyncExitStack() as stack:
        stranger = await stack.enter_async_context(node.client(greeted=False))
        clients = [await stack.enter_async_context(node.client(CODECS[n % 2])) for n in range(6)]
        await clients[0].join("score:1")
        stopping = asyncio.create_task(node.stop_edge())
        shares = [(await client.expect(Goaway)).reconnect_ms for client in clients]
        assert len(set(shares)) == len(clients)
        assert all(0 <= share <= DRAIN_S * 1000 for share in shares)
        assert max(shares) - min(shares) > DRAIN_S * 500
        await node.publish("score:1", 1)
        await clients[0].expect(Event)
        with pytest.raises(OSError):  # noqa: PT011 - refused or reset
            await asyncio.open_connection(node.host, node.port)
        for client in [*clients, stranger]:
            await client.websocket.close()
        await stopping
        assert node.node.core.connections == 0


async def test_an_edge_serves_as_before_until_the_load_balancer_has_noticed() -> None:
    async with running_node(drain_s=DRAIN_S, drain_grace_s=GRACE_S) as node, node.client() as before:
        began_s = time.monotonic()
        stopping = asyncio.create_task(node.stop_edge())
        await eventually(lambda: node.node.core.is_draining)
        assert "edge" in node.node.readiness().problems
        async with node.client() as after:
            await after.join("score:1")
            await node.publish("score:1", 1)
            await after.expect(Event)
            for client in (before, after):
                await client.expect(Goaway)
            assert time.monotonic() - began_s >= GRACE_S
        await before.websocket.close()
        await stopping


async def test_a_connection_that_comes_too_late_is_asked_to_come_back_elsewhere() -> None:
    async with (
        running_node(drain_s=DRAIN_S) as node,
        node.client() as first,
        node.client(greeted=False) as greeting,
        node.raw() as opening,
        node.raw() as asking,
    ):
        for late in (opening, asking):
            await late.send_bytes(b"GET ")
        await eventually(lambda: node.node.core.connections == 4)
        stopping = asyncio.create_task(node.stop_edge())
        await first.expect(Goaway)
        await greeting.send(Hello())
        await greeting.expect(Welcome)
        assert 0 <= (await greeting.expect(Goaway)).reconnect_ms <= DRAIN_S * 1000
        await opening.send_bytes(b"/ws HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asking.send_bytes(b"/v1/rooms/score:1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for late in (opening, asking):
            head = (await late.read_all()).split(b"\r\n\r\n")[0]
            assert head.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nRetry-After: " in head
            late.sock.close()
        for client in (first, greeting):
            await client.websocket.close()
        await stopping


async def test_the_end_of_the_drain_closes_the_remaining_clients() -> None:
    async with running_node(drain_s=0.1) as node, node.client() as client, node.client(greeted=False) as stranger:
        await asyncio.gather(node.stop_edge(), _closed(client))
        with pytest.raises(ConnectionClosed):
            await stranger.next()  # nothing comes before the welcome
        assert await stranger.closed() == (codes.GOING_AWAY.code, codes.GOING_AWAY.name)
        assert node.node.core.connections == 0


async def test_stopping_does_not_wait_forever_for_clients_that_do_not_read(
    caplog: pytest.LogCaptureFixture, short_linger: None
) -> None:
    async with (
        running_node() as node,
        node.raw(receive_bytes=4096) as slow,
        node.raw() as stranger,
        node.raw() as half_open,
        node.client() as client,
    ):
        await slow.open()
        await slow.send(Subscribe(rooms=[RoomRequest(room="score:1")]))
        assert isinstance(await slow.next(), Subscribed)
        await stranger.send_bytes(b"GET /ws HTTP/1.1\r\n")
        await half_open.open()
        await node.publish("score:1", *["x" * 10_000] * 400)
        await eventually(lambda: any(client.paused_ms is not None for client in node.node.core.clients))
        async with asyncio.timeout(DEADLINE_S):
            await asyncio.gather(node.stop_edge(), _closed(client))
        await eventually(lambda: node.node.core.connections == 0)
        assert await half_open.close_code() == codes.GOING_AWAY.code
    assert not caplog.records


async def _closed(client: Client) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await client.next()
    assert client.websocket.close_code == codes.GOING_AWAY.code


async def test_stopping_ends_catch_ups_that_wait_for_the_log() -> None:
    log = BreakableLog()
    async with running_node(log, window_bytes_max=1 << 16) as node, node.client() as client:
        joined = await client.join("score:1")
        await node.publish("score:1", *["x" * 1_000] * 300)
        await client.events(300)
        await client.leave("score:1")
        room = node.node.core.hub.rooms["score:1"]
        await eventually(lambda: room.contents.floor > joined.head)
        with log.reads_waiting():
            await client.send(Subscribe(rooms=[RoomRequest(room="score:1", epoch=joined.epoch, after=joined.head)]))
            await eventually(lambda: log.reads > 0)
            async with asyncio.timeout(DEADLINE_S):
                await node.stop_edge()
