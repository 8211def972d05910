"""Scripts that Redis does not have (any more), with a real Redis."""

import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.redis_server import RedisServer
from touchline_protocol.errors import StoreRefused
from touchline_server.config.redis import RedisSettings
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.scripts import Call, Script, run_scripts


@pytest_asyncio.fixture
async def connection(redis: RedisServer) -> AsyncIterator[RedisConnection]:
    connection = RedisConnection(RedisSettings(url=redis.url))
    yield connection
    await connection.close()


def appending(text: str) -> Script:
    """A script that Redis does not have yet: it appends ``text`` to a list, and answers with the list's length."""
    return Script.of(f"return redis.call('RPUSH', KEYS[1], '{text}') -- {uuid.uuid4().hex}")


@pytest.mark.parametrize(("in_order", "expected"), [(True, ["b", "a", "b"]), (False, ["b", "a"])])
async def test_only_calls_that_depend_on_each_other_are_repeated_from_the_missing_script_on(
    connection: RedisConnection, in_order: bool, expected: list[str]
) -> None:
    key, missing, known = uuid.uuid4().hex, appending("a"), appending("b")
    await connection.call(connection.client.script_load(known.text))
    answers = await run_scripts(connection, [Call(missing, [key], []), Call(known, [key], [])], in_order=in_order)
    assert len(answers) == 2
    assert await connection.call(connection.client.lrange(key, 0, -1)) == [text.encode() for text in expected]
    await connection.call(connection.client.delete(key))


async def test_a_command_that_this_redis_does_not_have_is_a_refusal(connection: RedisConnection) -> None:
    unknown = Script.of("return redis.call('FROM_THE_FUTURE', KEYS[1])")
    with pytest.raises(StoreRefused, match=r"6\.2"):
        await run_scripts(connection, [Call(unknown, ["key"], [])])
