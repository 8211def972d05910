"""One process's connections to Redis, with a deadline on every answer, and errors that say whose turn it is.

Rules:

1. Every call to Redis goes through `RedisConnection.call`. It never waits for longer than ``timeout_s``.
2. An outage (`StoreUnavailable`) is something that may end by itself. A refusal (`StoreRefused`) is not: an operator
   has to act. Both are kept in `problem` until a call succeeds.
3. A call that was cancelled closes its connection, so that nobody gets the answer of somebody else's command.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import redis.asyncio as redis
from redis import exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from touchline_protocol.errors import OperatorError, StoreRefused, StoreUnavailable
from touchline_server.config.redis import RedisSettings

CONNECTIONS_MAX = 16
"""Connections of one process. Commands are pipelined, so a few are enough; more only queue within Redis."""

REFUSALS: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.AuthenticationError, "check the user and the password in redis.url"),
    (exceptions.AuthorizationError, "check the user and the password in redis.url"),
    (exceptions.NoPermissionError, "allow the user these commands and keys (ACL SETUSER)"),
    (exceptions.OutOfMemoryError, "Redis is full: raise its maxmemory"),
    (exceptions.ReadOnlyError, "this is a replica: name the primary in redis.url"),
)
"""Answers that stay the same until an operator acts, and what to do about each."""
OUTAGES = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.TryAgainError,
    exceptions.ClusterDownError,
    exceptions.AskError,
    OSError,
    TimeoutError,
)
"""Errors that may end by themselves."""

T = TypeVar("T")


class RedisConnection:
    """Connections to the Redis of ``settings``, whose ``url`` is set.

    Raises:
        OperatorError: the address is invalid.
    """

    def __init__(self, settings: RedisSettings) -> None:
        assert settings.url is not None  # noqa: S101 - the caller checks whether there is a Redis at all
        self.prefix = settings.prefix
        self.problem: str | None = None
        """What is wrong now, for an operator; None if the newest call succeeded."""
        self._timeout_s = settings.timeout_s
        try:
            self.client: redis.Redis = redis.Redis.from_url(
                settings.url,
                socket_timeout=settings.timeout_s,
                socket_connect_timeout=settings.timeout_s,
                retry=Retry(NoBackoff(), 0),  # `call` has one deadline; its callers decide about another attempt
                max_connections=CONNECTIONS_MAX,
            )
        except (ValueError, TypeError, exceptions.RedisError) as error:
            raise OperatorError(f"redis.url cannot be used: {error}") from error

    async def call(self, command: Awaitable[T]) -> T:
        """The answer of a command, or of a pipeline.

        Raises:
            StoreUnavailable: no answer came in time.
            StoreRefused: Redis refuses until an operator acts.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await command
        except (exceptions.RedisError, OSError, TimeoutError) as error:
            refused = self._explained(error)
            self.problem = str(refused)
            raise refused from error
        self.problem = None
        return answer

    async def close(self) -> None:
        """Close all connections."""
        await self.client.aclose()

    def _explained(self, error: Exception) -> StoreUnavailable | StoreRefused:
        for kind, cure in REFUSALS:
            if isinstance(error, kind):
                return StoreRefused(f"Redis refuses ({error}): {cure}")
        if isinstance(error, OUTAGES):
            return StoreUnavailable(f"Redis does not answer ({str(error) or type(error).__name__})")
        return StoreRefused(f"Redis refuses: {error}")
