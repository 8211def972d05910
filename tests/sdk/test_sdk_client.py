"""The asyncio client on real sockets, against a server that follows a script."""

import asyncio
import gc
import logging
import socket
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

import touchline
from sdk.scripted_server import Peer, event, scripted
from support.waiting import eventually
from touchline import Backoff, Client, errors
from touchline_protocol.codecs import CODECS, CodecName
from touchline_protocol.messages import Beat, Error, Goaway, Subscribe, Subscribed, Unsubscribe

QUICK = Backoff(base_s=0.01, max_s=0.05)


@pytest.fixture(autouse=True)
async def leaves_nothing_behind() -> AsyncIterator[None]:
    """No test leaves a task of ours behind. A socket left open is a ResourceWarning, so an error."""
    yield
    await asyncio.sleep(0)
    assert [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("touchline")] == []
    gc.collect()


def connect(url: str, codec: CodecName = "msgpack", events_buffer_max: int = 10_000) -> Client:
    return touchline.connect(url, codec=codec, backoff=QUICK, proxy=False, events_buffer_max=events_buffer_max)


async def offsets(subscription: touchline.Subscription, count: int) -> list[int]:
    return [(await anext(subscription)).offset for _ in range(count)]


@pytest.mark.parametrize("codec", [codec.name for codec in CODECS])
async def test_events_arrive_with_all_their_fields(codec: CodecName) -> None:
    async def script(peer: Peer) -> None:
        await peer.admit()
        await peer.say(event(3, key="score"), event(5, prev=3))
        await peer.until_closed()

    async with scripted(script) as server, connect(server.url, codec) as client:
        subscription = client.subscribe("score:1")
        first = await anext(subscription)
        assert (first.room, first.offset, first.key, first.ts, first.data) == ("score:1", 3, "score", 3, {"n": 3})
        assert str(first.cursor) == "e.3"
        assert subscription.state == {"score": first}
        assert await offsets(subscription, 1) == [5]
        assert (client.connected, client.edge, str(subscription.cursor)) == (True, "edge-1", "e.5")


async def test_after_a_lost_connection_the_client_resumes_from_the_cursor_without_loss_or_duplicate() -> None:
    async def first(peer: Peer) -> None:
        await peer.admit()
        await peer.say(event(1), event(2, prev=1))
        peer.connection.transport.abort()

    async def second(peer: Peer) -> None:
        request = await peer.admit()
        assert (request.epoch, request.after) == ("e", 2)
        await peer.say(event(2, prev=1), event(3, prev=2))
        await peer.until_closed()

    async with scripted(first, second) as server, connect(server.url) as client:
        subscription = client.subscribe("score:1")
        assert await offsets(subscription, 3) == [1, 2, 3]
        assert (subscription.recovered, subscription.restarts, subscription.gaps) == (True, 0, 0)


async def test_missing_events_are_asked_for_again(caplog: pytest.LogCaptureFixture) -> None:
    async def script(peer: Peer) -> None:
        await peer.admit()
        await peer.say(event(1), event(3, prev=2))
        await peer.hear(Unsubscribe)
        assert (await peer.join()).after == 1
        await peer.say(event(2, prev=1), event(3, prev=2))
        await peer.until_closed()

    async with scripted(script) as server, connect(server.url) as client:
        subscription = client.subscribe("score:1")
        assert await offsets(subscription, 3) == [1, 2, 3]
        assert subscription.gaps == 1
    (warning,) = [record for record in caplog.records if record.name == "touchline"]
    assert warning.args == ("score:1", 2, 1)


async def test_a_cursor_that_is_not_honoured_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        subscribe = await peer.hear(Subscribe)
        assert (subscribe.rooms[0].epoch, subscribe.rooms[0].after) == ("old", 7)
        state = [event(90, key="score")]
        await peer.say(Subscribed(room="score:1", epoch="e", head=99, recovered=False, state=state, id=subscribe.id))
        await peer.say(event(100, prev=90))
        await peer.say(Subscribed(room="score:1", epoch="f", head=0, recovered=False), event(1))
        await peer.until_closed()

    seen: list[str | None] = []
    async with scripted(script) as server, connect(server.url) as client:
        subscription = client.subscribe("score:1", after="old.7", on_restart=lambda it: seen.append(it.epoch))
        await subscription.joined()
        assert (seen, list(subscription.state), subscription.recovered) == (["e"], ["score"], False)
        assert await offsets(subscription, 1) == [100]
        assert seen == ["e"]
        assert (await anext(subscription)).epoch == "f"
        assert (seen, subscription.restarts, subscription.state) == (["e", "f"], 2, {})
    warnings = [record.args for record in caplog.records if record.name == "touchline"]
    assert warnings == [("score:1",), ("score:1",)]


async def test_a_goaway_is_followed_when_its_time_has_come_and_events_arrive_until_then() -> None:
    async def first(peer: Peer) -> None:
        await peer.admit()
        await peer.say(Goaway(reconnect_ms=200, reason="drain"), event(1))
        assert await peer.until_closed() == 1000

    async def second(peer: Peer) -> None:
        assert (await peer.admit()).after == 1
        await peer.say(event(2, prev=1))
        await peer.until_closed()

    async with scripted(first, second) as server, connect(server.url) as client:
        assert await offsets(client.subscribe("score:1"), 2) == [1, 2]
        assert server.times[1] - server.times[0] >= 0.2


async def test_two_silent_heartbeats_are_a_lost_connection_and_a_beat_is_not_silence() -> None:
    async def first(peer: Peer) -> None:
        await peer.admit(heartbeat_ms=200)
        for _ in range(5):
            await asyncio.sleep(0.15)
            await peer.say(Beat())
        await peer.until_closed()

    async def second(peer: Peer) -> None:
        await peer.admit()
        await peer.say(event(1))
        await peer.until_closed()

    async with scripted(first, second) as server, connect(server.url) as client:
        assert await offsets(client.subscribe("score:1"), 1) == [1]
        assert server.times[1] - server.times[0] >= 0.75 + 0.4


async def test_waits_grow_and_stay_below_their_bounds() -> None:
    async def drop(peer: Peer) -> None:
        await peer.welcome()
        await peer.connection.close(1011)

    backoff = Backoff(base_s=0.02, max_s=0.1)
    async with scripted(drop) as server:
        async with touchline.connect(server.url, backoff=backoff, random=lambda: 1.0, proxy=False):
            await eventually(lambda: len(server.times) >= 7)
        waits = [after - before for before, after in zip(server.times, server.times[1:], strict=False)]
    for wait, bound in zip(waits, [0.02, 0.04, 0.08, 0.1, 0.1, 0.1], strict=False):
        assert wait >= bound * 0.95


async def test_a_room_that_is_unavailable_is_asked_for_again() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        for _ in range(3):
            asked = await peer.hear(Subscribe)
            await peer.say(Error(code="unavailable", message="not yet", room="score:1", id=asked.id))
        await peer.join()
        await peer.say(event(1))
        await peer.until_closed()

    async with scripted(script) as server, connect(server.url) as client:
        assert await offsets(client.subscribe("score:1"), 1) == [1]


async def test_a_refused_room_raises_and_the_others_go_on() -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        asked = await peer.hear(Subscribe)
        assert [request.room for request in asked.rooms] == ["nofeed:1", "score:1"]
        await peer.say(Error(code="unknown_feed", message="no such feed", room="nofeed:1", id=asked.id))
        await peer.say(Subscribed(room="score:1", epoch="e", head=-1, recovered=False, id=asked.id), event(1))
        await peer.until_closed()

    async with scripted(script) as server, connect(server.url) as client:
        refused, other = client.subscribe("nofeed:1"), client.subscribe("score:1")
        with pytest.raises(errors.RoomRefused) as caught:
            await anext(refused)
        assert (caught.value.room, caught.value.code) == ("nofeed:1", "unknown_feed")
        assert await offsets(other, 1) == [1]


async def test_a_close_that_says_give_up_ends_every_iterator_with_its_code_after_the_last_event() -> None:
    async def script(peer: Peer) -> None:
        await peer.admit()
        await peer.say(event(1))
        await peer.connection.close(4501)

    async with scripted(script) as server, connect(server.url) as client:
        subscription = client.subscribe("score:1")
        assert await offsets(subscription, 1) == [1]
        with pytest.raises(errors.ConnectionRefused) as caught:
            await anext(subscription)
        assert caught.value.code == 4501
        with pytest.raises(errors.ConnectionRefused):
            client.subscribe("score:2")
    assert len(server.times) == 1


async def test_an_unreadable_message_is_an_error_and_an_unknown_type_is_not() -> None:
    async def script(peer: Peer) -> None:
        await peer.admit()
        await peer.connection.send(b'{"type":"confetti"}', text=True)
        await peer.say(event(1))
        await peer.connection.send(b'{"type":"event"}', text=True)
        await peer.until_closed()

    async with scripted(script) as server, connect(server.url, "json") as client:
        subscription = client.subscribe("score:1")
        assert await offsets(subscription, 1) == [1]
        with pytest.raises(errors.ProtocolViolated):
            await anext(subscription)


def answer(status: HTTPStatus) -> Callable[[ServerConnection, Request], Response]:
    def refuse(connection: ServerConnection, _request: Request) -> Response:
        return connection.respond(status, "Not you.\n")

    return refuse


async def never(peer: Peer) -> None:
    raise AssertionError("no client should get here")


@pytest.mark.parametrize("status", [HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND])
async def test_a_refused_handshake_is_an_error_at_once(status: HTTPStatus) -> None:
    async with scripted(never, refuse=answer(status)) as server:
        with pytest.raises(errors.ConnectionRefused, match="Not you") as caught:
            await connect(server.url).__aenter__()
        assert caught.value.code == status


async def test_a_full_edge_and_a_closed_port_are_unreachable_at_the_first_connection() -> None:
    async with scripted(never, refuse=answer(HTTPStatus.SERVICE_UNAVAILABLE)) as server:
        with pytest.raises(errors.Unreachable, match="503"):
            await connect(server.url).__aenter__()
    with pytest.raises(errors.Unreachable):
        await connect(server.url).__aenter__()


async def test_retry_first_waits_for_a_server_that_is_not_there_yet() -> None:
    answers = iter([HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.BAD_GATEWAY])

    def refuse(connection: ServerConnection, _request: Request) -> Response | None:
        status = next(answers, None)
        return None if status is None else connection.respond(status, "later\n")

    async def script(peer: Peer) -> None:
        await peer.admit()
        await peer.say(event(1))
        await peer.until_closed()

    async with (
        scripted(script, refuse=refuse) as server,
        touchline.connect(server.url, retry_first=True, backoff=QUICK, proxy=False) as client,
    ):
        assert await offsets(client.subscribe("score:1"), 1) == [1]


async def test_invalid_arguments_raise_at_once() -> None:
    with pytest.raises(errors.BadUrl, match="http://localhost/ws"):
        connect("http://localhost/ws")
    with pytest.raises(errors.ClientClosed):
        connect("ws://localhost/ws").subscribe("score:1")

    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.until_closed()

    async with scripted(script) as server, connect(server.url) as client:
        with pytest.raises(errors.BadRoom):
            client.subscribe("score")
        with pytest.raises(errors.PeerError, match="somewhere"):
            client.subscribe("score:1", after="somewhere")
        with pytest.raises(ValueError, match="1001"):
            client.subscribe("score:1", last=1001)
        subscription = client.subscribe("score:1")
        with pytest.raises(errors.AlreadySubscribed):
            client.subscribe("score:1")
        subscription.close()
        client.subscribe("score:1").close()


async def test_a_slow_reader_stops_the_server_and_nothing_is_dropped() -> None:
    count = 3000
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.admit(heartbeat_ms=100)  # while it does not read, silence means nothing
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
        while before < sent:  # until the server stops sending
            before = sent
            await asyncio.sleep(0.3)
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

    slow = Backoff(base_s=0.2, max_s=0.2)
    async with (
        scripted(first, second) as server,
        touchline.connect(server.url, backoff=slow, random=lambda: 1.0, proxy=False) as client,
    ):
        await eventually(lambda: not client.connected)
        assert await offsets(client.subscribe("score:1"), 1) == [1]
    (warning,) = [record for record in caplog.records if record.name == "touchline"]
    assert "1001 going_away" in warning.getMessage()


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


async def test_a_connect_that_is_cancelled_leaves_nothing() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        task = asyncio.create_task(connect(f"ws://127.0.0.1:{silent.getsockname()[1]}/ws").__aenter__())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
