"""What callers of Redis have to catch: two errors, whatever redis-py raises and whatever lies in Redis."""

import inspect
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import exceptions

from support.redis_server import RedisServer
from touchline_protocol.errors import OperatorError, StoreRefused, StoreUnavailable
from touchline_server.config.redis import RedisSettings
from touchline_server.core.room_keeping import KeptPartition, Moved
from touchline_server.core.room_store import NotYet, RoomKey
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.players import RedisPlayerStore
from touchline_server.store.redis.presence import RedisOutbox, RedisPresenceStore
from touchline_server.store.redis.room_keeping import RedisRoomKeeping
from touchline_server.store.redis.room_layout import Keys
from touchline_server.store.redis.rooms import RedisRooms
from touchline_server.store.redis.store_errors import raises_store_errors
from touchline_server.store.redis.workers import Workers

NOWHERE = RedisSettings(url="redis://127.0.0.1:1/0")
PARTITION = KeptPartition("match", "epoch", 0)


def raised_kinds() -> list[type[Exception]]:
    """All errors of redis-py, and what its parsing and its Cluster client have raised by mistake."""
    of_redis = [kind for _, kind in inspect.getmembers(exceptions, inspect.isclass) if issubclass(kind, Exception)]
    return [*of_redis, OSError, EOFError, IndexError, KeyError, TypeError, AttributeError, RuntimeError, UnicodeError]


def raised(kind: type[Exception]) -> Exception:
    try:
        return kind("away")
    except TypeError:
        return kind("away", "1 host:1")


@pytest.mark.parametrize("kind", raised_kinds())
async def test_no_error_of_redis_py_reaches_callers(kind: type[Exception]) -> None:
    connection = RedisConnection(NOWHERE)

    async def fails() -> None:
        raise kind("12 127.0.0.1:1") if issubclass(kind, exceptions.AskError) else raised(kind)

    with pytest.raises((StoreUnavailable, StoreRefused)):
        await connection.call(fails())
    assert connection.problem


async def test_a_cluster_that_is_away_is_an_outage() -> None:
    connection = RedisConnection(NOWHERE.model_copy(update={"cluster": True}))
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1"):
            await connection.call(connection.client.ping())
        pipeline = connection.pipeline()
        pipeline.hget("a", "b")
        with pytest.raises(StoreUnavailable):
            await connection.call(pipeline.execute())
    await connection.close()


async def test_a_redis_that_is_not_a_cluster_is_refused(redis: RedisServer) -> None:
    connection = RedisConnection(RedisSettings(url=redis.url, cluster=True))
    with pytest.raises(StoreRefused, match=r"redis\.cluster"):
        await connection.call(connection.client.ping())
    await connection.close()


@pytest.mark.parametrize("wrong", [{"cluster": True, "url": "redis://127.0.0.1:1/1"}, {"url": "redis://host:port/0"}])
def test_an_address_that_cannot_work_is_refused_at_once(wrong: dict[str, object]) -> None:
    with pytest.raises(OperatorError, match=r"redis\.url"):
        RedisConnection(RedisSettings.model_validate(wrong))


async def test_what_others_wrote_to_our_keys_is_a_refusal_or_counts_as_missing(redis: RedisServer) -> None:
    connection = RedisConnection(RedisSettings(url=redis.url))
    progress = Keys(connection.prefix).progress(PARTITION)
    await connection.call(connection.client.hset(progress, mapping={"build": "b", "next": "soon"}))
    assert await RedisRooms(connection).kept([PARTITION]) == {PARTITION: None}
    answer = await RedisRooms(connection).load(RoomKey("match", "epoch", 0, "1"), before=5)
    assert isinstance(answer, NotYet)
    await connection.call(connection.client.set(f"{connection.prefix}:workers", "nobody"))
    with pytest.raises(StoreRefused):
        await Workers(connection, "one").beat()
    await connection.close()


@pytest.mark.parametrize(
    "url", ["redis://127.0.0.1:1?health_check_interval=often", "rediss://127.0.0.1:1?ssl_cert_reqs=maybe"]
)
async def test_an_option_with_a_value_that_redis_py_refuses_is_an_error_at_start(url: str) -> None:
    with pytest.raises(OperatorError) as refused:
        RedisConnection(RedisSettings(url=url))
    assert not isinstance(refused.value, StoreUnavailable)


async def test_files_that_are_missing_are_an_error_at_start_that_names_them() -> None:
    with pytest.raises(OperatorError, match=r"/nowhere/ca\.pem"):
        RedisConnection(RedisSettings(url="rediss://127.0.0.1:1", ca_file=Path("/nowhere/ca.pem")))


async def test_what_one_part_of_a_process_is_refused_is_a_problem_while_other_parts_succeed(redis: RedisServer) -> None:
    connection = RedisConnection(RedisSettings(url=redis.url))
    with pytest.raises(StoreRefused):
        await connection.call(connection.client.eval("return redis.call('NOSUCH')", 0))
    before = connection.problem
    assert before is not None
    await connection.call(connection.client.ping())
    assert connection.problem == before
    await connection.close()


async def test_a_password_that_is_missing_is_said_plainly(redis_factory: Callable[..., RedisServer]) -> None:
    server = redis_factory("--requirepass", "right")
    connection = RedisConnection(RedisSettings(url=server.url))
    with pytest.raises(StoreRefused) as refused:
        await connection.call(connection.client.ping())
    assert "NOAUTH" in str(refused.value)
    assert "HELLO" not in str(refused.value)
    await connection.close()


@raises_store_errors
class Hasty:
    """A store with mistakes, such as answers of another version that it takes to be its own."""

    async def read(self, error: Exception) -> None:
        raise error


async def test_a_mistake_of_a_store_is_a_refusal_to_its_callers() -> None:
    for mistake in (ValueError("x"), KeyError("x"), UnicodeDecodeError("utf-8", b"", 0, 1, "x"), RuntimeError()):
        with pytest.raises(StoreRefused):
            await Hasty().read(mistake)
    for known in (StoreUnavailable("x"), StoreRefused("x"), Moved()):
        with pytest.raises(type(known)):
            await Hasty().read(known)


def test_all_stores_raise_what_their_ports_say() -> None:
    stores = (Workers, RedisRooms, RedisRoomKeeping, RedisPlayerStore, RedisPresenceStore, RedisOutbox)
    methods = [method for store in stores for name, method in vars(store).items() if is_public_coroutine(name, method)]
    assert len(methods) > 12
    assert all(hasattr(method, "__wrapped__") for method in methods)


def is_public_coroutine(name: str, method: object) -> bool:
    return not name.startswith("_") and inspect.iscoroutinefunction(method)


async def test_a_redis_without_tls_that_is_called_with_it_is_named_as_a_possible_cause(redis: RedisServer) -> None:
    connection = RedisConnection(RedisSettings(url=redis.url.replace("redis://", "rediss://"), timeout_s=0.2))
    with pytest.raises(StoreUnavailable, match="rediss://"):
        await connection.call(connection.client.ping())
    await connection.close()
