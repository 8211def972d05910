"""A Redis that removes keys when it is full, with a real Redis."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from support.log_lines import log_lines
from support.redis_kinds import cli, make_cluster
from support.redis_server import RedisServer
from touchline_server.config.redis import RedisSettings
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.eviction import EvictionWatch


@pytest_asyncio.fixture
async def watch(redis: RedisServer) -> AsyncIterator[EvictionWatch]:
    connection = RedisConnection(RedisSettings(url=redis.url))
    yield EvictionWatch(connection)
    await connection.close()
    configure(redis, 0, "noeviction")


def configure(redis: RedisServer, maxmemory: int, policy: str) -> None:
    cli(redis.port, "config", "set", "maxmemory", str(maxmemory), "maxmemory-policy", policy)


async def test_keys_that_may_be_removed_are_a_problem_until_the_policy_is_set(
    redis: RedisServer, watch: EvictionWatch
) -> None:
    await watch.look()
    assert watch.problem is None
    configure(redis, 1 << 30, "volatile-lru")
    await watch.look()
    assert watch.problem is not None
    assert "volatile-lru" in watch.problem
    configure(redis, 1 << 30, "noeviction")
    await watch.look()
    assert watch.problem is None


async def test_a_policy_that_removes_nothing_yet_is_only_warned_about_and_once(
    redis: RedisServer, watch: EvictionWatch, caplog: pytest.LogCaptureFixture
) -> None:
    configure(redis, 0, "allkeys-lfu")
    await watch.look()
    await watch.look()
    assert watch.problem is None
    (line,) = log_lines(caplog, "redis_may_evict")
    assert line["policy"] == "allkeys-lfu"


async def test_a_redis_that_may_not_be_asked_is_taken_to_be_right(redis: RedisServer) -> None:
    cli(redis.port, "acl", "setuser", "poor", "reset", "on", ">secret", "~*", "+@all", "-info")
    connection = RedisConnection(RedisSettings(url=redis.url.replace("://", "://poor:secret@")))
    try:
        watch = EvictionWatch(connection)
        await watch.look()
        assert (watch.problem, connection.problem) == (None, None)
    finally:
        await connection.close()
        cli(redis.port, "acl", "deluser", "poor")


@pytest.mark.long
async def test_one_node_of_a_cluster_that_removes_keys_is_enough(redis_factory: Callable[..., RedisServer]) -> None:
    servers = make_cluster(redis_factory)
    connection = RedisConnection(RedisSettings(url=servers[0].url.removesuffix("/0"), cluster=True))
    watch = EvictionWatch(connection)
    await watch.look()
    assert watch.problem is None
    configure(servers[2], 1 << 30, "allkeys-random")
    await watch.look()
    assert watch.problem is not None
    await connection.close()
