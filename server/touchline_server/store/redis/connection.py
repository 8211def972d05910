"""One process's connections to Redis, with a deadline on every answer, and errors that say whose turn it is.

Rules:

1. Every call to Redis goes through `RedisConnection.call`. It never waits for longer than ``timeout_s``.
2. An outage (`StoreUnavailable`) is something that may end by itself. A refusal (`StoreRefused`) is not: an operator
   has to act. Both are kept in `problem` until calls succeed again.
3. A call that was cancelled closes its connection, so that nobody gets the answer of somebody else's command.
4. No other error comes out of it, whatever redis-py raises: those of a Cluster are not even `RedisError`.
5. Callers need not know whether it is one server, a primary that Sentinels watch, or a Cluster: all keys of one script
   are in one slot, and pipelines promise no order across slots.
"""

import asyncio
import inspect
import ssl
import time
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import redis.asyncio as redis
from redis import exceptions
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff

from touchline_protocol.errors import OperatorError, StoreRefused, StoreUnavailable
from touchline_server.config.redis import RedisSettings

CONNECTIONS_MAX = 16
"""Connections of one process. Commands are pipelined, so a few are enough; more only queue within Redis."""

PROBLEM_S = 5.0
"""How long a failure counts as a problem, although other calls succeed: whatever failed is tried again sooner."""

REFUSALS: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.AuthenticationError, "check the user and the password in redis.url"),
    (exceptions.AuthorizationError, "check the user and the password in redis.url"),
    (exceptions.NoPermissionError, "allow the user these commands and keys (ACL SETUSER)"),
    (exceptions.OutOfMemoryError, "Redis is full: raise its maxmemory"),
    (exceptions.ReadOnlyError, "this is a replica: name the primary in redis.url"),
)
"""Answers that stay the same until an operator acts, and what to do about each."""
IN_ANSWERS = (
    ("NOAUTH", REFUSALS[0][1]),
    ("WRONGPASS", REFUSALS[0][1]),
    ("NOPERM", REFUSALS[2][1]),
    ("OOM", REFUSALS[3][1]),
    ("READONLY", REFUSALS[4][1]),
    ("nknown Redis command", "it is too old: touchline serve needs Redis 6.2 or newer"),
    ("cluster support disabled", "this Redis is not a Cluster, set redis.cluster = false"),
)
"""The same answers, and others, where redis-py has no type for them: in the middle of a script's error, for example.
The first letter of "unknown" differs by version."""
NOT_LOGGED_IN = "HELLO must be called with the client already authenticated"
OUTAGES = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.TryAgainError,
    exceptions.ClusterDownError,
    exceptions.AskError,
    exceptions.RedisClusterException,
    OSError,
    TimeoutError,
)
"""Errors that may end by themselves."""

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
        self._problem: str | None = None
        self._failed_s = 0.0
        self._has_succeeded = False
        """Whether a call has succeeded since the newest one that failed."""
        self._timeout_s = settings.timeout_s
        self._is_cluster = settings.cluster
        self._is_watched = bool(settings.sentinels)
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
        sentinel_options = {name: value for name, value in options.items() if name.startswith(("socket_", "ssl"))}
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
        if not self._is_cluster:
            return [await self.client.info(section)]
        found = await self.client.info(section, target_nodes=RedisCluster.PRIMARIES)
        # Of one primary alone the Cluster's client returns the answer as it is.
        return [each for each in found.values() if isinstance(each, dict)] or [found]

    async def call(self, command: Awaitable[T]) -> T:
        """The answer of a command, or of a pipeline.

        Raises:
            StoreUnavailable: no answer came in time.
            StoreRefused: Redis refuses until an operator acts.
        """
        try:
            async with asyncio.timeout(self._timeout_s), self._slots:
                answer = await command
        except (StoreUnavailable, StoreRefused):
            raise
        except Exception as error:
            raise self.explained(error) from error
        finally:
            if inspect.iscoroutine(command):
                command.close()  # it may have waited for a connection until the deadline
        self._has_succeeded = True
        return answer

    async def close(self) -> None:
        """Close all connections."""
        for client in self._closing:
            await client.aclose()

    def explained(self, error: Exception) -> StoreUnavailable | StoreRefused:
        """What an error of redis-py means. It is kept in `problem`."""
        explained = self._explained(error)
        self._problem = str(explained)
        self._failed_s, self._has_succeeded = time.monotonic(), False
        return explained

    def _explained(self, error: Exception) -> StoreUnavailable | StoreRefused:
        error = _root(error)
        text = str(error)
        if NOT_LOGGED_IN in text:  # what redis-py sends first is HELLO, which nobody has asked it for
            text = "NOAUTH: it wants a password, and redis.url has none"
        if self._is_watched and (isinstance(error, exceptions.ReadOnlyError) or "READONLY" in text):
            return StoreUnavailable(f"Redis fails over: what was the primary is a replica now ({text})")
        if isinstance(error, exceptions.MovedError) and not self._is_cluster:
            return StoreRefused(f"Redis refuses ({text}): this is a node of a Cluster, set redis.cluster = true")
        for kind, cure in REFUSALS:
            if isinstance(error, kind):
                return StoreRefused(f"Redis refuses ({text}): {cure}")
        if isinstance(error, OUTAGES):
            return StoreUnavailable(f"Redis does not answer ({text or type(error).__name__})")
        for code, cure in IN_ANSWERS:
            if code in text:
                return StoreRefused(f"Redis refuses ({text}): {cure}")
        if isinstance(error, exceptions.RedisError):
            return StoreRefused(f"Redis refuses: {text}")
        return StoreUnavailable(f"the connection to Redis failed ({type(error).__name__}: {text})")


def _root(error: BaseException) -> Exception:
    """What a Cluster's client failed with at its last node: its own error says only that there is no other one."""
    while isinstance(error, exceptions.RedisClusterException):
        inner = error.__cause__ or error.__context__
        if not isinstance(inner, Exception):
            break
        error = inner
    assert isinstance(error, Exception)  # noqa: S101
    return error


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
        why = error.strerror or str(error)
        raise OperatorError(f"the TLS files under [redis] ({', '.join(files)}) cannot be used: {why}") from None


def _key_password(settings: RedisSettings) -> str:
    """What the address has as ``ssl_password``, an option of redis-py."""
    return str(parse_url(settings.url or "").get("ssl_password", ""))


def _tls_options(settings: RedisSettings) -> dict[str, Any]:
    files = {"ssl_ca_certs": settings.ca_file, "ssl_certfile": settings.cert_file, "ssl_keyfile": settings.key_file}
    return {name: str(path) for name, path in files.items() if path is not None}
