"""Explains errors of redis-py: an outage, which may end by itself, or a refusal, and then what an operator can do.

Redis has no codes for most of its errors, and redis-py no types for what a script's error quotes. So words in their
texts decide: those that Redis itself always has.
"""

from collections.abc import Sequence
from typing import NamedTuple

from redis import exceptions
from redis.asyncio.sentinel import MasterNotFoundError

from touchline_protocol.errors import StoreRefused, StoreUnavailable

CREDENTIALS = "check the user and the password in redis.url"
SENTINEL_CREDENTIALS = "check redis.sentinel_user and redis.sentinel_password"
PERMISSIONS = "give the user the commands and keys that docs/fleet.md lists (ACL SETUSER)"
FULL = "Redis is full: raise its maxmemory"
REPLICA = "this is a replica: name the primary in redis.url"
CLUSTER = "this is a node of a Redis Cluster: set redis.cluster = true"
NOT_LOGGED_IN = "HELLO must be called with the client already authenticated"
NO_TLS = "if it runs, check that its port has TLS, as rediss:// in redis.url says"
"""A Redis without TLS waits for the rest of what it takes for a command."""
WRONG_TYPE = "WRONGTYPE"
NOT_REDIS = "redis.url has to name a Redis 6.2 or newer, and not a Sentinel: those are named in redis.sentinels"

BY_TYPE: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.AuthenticationError, CREDENTIALS),
    (exceptions.AuthorizationError, CREDENTIALS),
    (exceptions.NoPermissionError, PERMISSIONS),
    (exceptions.OutOfMemoryError, FULL),
    (exceptions.ReadOnlyError, REPLICA),
)
"""Answers that stay the same until an operator acts, and what to do about each."""
TLS_TEXTS = (
    ("CERTIFICATE_VERIFY_FAILED", "redis.ca_file has to name the CA of Redis's certificate, and redis.url its host"),
    ("WRONG_VERSION_NUMBER", "there is no TLS at this port: write redis:// in redis.url, or name the port with TLS"),
    ("CERTIFICATE_REQUIRED", "Redis asks for a client certificate: set redis.cert_file and redis.key_file"),
)
"""The same for connections that fail."""
TEXTS = (
    ("NOAUTH", CREDENTIALS),
    ("WRONGPASS", CREDENTIALS),
    ("NOPERM", PERMISSIONS),
    ("ACL failure in script", PERMISSIONS),
    ("user executing the script", PERMISSIONS),
    ("OOM", FULL),
    ("READONLY", REPLICA),
    ("cluster support disabled", "this Redis is not a Cluster: set redis.cluster = false"),
    ("DB index is out of range", "redis.url ends with the number of a database that this Redis does not have"),
    ("'SENTINEL'", "redis.sentinels has to name Sentinels, and this is another server"),
    ("nknown command", NOT_REDIS),
    ("nknown Redis command", "it is too old: touchline serve needs Redis 6.2 or newer"),
)
"""The same for all other answers. The first letter of "unknown" differs by version."""
SENTINEL_REFUSALS = ("AuthenticationError", "AuthenticationRequiredError", "NOAUTH", "WRONGPASS", NOT_LOGGED_IN)
"""What redis-py quotes of Sentinels that want another password, in its error that there is no primary."""
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


class Kind(NamedTuple):
    """What the settings say of the server: it ``is_cluster``, or its primary ``is_watched`` by Sentinels, and its port
    ``has_tls``."""

    is_cluster: bool
    is_watched: bool
    has_tls: bool = False


def explained(error: Exception, kind: Kind, keys: Sequence[str] = ()) -> StoreUnavailable | StoreRefused:
    """What an error of redis-py means. ``keys`` are those of the script that failed: Redis does not name them."""
    error = root(error)
    text = str(error)
    if NOT_LOGGED_IN in text:  # what redis-py sends first is HELLO, which nobody has asked it for
        text = "NOAUTH: it wants a password, and redis.url has none"
    if isinstance(error, MasterNotFoundError):  # the rest of its text is how redis-py prints its objects
        if any(name in text for name in SENTINEL_REFUSALS):
            return StoreRefused(f"the Sentinels in redis.sentinels refuse this client: {SENTINEL_CREDENTIALS}")
        return StoreUnavailable(f"Redis does not answer ({text.partition(' : ')[0]} by redis.sentinels)")
    if kind.is_watched and (isinstance(error, exceptions.ReadOnlyError) or "READONLY" in text):
        return StoreUnavailable(f"Redis fails over: what was the primary is a replica now ({text})")
    if WRONG_TYPE in text:
        return StoreRefused(f"Redis refuses ({text}): {_wrong_type(keys)}")
    if (cure := _cure(error, text, kind)) is not None:
        return StoreRefused(f"Redis refuses ({text}): {cure}")
    if isinstance(error, OUTAGES):
        late = "no answer within redis.timeout_s" if isinstance(error, TimeoutError) else type(error).__name__
        is_late = isinstance(error, TimeoutError | exceptions.TimeoutError)
        hint = f": {NO_TLS}" if kind.has_tls and is_late else ""
        return StoreUnavailable(f"Redis does not answer ({text or late}){hint}")
    if isinstance(error, exceptions.RedisError):
        return StoreRefused(f"Redis refuses: {text}")
    return StoreUnavailable(f"Redis does not answer (its client failed: {type(error).__name__}: {text})")


def _wrong_type(keys: Sequence[str]) -> str:
    """What to do about a key of another type. A script gets the beginning of its keys up to the Cluster's hash tag."""
    names = " or ".join(f"{key}:*" if key.endswith("}") else key for key in keys)
    where = f" ({names})" if names else ""
    return f"a key of Touchline's{where} has a type that Touchline did not write: find it with TYPE, and delete it"


def root(error: Exception) -> Exception:
    """What a Cluster's client failed with at its last node: its own error says only that there is no other one."""
    while isinstance(error, exceptions.RedisClusterException):
        inner = error.__cause__ or error.__context__
        if not isinstance(inner, Exception):
            break
        error = inner
    return error


def _cure(error: Exception, text: str, kind: Kind) -> str | None:
    """What an operator can do; None if nobody knows, or if it may end by itself."""
    if isinstance(error, exceptions.MovedError) and not kind.is_cluster:
        return CLUSTER
    by_type = next((cure for refusal, cure in BY_TYPE if isinstance(error, refusal)), None)
    texts = TLS_TEXTS if isinstance(error, OUTAGES) else TEXTS
    return by_type or next((cure for words, cure in texts if words in text), None)
