"""Subscriptions on real sockets: slow readers, leaving, and what closing the client does to them."""

import asyncio
import logging

import pytest

import touchline
from sdk.clients import connect, leaves_nothing_behind, offsets
from sdk.scripted_server import Peer, event, scripted
from support.waiting import eventually
from touchline import Backoff
from touchline_protocol.messages import Beat, Unsubscribe

__all__ = ["leaves_nothing_behind"]


async def test_a_slow_reader_stops_the_server_and_nothing_is_dropped() -> None:
    count = 3000
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.admit(heartbeat_ms=1000)  # while it does not read, silence means nothing
        for offset in range(count):
            message = event(offset, prev=offset - 1 if offset else None)
            await peer.connection.send(peer.codec.encode(message) + b" " * 4000, text=True)
            sent = offset
        while True:
            await asyncio.sleep(0.01)
            await peer.say(Beat())

    async with scripted(script) as server, connect(server.url, "json", events_buffer_max=10) as client:
        subscription = client.subscribe("score:1")
        assert await offsets(subscription, 1) == [0]
        before = -1
        while before < sent:  # until the server stops sending, for longer than two heartbeats
            before = sent
            await asyncio.sleep(2.2)
        assert sent < count - 1
        assert await offsets(subscription, count - 1) == list(range(1, count))
        assert len(server.times) == 1


async def test_leaving_a_subscription_unsubscribes_and_makes_room_for_the_others() -> None:
    async def script(peer: Peer) -> None:
        await peer.admit()
        await peer.say(*[event(offset, prev=offset - 1) for offset in range(100)])
        assert (await peer.hear(Unsubscribe)).rooms == ["score:1"]
        await peer.join()
        await peer.say(event(7, room="score:2"))
        await peer.until_closed()

    async with scripted(script) as server, connect(server.url, events_buffer_max=5) as client:
        async with client.subscribe("score:1") as subscription:
            assert await offsets(subscription, 1) == [0]
        assert [left.offset async for left in subscription] == []
        assert await offsets(client.subscribe("score:2"), 1) == [7]


async def test_a_subscription_that_nobody_holds_is_left() -> None:
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.admit()
        await peer.say(event(1))
        await peer.hear(Unsubscribe)
        left.set()
        await peer.until_closed()

    async with scripted(script) as server, connect(server.url) as client:
        async for seen in client.subscribe("score:1"):
            assert seen.offset == 1
            break
        await left.wait()


async def test_subscribing_while_disconnected_is_sent_when_connected(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    async def first(peer: Peer) -> None:
        await peer.welcome()
        await peer.connection.close(1001)

    async def second(peer: Peer) -> None:
        await peer.admit()
        await peer.say(event(1))
        await peer.until_closed()

    slow = Backoff(base_s=2.0, max_s=2.0)
    async with (
        scripted(first, second) as server,
        touchline.connect(server.url, backoff=slow, random=lambda: 1.0, proxy=False) as client,
    ):
        await eventually(lambda: not client.connected)
        assert await offsets(client.subscribe("score:1"), 1) == [1]
    first_warning = next(record for record in caplog.records if record.name == "touchline")
    assert "1001 going_away" in first_warning.getMessage()


async def test_closing_the_client_ends_its_iterators_and_a_cancelled_reader_leaves_cleanly() -> None:
    async def serve_room(peer: Peer) -> None:
        await peer.admit()
        assert await peer.until_closed() == 1000

    async def read(subscription: touchline.Subscription) -> list[int]:
        return [seen.offset async for seen in subscription]

    async with scripted(serve_room) as server:
        async with connect(server.url) as client:
            reader = asyncio.create_task(read(client.subscribe("score:1")))
            await asyncio.sleep(0)
        assert await reader == []

        async def whole() -> None:
            async with connect(server.url) as inner:
                await read(await inner.subscribe("score:1").joined())

        task = asyncio.create_task(whole())
        await eventually(lambda: server.open == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
