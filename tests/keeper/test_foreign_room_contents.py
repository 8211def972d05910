"""Contents of Redis that Touchline did not write: a keeper reads the partition again, and an edge goes on."""

import pytest
from redis.asyncio import Redis

from keeper.fleet import Fleet, event, join, state_of
from support.kafka_broker import KafkaBroker
from support.redis_server import RedisServer
from support.waiting import eventually


@pytest.mark.long
async def test_foreign_contents_cost_a_room_its_older_state_until_a_keeper_has_built_it_again(
    kafka: KafkaBroker, redis: RedisServer
) -> None:
    fleet = Fleet(kafka, redis)
    await kafka.create(fleet.topic, 1)
    await fleet.produce(event("1", "goals", b"1"), event("2", "goals", b"2"))
    client = Redis.from_url(redis.url)
    try:
        async with fleet.keeper() as keeper:
            await fleet.until_kept(keeper)
        (progress,) = [key async for key in client.scan_iter(f"{fleet.settings['redis'].prefix}:*:progress")]
        room = progress.removesuffix(b"progress") + b"room:1"
        await client.hset(room, "s:goals", "abc")
        async with fleet.edge() as edge:
            joined = await join(edge, "score:1")
            assert (joined.state, joined.state_complete) == ([], False)
            other = await join(edge, "score:2")
            assert (state_of(other), other.state_complete) == ({"goals": 2}, True)
            await client.hset(progress, "next", "x")
            await eventually(lambda: any("room state of" in subject for subject in edge.node.readiness().degraded))
            async with fleet.keeper() as keeper:
                await fleet.until_kept(keeper)
                joined = await join(edge, "score:1")
                assert (state_of(joined), joined.state_complete) == ({"goals": 1}, True)
    finally:
        await client.aclose()
