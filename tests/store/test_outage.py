"""While Redis is away nobody waits for it, and it is used again as soon as it is back."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from support.redis_kinds import make_cluster
from support.redis_server import RedisServer
from support.waiting import eventually
from touchline_protocol.errors import StoreRefused, StoreUnavailable
from touchline_server.config.redis import RedisSettings
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.outage import OutageWatch

TIMEOUT_S = 0.3
MANY = 200
"""Calls that would take a minute if each waited for its deadline."""
MANY_S = MANY * TIMEOUT_S / 4


@asynccontextmanager
async def watched(url: str, *, cluster: bool = False) -> AsyncIterator[RedisConnection]:
    """A connection that is watched until the end of the block."""
    connection = RedisConnection(RedisSettings(url=url, cluster=cluster, timeout_s=TIMEOUT_S))
    task = asyncio.create_task(OutageWatch(connection).run())
    try:
        yield connection
    finally:
        task.cancel()
        await asyncio.wait([task])
        await connection.close()


async def is_answered(connection: RedisConnection, key: str = "a") -> bool:
    try:
        await connection.call_repeatable(lambda: connection.client.exists(key))
    except StoreUnavailable:
        return False
    return True


def unanswered(connection: RedisConnection) -> int:
    """How many calls have waited for an answer in vain."""
    return connection.calls.outcomes["unavailable"]


async def until_away(connection: RedisConnection) -> None:
    """Wait until a call fails without being made."""
    while True:
        before = unanswered(connection)
        assert not await is_answered(connection)
        if unanswered(connection) == before:
            return


async def until_answered(connection: RedisConnection) -> None:
    """Wait until the watch has found Redis, without any call, and until a call succeeds then."""
    await eventually(lambda: not connection.suspicion.is_set())
    assert await is_answered(connection)


async def test_calls_fail_at_once_while_redis_is_away_and_succeed_when_it_is_back(
    redis_factory: Callable[..., RedisServer],
) -> None:
    redis = redis_factory()
    async with watched(redis.url) as connection:
        assert await is_answered(connection)
        redis.send_signal(signal.SIGSTOP)
        await until_away(connection)
        async with asyncio.timeout(MANY_S):
            assert not any([await is_answered(connection) for _ in range(MANY)])
        assert connection.problem
        redis.send_signal(signal.SIGCONT)
        await until_answered(connection)
        redis.stop(kill=True)
        await until_away(connection)
        redis.start()
        await until_answered(connection)


async def test_a_call_that_took_too_long_does_not_hold_up_others(redis: RedisServer) -> None:
    async with watched(redis.url) as connection:
        with pytest.raises(StoreUnavailable):
            await connection.call(connection.client.blpop("nothing", timeout=60))
        await eventually(lambda: not connection.suspicion.is_set())
        assert await is_answered(connection)


async def test_a_redis_that_refuses_is_not_away(redis: RedisServer) -> None:
    async with watched(redis.url.replace("://", "://nobody:wrong@")) as connection:
        connection.suspicion.set()
        await eventually(lambda: not connection.suspicion.is_set())
        with pytest.raises(StoreRefused):
            await connection.call_repeatable(lambda: connection.client.exists("a"))


@pytest.mark.long
async def test_a_cluster_is_away_only_if_none_of_its_primaries_answers(
    redis_factory: Callable[..., RedisServer],
) -> None:
    servers = make_cluster(redis_factory)
    async with watched(servers[0].url.removesuffix("/0"), cluster=True) as connection:
        keys = [f"key-{number}" for number in range(20)]
        assert all([await is_answered(connection, key) for key in keys])
        servers[1].send_signal(signal.SIGSTOP)
        answered = [await is_answered(connection, key) for key in keys]
        assert any(answered), "the other primaries answer"
        assert not all(answered)
        for server in (servers[0], servers[2]):
            server.send_signal(signal.SIGSTOP)
        await until_away(connection)
        for server in servers:
            server.send_signal(signal.SIGCONT)
        await eventually(lambda: not connection.suspicion.is_set())
