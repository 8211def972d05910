"""The asyncio client on real sockets, against a server that follows a script: events, gaps, errors, reconnects."""

import asyncio

import pytest

import touchline
from sdk.clients import connect, leaves_nothing_behind, offsets
from sdk.scripted_server import Peer, event, scripted
from support.waiting import eventually
from touchline import Backoff, errors
from touchline_protocol.codecs import CODECS, CodecName
from touchline_protocol.messages import Beat, Error, Goaway, RoomRequest, Subscribe, Subscribed, Unsubscribe

__all__ = ["leaves_nothing_behind"]


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
        assert str(first.cursor) == "e.3.3"
        assert subscription.state == {"score": first}
        assert await offsets(subscription, 1) == [5]
        assert (client.connected, client.edge, str(subscription.cursor)) == (True, "edge-1", "e.5.5")


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
        await peer.say(Subscribed(room="score:1", epoch="f", head=0, recovered=False))
        await peer.hear(Unsubscribe)  # perhaps its place can be found in the other log
        subscribe = await peer.hear(Subscribe)
        assert subscribe.rooms[0] == RoomRequest(room="score:1", epoch="e", after=100, ts=event(100).ts)
        await peer.say(Subscribed(room="score:1", epoch="f", head=0, recovered=False, id=subscribe.id), event(1))
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
        await peer.admit(heartbeat_ms=1000)
        for _ in range(3):
            await asyncio.sleep(0.75)
            await peer.say(Beat())
        await peer.until_closed()

    async def second(peer: Peer) -> None:
        await peer.admit()
        await peer.say(event(1))
        await peer.until_closed()

    async with scripted(first, second) as server, connect(server.url) as client:
        assert await offsets(client.subscribe("score:1"), 1) == [1]
        assert server.times[1] - server.times[0] >= 3 * 0.75 + 2


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
        with pytest.raises(ValueError, match=r"1\.5"):
            client.subscribe("score:1", last=1.5)  # type: ignore[arg-type]
        subscription = client.subscribe("score:1")
        with pytest.raises(errors.AlreadySubscribed):
            client.subscribe("score:1")
        subscription.close()
        client.subscribe("score:1").close()
