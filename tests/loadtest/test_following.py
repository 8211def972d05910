"""The eyes of clients that stop, leave and come back: what a server does wrong is seen, and what it may do is not."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Sequence

import pytest
from websockets.asyncio.server import ServerConnection, serve

from touchline_loadtest.clients import CrowdFailed
from touchline_loadtest.followers import follow
from touchline_loadtest.following import Following
from touchline_loadtest.keyed import Keyed
from touchline_loadtest.observing import Sample, open_connections, own_growth_kib
from touchline_loadtest.wire import event_value
from touchline_protocol.codecs import JSON
from touchline_protocol.messages import Error, Event, Message, RoomRequest, Skipped, Subscribed

ROOM = "match:1"
DEADLINE_S = 5.0


def event(offset: int, prev: int | None, *, key: str | None = None, due: int = 0) -> Event:
    return Event(room=ROOM, offset=offset, prev=prev, ts=0, data={"due": due}, key=key)


def subscribed(head: int, *, recovered: bool = False, state: Sequence[Event] = ()) -> Subscribed:
    return Subscribed(room=ROOM, epoch="e", head=head, recovered=recovered, state=list(state))


def following(*messages: Message) -> Following:
    it = Following(ROOM, "latest")
    it.request()
    tell(it, *messages)
    return it


def tell(it: Following, *messages: Message, now_ns: int = 0) -> None:
    for message in messages:
        it.take(JSON.encode(message), now_ns)


def test_what_was_said_to_be_skipped_is_no_gap() -> None:
    it = following(subscribed(1), Skipped(ROOM, from_=2, to=5, count=3), event(4, 3), event(6, 5))
    assert (it.events, it.skipped, it.gaps, it.repeats) == (2, 3, 0, 0)


def test_what_was_not_said_to_be_skipped_is_a_gap() -> None:
    it = following(subscribed(1), Skipped(ROOM, from_=2, to=3, count=2), event(6, 5))
    assert it.gaps == 1


def test_an_event_that_was_seen_is_a_repeat() -> None:
    it = following(subscribed(1), event(2, 1), event(2, 1), event(1, 0))
    assert (it.events, it.repeats, it.gaps) == (3, 2, 0)


def test_a_client_comes_back_with_the_last_event_that_it_saw_not_with_what_was_skipped() -> None:
    it = following(subscribed(1), event(2, 1), Skipped(ROOM, from_=3, to=5, count=3))
    assert it.request() == RoomRequest(room=ROOM, epoch="e", after=2, deliver="latest")
    assert not it.joined
    tell(it, subscribed(9, recovered=True), event(9, 8))
    assert (it.resumed, it.started_over, it.gaps) == (1, 0, 1)


def test_a_first_join_is_no_start_over_and_a_refused_cursor_is() -> None:
    it = following(subscribed(3))
    assert (it.joined, it.started_over) == (True, 0)
    it.request()
    tell(it, subscribed(9, state=[event(8, None, key="score", due=7)]))
    assert (it.started_over, it.resumed, it.newest) == (1, 0, {"score": 7})


def test_the_state_is_the_newest_of_each_key() -> None:
    it = following(
        subscribed(1, state=[event(0, None, key="score", due=1), event(1, 0, key="clock", due=2)]),
        event(2, 1, key="clock", due=3),
        event(3, 2, due=4),
    )
    assert it.newest == {"score": 1, "clock": 3, None: 4}


def test_a_goal_is_reached_by_its_event_or_a_later_one() -> None:
    it = following(subscribed(1))
    it.goal = 4
    tell(it, event(2, 1), Skipped(ROOM, from_=3, to=4, count=2), now_ns=10)
    assert it.reached_ns is None
    tell(it, event(5, 4), now_ns=20)
    tell(it, event(6, 5), now_ns=30)
    assert it.reached_ns == 20


async def test_events_get_their_keys_in_turn_and_the_newest_are_known() -> None:
    published: list[bytes] = []

    async def publish(room: str, values: Sequence[bytes]) -> None:
        published.extend(values)

    keyed = Keyed(publish, ["a", None])
    await keyed(ROOM, [event_value(due, 100) for due in (1, 2, 3)])
    await keyed.say(ROOM, "end", event_value(4, 100))
    assert [json.loads(value).get("key") for value in published] == ["a", None, "a", "end"]
    assert (keyed.events, keyed.newest) == (4, {ROOM: {"a": 3, None: 2, "end": 4}})


@contextlib.asynccontextmanager
async def server_that_sends(*messages: Message, then_cuts: bool = False) -> AsyncIterator[int]:
    """A server that answers hello and a subscribe with ``messages``; its port."""

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
        follower = await follow(port, Following(ROOM))
        await follower.leave()
        assert follower.lost is None
        gone = await follow(port, Following(ROOM))
        gone.vanish()
        await asyncio.wait_for(gone.gone.wait(), DEADLINE_S)
        assert gone.lost is None


async def test_a_client_that_is_cut_off_is_lost() -> None:
    async with server_that_sends(subscribed(1), then_cuts=True) as port:
        follower = await follow(port, Following(ROOM))
        await asyncio.wait_for(follower.gone.wait(), DEADLINE_S)
    assert follower.lost is not None


async def test_a_client_that_is_refused_says_why() -> None:
    async with server_that_sends(Error(code="bad_room", message="no such room"), then_cuts=True) as port:
        with pytest.raises(CrowdFailed, match="no such room"):
            await follow(port, Following(ROOM))


async def test_a_server_that_is_not_there_is_told() -> None:
    async with server_that_sends() as port:
        pass
    with pytest.raises(CrowdFailed, match="could not connect"):
        await follow(port, Following(ROOM))


def test_a_connection_is_open_until_the_server_has_closed_it_too() -> None:
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


def test_memory_grew_by_the_most_that_was_seen() -> None:
    assert own_growth_kib([Sample(0, 100, 0), Sample(1, 180, 0), Sample(2, 120, 0)]) == 80
