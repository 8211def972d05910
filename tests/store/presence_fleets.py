"""Fleets of workers with presence, in memory and in a real Redis, behind one interface for tests."""

from collections.abc import Sequence
from typing import Protocol

from touchline_protocol.presence.records import PresenceRecord
from touchline_server.config.presence import PresenceSettings
from touchline_server.core.presence.outbox import Outbox
from touchline_server.core.presence.port import PresenceStore
from touchline_server.store.memory.presence import MemoryFleet
from touchline_server.store.memory.presence_outbox import MemoryOutbox
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.presence import RedisOutbox, RedisPresenceStore
from touchline_server.store.redis.presence.shard import shard_of
from touchline_server.store.redis.workers import Workers


class Fleet(Protocol):
    """Workers that share what they know."""

    def worker(self, name: str) -> PresenceStore:
        """The store of one worker."""

    async def kill(self, name: str) -> None:
        """Make a worker count as dead from the others' next exchanges on."""

    async def lose(self, room: str) -> None:
        """Lose who is in a room, as if somebody had deleted it."""

    def outbox(self, name: str) -> Outbox:
        """The outbox, as one worker sees it."""


class InMemory:
    """A fleet within this process."""

    def __init__(self, settings: PresenceSettings) -> None:
        self._fleet = MemoryFleet(settings.members_max)
        self._outbox = MemoryOutbox(self._fleet, settings)

    def worker(self, name: str) -> PresenceStore:
        return self._fleet.worker(name)

    async def kill(self, name: str) -> None:
        self._fleet.remove(name)

    async def lose(self, room: str) -> None:
        self._fleet._viewers.pop(room)
        self._fleet._players.pop(room)

    def outbox(self, name: str) -> Outbox:
        return self._outbox


class InRedis:
    """A fleet whose workers share ``connection``."""

    def __init__(self, settings: PresenceSettings, connection: RedisConnection) -> None:
        self._settings = settings
        self._connection = connection

    def worker(self, name: str) -> RedisPresenceStore:
        return RedisPresenceStore(self._connection, Workers(self._connection, name), self._settings)

    async def kill(self, name: str) -> None:
        await self._connection.client.zadd(f"{self._connection.prefix}:workers", {name: 0})

    async def lose(self, room: str) -> None:
        shard = f"{self._connection.prefix}:{{presence.{shard_of(room)}}}:"
        await self._connection.client.delete(f"{shard}viewers:{room}", f"{shard}players:{room}")

    def outbox(self, name: str) -> Outbox:
        return RedisOutbox(self._connection, name, self._settings)


async def drained(outbox: Outbox) -> Sequence[PresenceRecord]:
    """All records that wait, in order. They are removed."""
    records: list[PresenceRecord] = []
    taken = await outbox.take()
    while taken.waiting:
        records += (waiting.record for waiting in taken.waiting)
        taken = await outbox.take(taken.waiting)
    return records
