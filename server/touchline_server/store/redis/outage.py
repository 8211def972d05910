"""Finds out whether Redis is away, so that while it is, nobody waits for the deadline of a call.

Rules:

1. A call that failed is only a suspicion: its script may have been slow, or one node of a Cluster away. Redis is away
   if it does not answer a PING either; a Cluster, if none of its primaries does.
2. While it is away, calls fail at once (`RedisConnection.call`), and Redis is asked every `PROBE_S`, whether anybody
   needs it or not: the first request after its return is already answered from it.
"""

import asyncio

from .connection import RedisConnection

PROBE_S = 0.25
"""Between two attempts to reach a Redis that is away: it is used again well within a second of its return."""


class OutageWatch:
    """Watches one Redis for as long as its task runs."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    async def run(self) -> None:
        """Watch; does not end by itself."""
        connection = self._connection
        while True:
            await connection.suspicion.wait()
            while (why := await connection.silence()) is not None:
                connection.set_away(why)
                await asyncio.sleep(PROBE_S)
            connection.set_away(None)
