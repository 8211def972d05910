"""Presence over real sockets, on one node: WebSockets, event streams, the Python client, and the control plane."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

import touchline
from edge.players import AUTH, greet, token
from support.event_source import EventSourceParser
from support.node_fixture import running_node
from support.waiting import DEADLINE_S, eventually
from touchline_protocol.codecs import MSGPACK
from touchline_protocol.messages import Error, Members, MembersChanged, Occupancy, RoomRequest, Subscribe

ROOM = "score:1"
SETTINGS: dict[str, Any] = {"presence": {"interval_s": 0.1, "grace_s": 0.0}}


def seeing_token(player: str) -> str:
    return token(player, members=["*"])


async def until(next_message: Callable[[], Any], is_wanted: Callable[[Any], bool]) -> Any:
    """The first message that is wanted."""
    async with asyncio.timeout(DEADLINE_S):
        while not is_wanted(message := await next_message()):
            pass
        return message


async def test_the_number_of_clients_is_told_as_they_come_and_go() -> None:
    async with running_node(**SETTINGS) as node, node.client() as asker, node.client(MSGPACK) as other:
        await asker.join(ROOM, occupancy=True)
        await until(asker.next, lambda message: message == Occupancy(room=ROOM, viewers=1))
        await other.join(ROOM)
        await until(asker.next, lambda message: message == Occupancy(room=ROOM, viewers=2))
        await other.websocket.close()
        await until(asker.next, lambda message: message == Occupancy(room=ROOM, viewers=1))


async def test_event_streams_count_and_are_told_by_events_of_their_own_name() -> None:
    async with (
        running_node(**SETTINGS) as node,
        httpx.AsyncClient(trust_env=False, timeout=DEADLINE_S) as http,
        http.stream("GET", f"http://{node.host}:{node.port}/v1/rooms/{ROOM}/events?occupancy=true") as stream,
        node.client() as asker,
    ):
        parser, types = EventSourceParser(), set()
        await asker.join(ROOM, occupancy=True)
        async with asyncio.timeout(DEADLINE_S):
            async for data in stream.aiter_bytes():
                blocks = list(parser.feed(data))
                types |= {block.type for block in blocks}
                if any('"viewers":2' in block.data for block in blocks):
                    break
        assert types == {"message", "occupancy"}
        await until(asker.next, lambda message: message == Occupancy(room=ROOM, viewers=2))


async def test_members_come_and_go_and_only_those_who_may_see_them_do() -> None:
    async with (
        running_node(auth=AUTH, **SETTINGS) as node,
        node.client(greeted=False) as ann,
        node.client() as stranger,
    ):
        await greet(ann, jwt=seeing_token("ann"))
        await ann.join(ROOM, members=True)
        await until(ann.next, lambda message: message == Members(room=ROOM, players=["ann"]))
        await stranger.send(Subscribe(rooms=[RoomRequest(room=ROOM, members=True)]))
        assert (await stranger.expect(Error)).code == "members_forbidden"
        async with node.client(greeted=False) as bob:
            await greet(bob, "bob")
            await bob.join(ROOM)
            await until(ann.next, lambda message: message == MembersChanged(room=ROOM, joined=["bob"]))
        await until(ann.next, lambda message: message == MembersChanged(room=ROOM, left=["bob"]))


async def test_the_python_client_has_the_newest_and_asks_again_after_a_reconnect() -> None:
    numbers: list[touchline.Occupancy] = []
    lists: list[touchline.Members] = []
    async with (
        running_node(auth=AUTH, **SETTINGS) as node,
        touchline.connect(
            node.url, token=seeing_token("ann"), proxy=False, backoff=touchline.Backoff(base_s=0.01, max_s=0.05)
        ) as client,
        client.subscribe(ROOM, on_occupancy=numbers.append, on_members=lists.append) as room,
        node.client() as other,
    ):
        await other.join(ROOM)
        await eventually(lambda: room.occupancy == touchline.Occupancy(ROOM, 2, complete=True))
        await eventually(lambda: room.members is not None and room.members.players == frozenset({"ann"}))
        assert lists[0].joined == {"ann"}
        for connection in node.connections:
            if connection._client is not None and connection._client.grant is not None:
                connection.abort()
        await other.leave(ROOM)
        await eventually(lambda: len(lists) > 1 and room.occupancy == touchline.Occupancy(ROOM, 1, complete=True))
        assert (lists[-1].players, lists[-1].joined) == (frozenset({"ann"}), frozenset())
        assert numbers[-1] == room.occupancy


async def test_the_control_plane_has_the_number_at_once() -> None:
    async with running_node(**SETTINGS) as node, node.client() as client, httpx.AsyncClient(trust_env=False) as http:
        await client.join(ROOM)
        answer = await http.get(f"http://{node.host}:{node.node.control_port}/v1/rooms/{ROOM}")
        assert (answer.json()["viewers"], answer.json()["viewers_complete"]) == (1, True)
