"""Presence over two real edges that share a real Redis: numbers, members, an outage, and an edge that stops."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis, from_url

from edge.players import AUTH, greet, token
from support.node_fixture import Client, RunningNode, running_node
from support.redis_server import RedisServer
from support.waiting import DEADLINE_S, eventually
from touchline_protocol.messages import Members, MembersChanged, Message, Occupancy
from touchline_server.config.redis import RedisSettings
from touchline_server.store.redis.presence.shard import shard_of

ROOM = "score:1"


@contextlib.asynccontextmanager
async def two_edges(redis: RedisServer) -> AsyncIterator[tuple[RunningNode, RunningNode]]:
    shared: dict[str, Any] = {
        "auth": AUTH,
        "redis": RedisSettings(url=redis.url, timeout_s=5),
        "presence": {"interval_s": 0.1, "grace_s": 1.0},
    }
    async with running_node(edge_name="one", **shared) as one, running_node(edge_name="other", **shared) as other:
        yield one, other


@contextlib.asynccontextmanager
async def watcher(node: RunningNode, player: str, **asks: bool) -> AsyncIterator[Client]:
    async with node.client(greeted=False) as client:
        await greet(client, jwt=token(player, members=["*"]))
        await client.join(ROOM, **asks)
        yield client


async def until(client: Client, *wanted: Message) -> None:
    """Read until each of the messages has come."""
    missing = list(wanted)
    async with asyncio.timeout(DEADLINE_S):
        while missing:
            message = await client.next()
            if message in missing:
                missing.remove(message)


async def until_seen(client: Client, viewers: int, *players: str) -> None:
    """Read until the messages add up to this: a player who comes before the first list is in it, without a change."""
    seen, count = set[str](), -1
    async with asyncio.timeout(DEADLINE_S):
        while (seen, count) != (set(players), viewers):
            message = await client.next()
            seen = listed_after(seen, message)
            if isinstance(message, Occupancy):
                count = message.viewers


async def until_listed(client: Client, seen: set[str], wanted: set[str]) -> None:
    """Read until the changes to ``seen`` add up to ``wanted``: changes that come together are one message."""
    async with asyncio.timeout(DEADLINE_S):
        while seen != wanted:
            seen = listed_after(seen, await client.next())


def listed_after(seen: set[str], message: Message) -> set[str]:
    """The members after a message, of those that were ``seen`` before it."""
    match message:
        case Members(players=listed):
            return set(listed)
        case MembersChanged(joined=joined, left=left):
            return seen.union(joined).difference(left)
    return seen


async def viewers(node: RunningNode) -> tuple[int, bool]:
    async with httpx.AsyncClient(trust_env=False) as http:
        body = (await http.get(f"http://{node.host}:{node.node.control_port}/v1/rooms/{ROOM}")).json()
        return body.get("viewers", 0), body.get("viewers_complete", False)  # nothing is known of the room before


async def eventually_viewers(node: RunningNode, wanted: tuple[int, bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while await viewers(node) != wanted:
            pass


async def test_edges_add_up_and_a_player_who_moves_is_not_seen_leaving(redis: RedisServer) -> None:
    async with (
        two_edges(redis) as (one, other),
        watcher(one, "ann", occupancy=True, members=True) as ann,
        contextlib.AsyncExitStack() as phone,
    ):
        async with watcher(other, "bob"):
            await until_seen(ann, 2, "ann", "bob")
            await eventually_viewers(other, (2, True))
            await phone.enter_async_context(watcher(one, "bob"))  # it has come to the other edge
        await eventually(lambda: "bob" not in other.node.core.presence.counts.players(ROOM))  # its grace is over
        async with watcher(other, "cid"):
            # A change of its own, without bob's.
            await until(ann, MembersChanged(room=ROOM, joined=["cid"]))
            assert one.node.core.presence._rooms[ROOM].listed == frozenset({"ann", "bob", "cid"})


@pytest.mark.long
async def test_while_redis_is_away_numbers_are_marked_and_afterwards_right(
    redis_factory: Callable[..., RedisServer],
) -> None:
    redis = redis_factory()
    async with (
        two_edges(redis) as (one, other),
        watcher(one, "ann", occupancy=True, members=True) as ann,
        watcher(other, "bob"),
    ):
        await until_seen(ann, 2, "ann", "bob")
        redis.stop(kill=True)
        await until(ann, Occupancy(room=ROOM, viewers=2, complete=False), MembersChanged(room=ROOM, complete=False))
        assert "presence" in one.node.readiness().degraded
        assert await viewers(one) == (2, False)
        async with watcher(one, "cid"):
            await until(ann, Occupancy(room=ROOM, viewers=3, complete=False))
            redis.start()  # empty
            await until(ann, Occupancy(room=ROOM, viewers=3))
            await eventually(lambda: "presence" not in one.node.readiness().degraded)
            await eventually_viewers(one, (3, True))


async def test_an_edge_that_stops_takes_its_connections_along_and_its_players_later(redis: RedisServer) -> None:
    async with two_edges(redis) as (one, other), watcher(one, "ann", occupancy=True, members=True) as ann:
        async with watcher(other, "bob"):
            await until_seen(ann, 2, "ann", "bob")
            await other.node.stop()
            await until(ann, Occupancy(room=ROOM, viewers=1))
        assert one.node.core.presence._rooms[ROOM].listed == frozenset({"ann", "bob"})


async def test_the_first_list_has_the_players_of_all_edges(redis: RedisServer) -> None:
    async with two_edges(redis) as (one, other), watcher(other, "bob"):
        await eventually_viewers(one, (1, True))
        async with watcher(one, "ann", members=True) as ann:
            await until(ann, Members(room=ROOM, players=["ann", "bob"]))


async def test_numbers_are_right_again_after_somebody_has_written_to_redis(redis: RedisServer) -> None:
    """With a few rooms only, each report names all of them again within a second, and not within five minutes."""
    shard = f"touchline:{{presence.{shard_of(ROOM)}}}:"
    async with two_edges(redis) as (one, other), watcher(one, "ann") as ann, watcher(other, "bob", members=True) as bob:
        await eventually_viewers(one, (2, True))
        await until_listed(bob, set(), {"ann", "bob"})
        async with from_url(redis.url) as client:
            await client.delete(f"{shard}viewers:{ROOM}", f"{shard}players:{ROOM}")
            await eventually_viewers(other, (2, True))
            await client.hset(f"{shard}viewers:{ROOM}", mapping={"foreign": 7, "odd": "x"})
            await client.hset(f"{shard}players:{ROOM}", "cid", "\nforeign\n")
            assert (await viewers(one))[0] == 9
            await client.zadd(f"{shard}checks", {ROOM: 0})  # five minutes are over
            await eventually_viewers(one, (2, True))
            await until_players(client, f"{shard}players:{ROOM}", {b"ann", b"bob"})
        await ann.leave(ROOM)
        await until_listed(bob, {"ann", "bob"}, {"bob"})


async def until_players(client: Redis, key: str, wanted: set[bytes]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while set(await client.hkeys(key)) != wanted:
            pass
