"""The stores that a worker shares with others, in one Redis."""

import asyncio
import secrets
from collections.abc import Mapping

from touchline_server.config.settings import Settings
from touchline_server.core.counters.processes import CallCounters
from touchline_server.core.players.player_store import PlayerStore
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.eviction import EVICTION, EvictionWatch
from touchline_server.store.redis.outage import OutageWatch
from touchline_server.store.redis.players import RedisPlayerStore
from touchline_server.store.redis.presence import RedisOutbox, RedisPresenceStore
from touchline_server.store.redis.rooms import RedisRooms
from touchline_server.store.redis.workers import Workers

from .store_problems import REDIS

NAME_BYTES = 6
"""The randomness in a worker's name in Redis: enough that no two of a fleet ever share one."""


class RedisStores:
    """See `SharedStores`.

    Raises:
        OperatorError: the address is invalid.
    """

    def __init__(self, settings: Settings, worker: str) -> None:
        self._connection = RedisConnection(settings.redis)
        # A worker that is started again is another one: its clients are not those of the one before.
        self._name = f"{worker}.{secrets.token_hex(NAME_BYTES)}"
        presence = settings.presence
        self.rooms = RedisRooms(self._connection)
        self.presence = RedisPresenceStore(self._connection, Workers(self._connection, self._name), presence)
        self.outbox = RedisOutbox(self._connection, self._name, presence) if presence.records else None
        self._eviction = EvictionWatch(self._connection)
        self._outage = OutageWatch(self._connection)
        self._watching: list[asyncio.Task[None]] = []

    @property
    def problems(self) -> Mapping[str, str]:
        """See `SharedStores.problems`."""
        problems: dict[str, str] = {}
        if self._connection.problem is not None:
            problems[REDIS] = self._connection.problem
        if self._eviction.problem is not None:
            problems[EVICTION] = self._eviction.problem
        return problems

    @property
    def calls(self) -> CallCounters:
        """See `SharedStores.calls`."""
        return self._connection.calls

    @property
    def redis_problem(self) -> str | None:
        """See `SharedStores.redis_problem`."""
        return self._connection.problem

    def players(self) -> PlayerStore:
        """See `SharedStores.players`."""
        return RedisPlayerStore(self._connection, self._name)

    def start(self) -> None:
        """See `SharedStores.start`."""
        self._watching = [
            asyncio.create_task(self._eviction.run(), name="redis-eviction"),
            asyncio.create_task(self._outage.run(), name="redis-outage"),
        ]

    async def close(self) -> None:
        """See `SharedStores.close`."""
        for task in self._watching:
            task.cancel()
        if self._watching:
            await asyncio.wait(self._watching)
        await self._connection.close()
