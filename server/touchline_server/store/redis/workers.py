"""Which workers of the fleet are alive, by a sign of life that each gives in Redis.

A worker puts its name to everything that it writes, so that everybody can leave out the entries of a dead one, and
somebody can remove them. Times are by Redis's own clock, so workers' clocks do not matter.

Example, with `ALIVE_S` = 10: worker a beats at 0, 2 and 4 s, and is killed. Worker b beats at 13 s: a is still in
`Workers.alive`. At 15 s it is not, and `beat` returns it as dead, until somebody calls `forget`.
"""

from collections.abc import Sequence

import structlog

from .connection import RedisConnection
from .scripts import Call, Script, run_scripts
from .store_errors import raises_store_errors

ALIVE_S = 10.0
"""How long after its newest sign of life a worker counts as alive. Each exchange of presence is one, so they are 5 s
apart at the most. Its clients leave all counts after this time, and the moment until another worker's next beat."""

_BEAT = Script.of("""
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now_ms, ARGV[1])
local oldest = now_ms - tonumber(ARGV[2])
local alive = redis.call('ZRANGEBYSCORE', KEYS[1], oldest, '+inf')
return {alive, redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. oldest)}
""")


logger = structlog.get_logger("touchline.store")


@raises_store_errors
class Workers:
    """The workers that share a Redis. ``name`` is this one's, and no other process ever has it."""

    def __init__(self, connection: RedisConnection, name: str) -> None:
        self.name = name
        self.alive: frozenset[str] = frozenset((name,))
        """The workers that were alive at the newest `beat`, this one included."""
        self._connection = connection
        self._key = f"{connection.prefix}:workers"

    async def beat(self) -> Sequence[str]:
        """Give a sign of life, and learn who is alive. Returns the workers that are dead and not forgotten yet.

        Raises:
            StoreUnavailable: Redis does not answer. ``alive`` is as before.
            StoreRefused: Redis refuses.
        """
        beat = Call(_BEAT, [self._key], [self.name, int(ALIVE_S * 1000)])
        ((alive, dead),) = await run_scripts(self._connection, [beat], repeatable=True)
        foreign = [name for name in (*alive, *dead) if not _is_text(name)]
        if foreign:
            logger.warning("foreign_workers_removed", key=self._key, count=len(foreign))
            await self._connection.call_repeatable(lambda: self._connection.client.zrem(self._key, *foreign))
        self.alive = frozenset(name.decode() for name in alive if _is_text(name))
        return [name.decode() for name in dead if _is_text(name)]

    async def forget(self, name: str) -> None:
        """Remove a worker that is dead: what it had written is gone.

        Raises:
            StoreUnavailable: Redis does not answer.
            StoreRefused: Redis refuses.
        """
        await self._connection.call_repeatable(lambda: self._connection.client.zrem(self._key, name))


def _is_text(name: bytes) -> bool:
    """Whether a worker can have this name: Touchline writes nothing else."""
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
