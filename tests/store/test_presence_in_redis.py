"""Presence in a real Redis keeps the contract, and more that only a shared store can break."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from store.presence_contract import OutboxContract, PresenceContract
from store.presence_fleets import InRedis
from support.redis_server import RedisServer
from touchline_server.config.presence import PresenceSettings
from touchline_server.config.redis import RedisSettings
from touchline_server.store.redis.connection import RedisConnection


@pytest_asyncio.fixture
async def connection(redis: RedisServer) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(RedisSettings(url=redis.url, timeout_s=5))
    yield connection
    await connection.close()


@pytest.fixture
def fleet(connection: RedisConnection) -> InRedis:
    return InRedis(PresenceSettings(members_max=3, records=True, outbox_max=1000), connection)


class TestPresence(PresenceContract):
    pass


class TestOutbox(OutboxContract):
    pass
