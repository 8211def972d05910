"""What Redis is, and what its user may do there as an edge.

Rule: a command is tried on a key of our own, within one script, which ends with the key's removal. There is no harmless
way to ask for permissions: ``ACL DRYRUN`` is for administrators.
"""

import re
import time
from collections.abc import Mapping
from typing import Any

from touchline_protocol.errors import StoreRefused, StoreUnavailable
from touchline_server.config.redis import RedisSettings
from touchline_server.doctor.facts import RedisFacts, RedisServer, Trouble
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.scripts import Call, Script, run_scripts

TRIED = (
    "SET k 1", "GET k", "EXISTS k", "EXPIRE k 9", "PEXPIRE k 9000", "DEL k",
    "HSET k f 1", "HGET k f", "HMGET k f", "HGETALL k", "HKEYS k", "HVALS k", "HLEN k", "HEXISTS k f", "HINCRBY k f 1",
    "HDEL k f", "RPUSH k a", "LLEN k", "LRANGE k 0 1", "LTRIM k 0 1", "LPOP k", "SADD k a", "SMISMEMBER k a",
    "SREM k a", "ZADD k 1 a", "ZCARD k", "ZSCORE k a", "ZRANGE k 0 1", "ZRANGEBYSCORE k 0 1", "ZREM k a", "TIME",
)  # fmt: skip
"""The commands that edges use, each with arguments that leave nothing behind after the last one of its type."""

TRY = Script.of("""
local refused = {}
for _, line in ipairs(ARGV) do
    local words = {}
    for word in string.gmatch(line, '%S+') do
        words[#words + 1] = word == 'k' and KEYS[1] or word
    end
    local answer = redis.pcall(unpack(words))
    if type(answer) == 'table' and answer.err then
        refused[#refused + 1] = words[1]
        refused[#refused + 1] = answer.err
    end
end
redis.pcall('DEL', KEYS[1])
return refused
""")


async def look_at_redis(settings: RedisSettings) -> RedisFacts:
    """The facts about the Redis of ``settings``, whose ``url`` is set.

    Raises:
        OperatorError: the address is invalid, or a certificate cannot be used.
    """
    connection = RedisConnection(settings)
    try:
        return await _facts(connection)
    except StoreRefused as error:
        return RedisFacts(trouble=Trouble(str(error), is_refusal=True))
    except StoreUnavailable as error:
        return RedisFacts(trouble=Trouble(str(error), is_refusal=False))
    finally:
        await connection.close()


async def _facts(connection: RedisConnection) -> RedisFacts:
    answers = await run_scripts(connection, [Call(TRY, [f"{connection.prefix}:doctor"], TRIED)])
    refused = dict(zip(answers[0][::2], answers[0][1::2], strict=True))
    servers = await connection.call(_servers(connection))
    began_s = time.time()
    seconds, microseconds = await connection.call(_time(connection))
    ended_s = time.time()
    return RedisFacts(
        servers=servers,
        refused={_text(command): _text(why) for command, why in refused.items()},
        clock_off_s=seconds + microseconds / 1e6 - (began_s + ended_s) / 2,
        round_trip_s=ended_s - began_s,
    )


async def _servers(connection: RedisConnection) -> list[RedisServer]:
    sections = [await connection.info(section) for section in ("server", "memory", "replication")]
    return [_server({**server, **memory, **role}) for server, memory, role in zip(*sections, strict=True)]


async def _time(connection: RedisConnection) -> tuple[int, int]:
    answer = await connection.client.time()
    return next(iter(answer.values())) if isinstance(answer, dict) else answer


def _server(info: Mapping[str, Any]) -> RedisServer:
    version = re.match(r"\d+(\.\d+)*", str(info.get("redis_version", "")))
    return RedisServer(
        version=tuple(int(part) for part in version.group().split(".")) if version else (),
        policy=info.get("maxmemory_policy"),
        memory_max_bytes=int(info.get("maxmemory", 0)),
        memory_used_bytes=int(info.get("used_memory", 0)),
        role=info.get("role"),
    )


def _text(value: bytes | str) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
