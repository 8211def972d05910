"""The fleets that the contract of the player store is checked with: one in memory, one in a real Redis."""

import time
from typing import Protocol

from redis.asyncio import Redis

from touchline_server.config.redis import RedisSettings
from touchline_server.core.players.player_store import PlayerStore
from touchline_server.store.memory.players import ALIVE_MS, MemoryPlayerFleet
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.players import SLOTS, RedisPlayerStore
from touchline_server.store.redis.workers import ALIVE_S


class Fleet(Protocol):
    """What a test does with a store beyond the port."""

    def worker(self, name: str) -> PlayerStore:
        """The store of a worker."""

    async def kill(self, name: str) -> None:
        """A worker has given no sign of life for as long as it takes to count as dead."""

    async def empty(self) -> None:
        """The store loses everything."""

    async def close(self) -> None:
        """End all connections."""


class InMemory:
    """The twin in memory."""

    def __init__(self) -> None:
        self.fleet = MemoryPlayerFleet(lambda: time.monotonic() * 1000)

    def worker(self, name: str) -> PlayerStore:
        return self.fleet.worker(name)

    async def kill(self, name: str) -> None:
        self.fleet.workers[name].seen_ms -= ALIVE_MS

    async def empty(self) -> None:
        self.fleet.clear()

    async def close(self) -> None:
        pass


class InRedis:
    """A real Redis."""

    def __init__(self, url: str) -> None:
        self._connection = RedisConnection(RedisSettings(url=url))
        self._redis = Redis.from_url(url)

    def worker(self, name: str) -> PlayerStore:
        return RedisPlayerStore(self._connection, name)

    async def kill(self, name: str) -> None:
        for slot in range(SLOTS):
            await self._redis.zincrby(f"touchline:{{players.{slot}}}:workers", -ALIVE_S * 1000, name)

    async def empty(self) -> None:
        await self._redis.flushall()

    async def close(self) -> None:
        await self._connection.close()
        await self._redis.aclose()
