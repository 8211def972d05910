"""One process's connections to Redis, with a deadline on every answer, and errors that say who has to act.

Rules:

1. Every call to Redis goes through `RedisConnection.call`. It never waits for longer than ``timeout_s``.
2. An outage (`StoreUnavailable`) is something that may end by itself. A refusal (`StoreRefused`) is not: an operator
   has to act. Both are kept in `problem` until calls succeed again.
3. A call that was cancelled closes its connection, so that nobody gets the answer of somebody else's command.
4. No other error comes out of it, whatever redis-py raises: those of a Cluster are not even `RedisError`.
5. While it is known that Redis is away (`outage`), calls fail at once.
6. Callers need not know whether it is one server, a primary that Sentinels watch, or a Cluster: all keys of one script
   are in one slot, and pipelines promise no order across slots.
"""

import asyncio
import contextlib
import inspect
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import redis.asyncio as redis
from redis import exceptions
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from touchline_kafka.access.pem import missing_part
from touchline_protocol.errors import OperatorError, StoreRefused, StoreUnavailable
from touchline_server.config.redis import RedisSettings
from touchline_server.core.counters.processes import CallCounters

from .explanations import Kind, explained, root

CONNECTIONS_MAX = 16
"""Connections of one process. Commands are pipelined, so a few are enough; more only queue within Redis."""

PROBLEM_S = 5.0
"""How long a failure counts as a problem, although other calls succeed: whatever failed is tried again sooner."""

T = TypeVar("T")


class RedisConnection:
    """Connections to the Redis of ``settings``, whose ``url`` is set.

    Raises:
        OperatorError: the address is invalid, or a certificate cannot be used.
    """

    def __init__(self, settings: RedisSettings) -> None:
        assert settings.url is not None  # noqa: S101 - the caller checks whether there is a Redis at all
        check_tls_files(settings)
        self.prefix = settings.prefix
        self.calls = CallCounters()
        self._problem: str | None = None
        self._failed_s = 0.0
        self.suspicion = asyncio.Event()
        """Set from the first call without an answer until Redis answers."""
        self._away: str | None = None
        self._has_succeeded = False
        """Whether a call has succeeded since the newest one that failed."""
        self._timeout_s = settings.timeout_s
        self._kind = Kind(settings.cluster, bool(settings.sentinels), urlsplit(settings.url).scheme == "rediss")
        self._slots = asyncio.Semaphore(CONNECTIONS_MAX)
        """redis-py raises if there are more calls than connections, instead of letting them wait."""
        self._closing: list[Any] = []
        try:
            self.client = self._client(settings, settings.url)
            if not settings.cluster:
                # Its options are only checked when a connection is created, and an error would look like an outage.
                self.client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        except (ValueError, TypeError, OSError, exceptions.RedisError, exceptions.RedisClusterException) as error:
            raise OperatorError(f"redis.url cannot be used: {error}") from error
        self._closing.append(self.client)

    def _client(self, settings: RedisSettings, url: str) -> redis.Redis:
        options: dict[str, Any] = {
            "socket_timeout": settings.timeout_s,
            "socket_connect_timeout": settings.timeout_s,
            "retry": Retry(NoBackoff(), 0),  # `call` has one deadline; its callers decide about another attempt
            "max_connections": CONNECTIONS_MAX,
            # They are for Redis Cloud. With them, redis-py does not look whether an idle connection is dead.
            "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        }
        tls = _tls_options(settings)
        if settings.cluster:
            # It has the same commands, and its own types for them.
            return cast("redis.Redis", RedisCluster.from_url(url, **options, **tls))
        if not settings.sentinels:
            return redis.Redis.from_url(url, **options, **tls)
        address = parse_url(url)
        options |= {name: value for name, value in address.items() if name in ("username", "password", "db")}
        if urlsplit(url).scheme == "rediss":
            options |= {"ssl": True, **tls}
        sentinel_options = {name: value for name, value in options.items() if name.startswith(("retry", "ssl"))}
        # They are asked one after the other, and a dead one must not use up the deadline.
        share_s = settings.timeout_s / (len(settings.sentinels) + 1)
        sentinel_options |= {"socket_timeout": share_s, "socket_connect_timeout": share_s}
        sentinel_options |= {"username": settings.sentinel_user, "password": settings.sentinel_password}
        hosts = [(host, int(port)) for host, _, port in (one.rpartition(":") for one in settings.sentinels)]
        sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
            hosts, sentinel_kwargs=sentinel_options, **options
        )
        self._closing.append(sentinel)
        return cast("redis.Redis", sentinel.master_for(str(address.get("host", ""))))

    @property
    def problem(self) -> str | None:
        """What is wrong, for an operator. None once calls succeed, and none has failed for `PROBLEM_S`.

        Presence, players and rooms share the connection, and may be refused one without the others: a success of one
        says nothing about the rest.
        """
        is_over = self._has_succeeded and time.monotonic() - self._failed_s >= PROBLEM_S + self._timeout_s
        return None if is_over else self._problem

    def pipeline(self) -> redis.client.Pipeline:
        """A pipeline without a transaction. Commands of one Cluster slot are answered in their order."""
        return self.client.pipeline(transaction=False)

    async def info(self, section: str) -> list[Mapping[str, Any]]:
        """What each server says about itself, each primary of a Cluster. To be awaited by `call`."""
        if not self._kind.is_cluster:
            return [await self.client.info(section)]
        found = await self.client.info(section, target_nodes=RedisCluster.PRIMARIES)
        # Of one primary alone the Cluster's client returns the answer as it is.
        return [each for each in found.values() if isinstance(each, dict)] or [found]

    async def call(self, command: Awaitable[T]) -> T:
        """The answer of a command, or of a pipeline.

        Raises:
            StoreUnavailable: no answer came in time, or it is known that Redis is away.
            StoreRefused: Redis refuses until an operator acts.
        """
        if self._away is not None:
            if inspect.iscoroutine(command):
                command.close()
            await asyncio.sleep(0)  # a caller that tries again and again must not stop the loop
            raise StoreUnavailable(self._away)
        began_s, outcome = time.monotonic(), "unavailable"
        try:
            async with asyncio.timeout(self._timeout_s), self._slots:
                answer = await command
            outcome = "ok"
        except (StoreUnavailable, StoreRefused) as error:
            outcome = _outcome(error)
            raise
        except Exception as error:
            refused = self.explained(error)
            outcome = _outcome(refused)
            if isinstance(refused, StoreUnavailable):
                self.suspicion.set()
                await self._forget_connections(error)
            raise refused from error
        finally:
            if inspect.iscoroutine(command):
                command.close()  # it may have waited for a connection until the deadline
            self.calls.outcomes[outcome] += 1
            self.calls.ms.observe((time.monotonic() - began_s) * 1000)
        self._has_succeeded = True
        return answer

    async def call_repeatable(self, command: Callable[[], Awaitable[T]]) -> T:
        """The answer of a command that may run twice: if its connection turns out to be dead, on another one.

        Raises:
            StoreUnavailable, StoreRefused: as `call` does.
        """
        return await self.call(self._repeated(command))

    async def _repeated(self, command: Callable[[], Awaitable[T]]) -> T:
        try:
            return await command()
        except Exception as error:
            if not self._was_dead(error):
                raise
            await self._forget_connections(error)
            return await command()

    async def silence(self) -> str | None:
        """Why Redis does not answer; None if it does, even with a refusal."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._repeated(self._ping)
        except Exception as error:  # noqa: BLE001 - redis-py raises much besides its own errors
            meaning = explained(error, self._kind)
            await self._forget_connections(error)
            return str(meaning) if isinstance(meaning, StoreUnavailable) else None
        return None

    async def _ping(self) -> None:
        if not isinstance(self.client, RedisCluster):
            await self.client.ping()
            return
        await self.client.initialize()
        pings = [self.client.ping(target_nodes=node) for node in self.client.get_primaries()]
        answers = await asyncio.gather(*pings, return_exceptions=True)
        if all(isinstance(answer, Exception) for answer in answers):
            raise next((each for each in answers if isinstance(each, Exception)), exceptions.ConnectionError())

    def set_away(self, why: str | None) -> None:
        """Redis is away, and why; None if it answers."""
        self._away = why
        if why is None:
            self.suspicion.clear()

    def _was_dead(self, error: Exception) -> bool:
        """Whether a command failed because its connection, or the way to Redis, was broken before."""
        is_late = isinstance(root(error), TimeoutError | exceptions.TimeoutError)
        return not is_late and isinstance(explained(error, self._kind), StoreUnavailable)

    async def _forget_connections(self, error: Exception) -> None:
        """Close idle connections after one was dead: the others are, too, and each would fail one call."""
        is_dead = isinstance(root(error), exceptions.ConnectionError)
        with contextlib.suppress(Exception):  # what a call failed with says more
            if isinstance(self.client, RedisCluster):
                # Another node may have the slots now. Failed pipelines do not make redis-py look, without its retries.
                self.client._initialize = True
                for node in self.client.get_nodes() if is_dead else ():
                    await node.disconnect_free_connections()
            elif is_dead:
                await self.client.connection_pool.disconnect(inuse_connections=False)

    def check(self, answers: Sequence[Any]) -> None:
        """Raise the first error among a pipeline's answers that means that its node was away.

        For commands that `call` awaits: a Cluster's pipeline fails node by node.
        """
        for answer in answers:
            if isinstance(answer, Exception) and isinstance(explained(answer, self._kind), StoreUnavailable):
                raise answer

    async def close(self) -> None:
        """Close all connections."""
        for client in self._closing:
            await client.aclose()

    def explained(self, error: Exception, keys: Sequence[str] = ()) -> StoreUnavailable | StoreRefused:
        """What an error of redis-py means, of a script with these ``keys``. It is kept in `problem`."""
        meaning = explained(error, self._kind, keys)
        self._problem = str(meaning)
        self._failed_s, self._has_succeeded = time.monotonic(), False
        return meaning


def _outcome(error: OperatorError) -> str:
    return "refused" if isinstance(error, StoreRefused) else "unavailable"


def check_tls_files(settings: RedisSettings) -> None:
    """Read the certificates once: with one that cannot be read, each connection would fail like one to a dead Redis.

    Raises:
        OperatorError: a certificate or its key cannot be used.
    """
    files = [str(file) for file in (settings.ca_file, settings.cert_file, settings.key_file) if file is not None]
    context = ssl.create_default_context()
    try:
        if settings.ca_file is not None:
            context.load_verify_locations(settings.ca_file)
        if settings.cert_file is not None:
            # Without a password, OpenSSL would ask for one on the terminal.
            context.load_cert_chain(settings.cert_file, settings.key_file, lambda: _key_password(settings))
    except OSError as error:  # an `ssl.SSLError` too
        missing = (
            isinstance(error, ssl.SSLError)
            and settings.cert_file
            and missing_part(settings.cert_file, settings.key_file)
        )
        why = missing or error.strerror or str(error)
        raise OperatorError(f"the TLS files under [redis] ({', '.join(files)}) cannot be used: {why}") from None


def _key_password(settings: RedisSettings) -> str:
    """What the address has as ``ssl_password``, an option of redis-py."""
    return str(parse_url(settings.url or "").get("ssl_password", ""))


def _tls_options(settings: RedisSettings) -> dict[str, Any]:
    files = {"ssl_ca_certs": settings.ca_file, "ssl_certfile": settings.cert_file, "ssl_keyfile": settings.key_file}
    return {name: str(path) for name, path in files.items() if path is not None}
