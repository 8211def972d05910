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


def room_check(*messages: Message) -> RoomCheck:
    check = RoomCheck(ROOM, "latest")
    check.request()
    receive(check, *messages)
    return check


def receive(check: RoomCheck, *messages: Message, now_ns: int = 0) -> None:
    for message in messages:
        check.receive(JSON.encode(message), now_ns)


def test_skipped_events_are_not_a_gap() -> None:
    check = room_check(subscribed(1), Skipped(ROOM, from_=2, to=5, count=3), event(4, 3), event(6, 5))
    assert (check.events, check.skipped, check.gaps, check.repeats) == (2, 3, 0, 0)


def test_an_event_missing_beyond_the_skipped_range_is_a_gap() -> None:
    check = room_check(subscribed(1), Skipped(ROOM, from_=2, to=3, count=2), event(6, 5))
    assert check.gaps == 1


def test_an_event_that_was_already_received_is_a_repeat() -> None:
    check = room_check(subscribed(1), event(2, 1), event(2, 1), event(1, 0))
    assert (check.events, check.repeats, check.gaps) == (3, 2, 0)


def test_a_client_resumes_from_the_last_event_it_received_not_from_a_skipped_one() -> None:
    check = room_check(subscribed(1), event(2, 1), Skipped(ROOM, from_=3, to=5, count=3))
    assert check.request() == RoomRequest(room=ROOM, epoch="e", after=2, deliver="latest")
    assert not check.joined
    receive(check, subscribed(9, recovered=True), event(9, 8))
    assert (check.resumed, check.started_over, check.gaps) == (1, 0, 1)


def test_a_refused_cursor_counts_as_starting_over_and_a_first_join_does_not() -> None:
    check = room_check(subscribed(3))
    assert (check.joined, check.started_over) == (True, 0)
    check.request()
    receive(check, subscribed(9, state=[event(8, None, key="score", due=7)]))
    assert (check.started_over, check.resumed, check.newest) == (1, 0, {"score": 7})


def test_the_state_is_the_newest_event_of_each_key() -> None:
    check = room_check(
        subscribed(1, state=[event(0, None, key="score", due=1), event(1, 0, key="clock", due=2)]),
        event(2, 1, key="clock", due=3),
        event(3, 2, due=4),
    )
    assert check.newest == {"score": 1, "clock": 3, None: 4}


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
        follower = await follow(port, RoomCheck(ROOM))
        await follower.leave()
        assert follower.lost is None
        gone = await follow(port, RoomCheck(ROOM))
        gone.vanish()
        await asyncio.wait_for(gone.gone.wait(), DEADLINE_S)
        assert gone.lost is None


async def test_a_client_that_is_cut_off_is_lost() -> None:
    async with server_that_sends(subscribed(1), then_cuts=True) as port:
        follower = await follow(port, RoomCheck(ROOM))
        await asyncio.wait_for(follower.gone.wait(), DEADLINE_S)
    assert follower.lost is not None


async def test_a_refused_client_fails_with_the_server_s_code() -> None:
    async with server_that_sends(Error(code="bad_room", message="no such room"), then_cuts=True) as port:
        with pytest.raises(ClientsFailed, match="bad_room"):
            await follow(port, RoomCheck(ROOM))


async def test_a_missing_server_is_an_error() -> None:
    async with server_that_sends() as port:
        pass
    with pytest.raises(ClientsFailed):
        await follow(port, RoomCheck(ROOM))


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
