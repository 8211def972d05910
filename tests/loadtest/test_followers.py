"""Checks of clients that stop, leave and come back: they notice what a server does wrong, and accept what it may do."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Sequence

import pytest
from websockets.asyncio.server import ServerConnection, serve

from touchline_loadtest.checks.room_check import RoomCheck
from touchline_loadtest.clients.errors import ClientsFailed
from touchline_loadtest.clients.follower import follow
from touchline_loadtest.measure.observation import Sample, open_connections, own_growth_kib
from touchline_loadtest.publish.keyed_publisher import KeyedPublisher
from touchline_loadtest.wire.event_values import event_value
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Error, Event, Message, RoomRequest, Skipped, Subscribed

ROOM = "match:1"
DEADLINE_S = 60.0


def event(offset: int, prev: int | None, *, key: str | None = None, due: int = 0) -> Event:
    return Event(room=ROOM, offset=offset, prev=prev, ts=0, data={"due": due}, key=key)


def subscribed(head: int, *, recovered: bool = False, state: Sequence[Event] = ()) -> Subscribed:
    return Subscribed(room=ROOM, epoch="e", head=head, recovered=recovered, state=list(state))


def room_check(*messages: Message, after: int | None = None) -> RoomCheck:
    epoch = None if after is None else "e"
    check = RoomCheck(RoomRequest(room=ROOM, epoch=epoch, after=after, deliver="latest"))
    receive(check, *messages)
    return check


def receive(check: RoomCheck, *messages: Message, now_ns: int = 0) -> None:
    for message in messages:
        check.receive(JSON.encode(message), now_ns)


def test_what_was_received_and_left_out_is_counted_and_breaches_are_kept() -> None:
    check = room_check(subscribed(1), Skipped(ROOM, from_=2, to=5, count=3), event(4, 3), event(6, 5), event(6, 5))
    assert (check.events, check.skipped) == (3, 3)
    assert [breach.kind for breach in check.breaches] == ["doubled"]


def test_a_client_that_comes_back_is_checked_from_its_cursor_on() -> None:
    check = room_check(subscribed(9, recovered=True), event(6, 5), after=4)
    assert (check.resumed, [breach.kind for breach in check.breaches]) == (1, ["missing"])
    check = room_check(subscribed(9), after=4)
    assert (check.resumed, [breach.kind for breach in check.breaches]) == (0, ["lost_cursor"])


def test_the_newest_event_of_each_key_is_known_by_when_it_was_due() -> None:
    check = room_check(
        subscribed(1, state=[event(0, None, key="score", due=1), event(1, 0, key="clock", due=2)]),
        event(2, 1, key="clock", due=3),
        event(3, 2, due=4),
    )
    assert check.newest == {"score": 1, "clock": 3, None: 4}


def test_lateness_counts_from_when_an_event_was_due() -> None:
    check = room_check(subscribed(0))
    receive(check, event(1, 0, due=100), now_ns=350)
    assert check.latencies_ns == [250]


def test_an_unexpected_message_is_kept() -> None:
    check = room_check(subscribed(0), Error(code="bad_message", message="no"))
    assert len(check.unexpected) == 1
    assert "bad_message" in check.unexpected[0]


def test_a_goal_is_reached_by_its_event_or_a_later_one() -> None:
    check = room_check(subscribed(1))
    check.goal = 4
    receive(check, event(2, 1), Skipped(ROOM, from_=3, to=4, count=2), now_ns=10)
    assert check.reached_ns is None
    receive(check, event(5, 4), now_ns=20)
    receive(check, event(6, 5), now_ns=30)
    assert check.reached_ns == 20


async def test_events_get_their_keys_in_turn_and_the_newest_are_remembered() -> None:
    published: list[bytes] = []

    async def publish(room: str, values: Sequence[bytes]) -> None:
        published.extend(values)

    keyed = KeyedPublisher(publish, ["a", None])
    await keyed(ROOM, [event_value(due, 100) for due in (1, 2, 3)])
    await keyed.publish_with_key(ROOM, "end", event_value(4, 100))
    assert [json.loads(value).get("key") for value in published] == ["a", None, "a", "end"]
    assert (keyed.events, keyed.newest) == (4, {ROOM: {"a": 3, None: 2, "end": 4}})


@contextlib.asynccontextmanager
async def server_that_sends(*messages: Message, then_cuts: bool = False) -> AsyncIterator[int]:
    """A server that answers a hello and a subscribe with ``messages``; yields its port."""

    async def handler(connection: ServerConnection) -> None:
        for _ in ("hello", "subscribe"):
            await connection.recv()
        for message in messages:
            await connection.send(JSON.encode(message).decode())
        if then_cuts:
            connection.transport.abort()
        await connection.wait_closed()

    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def test_a_client_that_leaves_is_not_lost() -> None:
    async with server_that_sends(subscribed(1)) as port:
        follower = await follow(port, RoomCheck(RoomRequest(room=ROOM)))
        await follower.leave()
        assert follower.lost is None
        gone = await follow(port, RoomCheck(RoomRequest(room=ROOM)))
        gone.vanish()
        await asyncio.wait_for(gone.gone.wait(), DEADLINE_S)
        assert gone.lost is None


async def test_a_client_that_is_cut_off_is_lost() -> None:
    async with server_that_sends(subscribed(1), then_cuts=True) as port:
        follower = await follow(port, RoomCheck(RoomRequest(room=ROOM)))
        await asyncio.wait_for(follower.gone.wait(), DEADLINE_S)
    assert follower.lost is not None


async def test_a_refused_client_fails_with_the_server_s_code() -> None:
    async with server_that_sends(Error(code="bad_room", message="no such room"), then_cuts=True) as port:
        with pytest.raises(ClientsFailed, match="bad_room"):
            await follow(port, RoomCheck(RoomRequest(room=ROOM)))


async def test_a_missing_server_is_an_error() -> None:
    async with server_that_sends() as port:
        pass
    with pytest.raises(ClientsFailed):
        await follow(port, RoomCheck(RoomRequest(room=ROOM)))


def test_a_connection_counts_as_open_until_the_server_has_closed_it_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert open_connections(port) == 0
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = listener.accept()
        assert open_connections(port) == 1
        client.close()
        assert accepted.recv(1) == b""
        assert open_connections(port) == 1
        accepted.close()
        assert open_connections(port) == 0


def test_growth_is_the_highest_sample_above_the_first() -> None:
    assert own_growth_kib([Sample(0, 100, 0), Sample(1, 180, 0), Sample(2, 120, 0)]) == 80
