"""Looks whether Redis removes keys by itself when it is full: the rest would look complete, and not be it.

Rule: a Redis that does not say (the command INFO may be forbidden) is taken to be right.
"""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog
from redis import exceptions

from touchline_protocol.errors import StoreRefused, StoreUnavailable

from .connection import RedisConnection

EVICTION = "redis maxmemory-policy"
"""The subject of the problem."""
SAFE_POLICY = "noeviction"
LOOK_EVERY_S = 30.0
"""How often it is looked at: an operator can change it at run time, and a failover brings another server's setting."""

logger = structlog.get_logger("touchline.redis")


class EvictionWatch:
    """What is known of one Redis. ``problem`` is set while it may remove keys; None if it will not."""

    def __init__(self, connection: RedisConnection) -> None:
        self.problem: str | None = None
        self._connection = connection
        self._warned = SAFE_POLICY

    async def run(self) -> None:
        """Look again and again; does not end by itself."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Look once. Without an answer, what was known stays."""
        try:
            servers = await self._connection.call_repeatable(partial(_memory, self._connection))
        except (StoreUnavailable, StoreRefused):
            return  # the connection has it as its problem
        policies = [_policy(server) for server in servers]
        policy = next((name for name, _ in policies if name != SAFE_POLICY), SAFE_POLICY)
        is_limited = any(maxmemory > 0 for name, maxmemory in policies if name != SAFE_POLICY)
        why = (
            f"Redis has the maxmemory-policy {policy}, and so may remove what it keeps for this server: set noeviction"
        )
        self.problem = why if is_limited else None
        if policy not in (self._warned, SAFE_POLICY):
            logger.warning("redis_may_evict", policy=policy, has_maxmemory=is_limited)
        self._warned = policy


async def _memory(connection: RedisConnection) -> list[Mapping[str, Any]]:
    """What each server says of its memory; nothing if it may not be asked."""
    try:
        return await connection.info("memory")
    except exceptions.ResponseError:  # a NoPermissionError too
        return []


def _policy(server: Mapping[str, Any]) -> tuple[str, int]:
    """A server's policy, and its limit in bytes, 0 if there is none."""
    return str(server.get("maxmemory_policy", SAFE_POLICY)), int(server.get("maxmemory", 0))
