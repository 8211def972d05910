"""Signs of life of the workers of a fleet, with a real Redis."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from support.redis_server import RedisServer
from touchline_protocol.errors import StoreRefused, StoreUnavailable
from touchline_server.config.redis import RedisSettings
from touchline_server.store.redis import connection as redis_connection
from touchline_server.store.redis import workers
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.workers import Workers


@pytest_asyncio.fixture
async def connection(redis: RedisServer) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(RedisSettings(url=redis.url))
    yield connection
    await connection.close()


async def test_workers_see_each_other(connection: RedisConnection) -> None:
    one, other = Workers(connection, "one"), Workers(connection, "other")
    assert await one.beat() == []
    assert await other.beat() == []
    assert other.alive == {"one", "other"}
    await other.forget("one")
    await other.beat()
    assert other.alive == {"other"}


async def test_a_worker_without_a_sign_of_life_is_dead_until_it_is_forgotten(
    connection: RedisConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = Workers(connection, "one"), Workers(connection, "other")
    await one.beat()
    monkeypatch.setattr(workers, "ALIVE_S", -0.001)  # whatever was before now is too old
    assert await other.beat() == ["one", "other"]
    await other.forget("one")
    assert await other.beat() == ["other"]


async def test_a_redis_that_is_away_is_an_outage(
    redis_factory: Callable[..., RedisServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = redis_factory()
    connection = RedisConnection(RedisSettings(url=server.url))
    one = Workers(connection, "one")
    server.stop(kill=True)
    with pytest.raises(StoreUnavailable):
        await one.beat()
    assert connection.problem is not None
    server.start()
    assert await one.beat() == []
    assert connection.problem is not None  # other calls may still fail
    monkeypatch.setattr(redis_connection, "PROBLEM_S", -60.0)
    assert connection.problem is None
    await connection.close()


async def test_a_wrong_password_is_a_refusal(redis_factory: Callable[..., RedisServer]) -> None:
    server = redis_factory("--requirepass", "right")
    connection = RedisConnection(RedisSettings(url=f"redis://:wrong@127.0.0.1:{server.port}/0"))
    with pytest.raises(StoreRefused):
        await Workers(connection, "one").beat()
    await connection.close()
