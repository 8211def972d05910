"""Players over two real edges that share a real Redis: sessions, connections and rates."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from edge.logs import BreakableLog
from edge.players import AUTH, acks, act, answer, answers, bearer, greet, loose_limits, player, token
from edge.streams import Stream, request, target_of
from support.node_fixture import RunningNode, running_node
from support.redis_server import RedisServer
from support.waiting import DEADLINE_S, eventually
from touchline_protocol.messages import Error, Goaway, Hello, Welcome
from touchline_server.config.players import PlayersSettings
from touchline_server.config.redis import RedisSettings


def together(node: RunningNode) -> bool:
    """Whether the edge shares its players."""
    fleet = node.node.core.access.fleet
    return fleet is not None and fleet.is_available


@contextlib.asynccontextmanager
async def two_edges(redis: RedisServer, **settings: Any) -> AsyncIterator[tuple[RunningNode, RunningNode]]:
    """Two edges with a log each, so that a test can see which of them wrote what."""
    shared = {"auth": AUTH, "redis": RedisSettings(url=redis.url, timeout_s=5), "actions": loose_limits()} | settings
    async with (
        running_node(BreakableLog(), edge_name="one", **shared) as one,
        running_node(BreakableLog(), edge_name="other", **shared) as other,
    ):
        await eventually(lambda: together(one) and together(other))
        yield one, other


async def test_a_session_moves_to_another_edge_and_the_older_connection_is_closed(redis: RedisServer) -> None:
    async with two_edges(redis) as (one, other), player(one) as (older, welcome):
        await act(older, 1, 2)
        assert await answers(older, 2) == acks([1, 2])
        async with player(other, session=welcome.session) as (newer, _):
            assert await older.closed() == (4504, "session_replaced")
            await act(newer, 3)
            assert await answer(newer) == (3, "ack")
            async with player(one, session=welcome.session) as (newest, again):
                assert again.last_action >= 2
                assert await newer.closed() == (4504, "session_replaced")
                await act(newest, 4)
                assert await answer(newest) == (4, "ack")


@pytest.mark.long
async def test_of_two_connections_that_claim_a_session_at_the_same_moment_one_keeps_it(redis: RedisServer) -> None:
    async with two_edges(redis) as edges:
        for attempt in range(5):
            session = f"session-{attempt}"
            async with edges[0].client(greeted=False) as one, edges[1].client(greeted=False) as other:
                await asyncio.gather(greet(one, session=session), greet(other, session=session))
                ends = [asyncio.create_task(each.closed()) for each in (one, other)]
                done, kept = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                assert [end.result() for end in done] == [(4504, "session_replaced")]
                (keeps,) = kept
                keeps.cancel()
                owner = (one, other)[ends.index(keeps)]
                await act(owner, 1)
                assert await answer(owner) == (1, "ack")
                owners = [
                    found.client
                    for edge in edges
                    if (found := edge.node.core.access.actions.sessions.get(("ada", session))) is not None
                ]
                assert len([client for client in owners if client is not None]) == 1


async def test_a_session_that_was_left_continues_elsewhere_with_its_newest_action(redis: RedisServer) -> None:
    async with two_edges(redis) as (one, other):
        async with player(one) as (older, welcome):
            await act(older, *range(1, 6))
            assert await answers(older, 5) == acks(range(1, 6))
        await eventually(lambda: one.node.core.connections == 0)
        fleet = one.node.core.access.fleet
        assert fleet is not None
        await eventually(lambda: not fleet.is_urgent)
        async with player(other, session=welcome.session) as (newer, again):
            assert again.last_action == 5
            await act(newer, 6)
            assert await answer(newer) == (6, "ack")


async def test_a_player_has_so_many_connections_on_all_edges_together(redis: RedisServer) -> None:
    async with two_edges(redis, players=PlayersSettings(connections_max=2)) as edges:
        one, other = edges
        async with player(one) as (phone, _), player(other) as (tablet, _), player(one, "bob"):
            for edge in edges:
                async with edge.client(greeted=False) as third:
                    await third.send(Hello(token=token()))
                    assert (await third.expect(Error)).code == "too_many_player_connections"
                    assert await third.closed() == (4004, "too_many_player_connections")
            await act(phone, 1)
            assert await answer(phone) == (1, "ack")
            await tablet.websocket.close()
            await eventually(lambda: other.node.core.connections == 0)
            await _until_let_in(one)


async def _until_let_in(edge: RunningNode) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            async with edge.client(greeted=False) as client:
                await client.send(Hello(token=token()))
                if isinstance(await client.next(), Welcome):
                    return


@pytest.mark.long
async def test_event_streams_count_too(redis: RedisServer) -> None:
    async with two_edges(redis, players=PlayersSettings(connections_max=1)) as (one, other), player(one):
        async with one.raw() as here:
            await here.send_bytes(request(target_of("score:1"), bearer(token())))
            assert await here.status() == 429
        async with other.raw() as there:
            await there.send_bytes(request(target_of("score:1"), bearer(token())))
            assert await there.status() == 200
            stream = Stream(there)
            await stream.rest()
            assert " close 4004 too_many_player_connections" in stream.parser.comments


@pytest.mark.long
async def test_a_player_acts_no_more_on_two_edges_than_on_one(redis: RedisServer) -> None:
    slow = loose_limits(burst=10, per_second_max=0.5)
    async with two_edges(redis, actions=slow) as edges, contextlib.AsyncExitStack() as stack:
        clients = [(await stack.enter_async_context(player(edge)))[0] for edge in edges]
        await act(clients[0], *range(1, 11))
        assert await answers(clients[0], 10) == acks(range(1, 11))
        reported = edges[0].node.core.access.fleet
        assert reported is not None
        await eventually(lambda: not reported._limiter._spent and reported._under_way is None)
        async with player(edges[1]) as (newcomer, _):  # its edge learns at once what the player has taken elsewhere
            await act(newcomer, 1)
            assert await answer(newcomer) == (1, "rate_limited")
        await act(clients[1], 1)
        assert await answer(clients[1]) == (1, "rate_limited")
        async with player(edges[1], "bob") as (bob, _):
            await act(bob, 1)
            assert await answer(bob) == (1, "ack")


@pytest.mark.long
async def test_without_redis_each_edge_goes_on_by_itself_and_takeovers_are_found_when_it_is_back(
    redis_factory: Callable[..., RedisServer],
) -> None:
    redis = redis_factory()
    async with two_edges(redis) as edges, player(edges[0]) as (older, welcome):
        one, other = edges
        await act(older, 1)
        assert await answer(older) == (1, "ack")
        redis.stop(kill=True)
        await eventually(lambda: not together(one) and not together(other))
        for edge in edges:
            readiness = edge.node.readiness()
            assert "players" in readiness.degraded
            assert not readiness.problems
        async with player(other, session=welcome.session) as (newer, _):
            await act(newer, 2)
            assert await answer(newer) == (2, "ack")
            await act(older, 2)  # nobody knows better, and readers drop the second
            assert await answer(older) == (2, "ack")
            redis.start()
            assert await older.closed() == (4504, "session_replaced")
            await eventually(lambda: all("players" not in edge.node.readiness().degraded for edge in edges))
            await act(newer, 3)
            assert await answer(newer) == (3, "ack")


@pytest.mark.long
async def test_an_emptied_redis_learns_everything_again(redis: RedisServer) -> None:
    async with two_edges(redis, players=PlayersSettings(connections_max=1)) as (one, other), player(one) as (older, _):
        import socket

        with socket.create_connection(("127.0.0.1", redis.port)) as admin:
            admin.sendall(b"FLUSHALL\r\n")
            assert admin.recv(100) == b"+OK\r\n"
        await asyncio.sleep(1.5)  # two syncs
        async with other.client(greeted=False) as second:
            await second.send(Hello(token=token()))
            assert await second.closed() == (4004, "too_many_player_connections")
        await act(older, 1)
        assert await answer(older) == (1, "ack")


async def test_a_draining_edge_hands_its_sessions_over(redis: RedisServer) -> None:
    async with two_edges(redis, drain_s=60, players=PlayersSettings(connections_max=1)) as (one, other):
        async with player(one) as (client, welcome):
            await act(client, 1)
            assert await answer(client) == (1, "ack")
            stopping = asyncio.create_task(one.stop_edge())
            await client.expect(Goaway)
            await act(client, 2)
            assert await answer(client) == (2, "ack")
        await stopping
        async with other.client(greeted=False) as again:
            assert (await greet(again, session=welcome.session)).last_action == 2
            await act(again, 3)
            assert await answer(again) == (3, "ack")
