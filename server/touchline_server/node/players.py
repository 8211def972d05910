"""The player store of one process, and what operators are told while it is away."""

import secrets
from collections.abc import Mapping

from touchline_server.core.edge import EdgeCore
from touchline_server.core.players.player_store import PlayerStore
from touchline_server.edge.driver import Peer
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.players import RedisPlayerStore

SUBJECT = "players"
"""The subject of a player store that does not answer."""


def player_store(redis: RedisConnection | None, core: EdgeCore[Peer], worker: str) -> PlayerStore | None:
    """The player store; None if there is no Redis, or if there are no players since there are no keys."""
    if redis is None or core.arrivals is None:
        return None
    return RedisPlayerStore(redis, f"{worker}-{secrets.token_hex(4)}")  # no other process ever has this name


def problems(core: EdgeCore[Peer]) -> Mapping[str, str]:
    """What is wrong with the player store now."""
    if core.arrivals is None or (why := core.arrivals.problem) is None:
        return {}
    return {SUBJECT: f"players' limits and sessions are those of this process alone: {why}"}
