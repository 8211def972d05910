"""The table ``[keeper]``: how ``touchline keeper`` writes the state of rooms to Redis."""

from pydantic import Field

from .tables import Table
from .values import BYTES_MAX, Seconds, Wait

ROOM_IDLE_S_MIN = 3600.0
"""How far a partition is kept is forgotten after this time too, unless a keeper looks. While all keepers are away for
longer, everything is lost and has to be read again."""


class KeeperSettings(Table):
    """Keepers of one fleet share a consumer group, and with it the partitions."""

    group: str | None = Field(default=None, min_length=1, max_length=255)
    """The consumer group; ``<redis.prefix>-keeper`` if unset. Another one does not read everything again: how far rooms
    are kept is in Redis."""
    host: str = "127.0.0.1"
    port: int = Field(default=8082, ge=0, le=65535)
    """Where ``/healthz``, ``/readyz`` and ``/metrics`` are answered; 0 picks a free port."""
    room_idle_s: Seconds = Field(default=7 * 24 * 3600.0, ge=ROOM_IDLE_S_MIN)
    """A room is removed from Redis this long after its newest event. Kafka keeps records as long, unless configured."""
    batch_s: Wait = Field(default=0.05, le=10.0)
    """How long records are collected before their rooms are written: the longer, the fewer writes, and the later Redis
    has them. Edges read what is newer from the log."""
    commit_s: Wait = Field(default=1.0, ge=0.05)
    """How often the group learns how far Redis is. Only operators look at that: keepers go on from what Redis has."""
    cache_bytes_max: int = Field(default=256 << 20, ge=1 << 20, le=BYTES_MAX)
    """Bytes of rooms that a keeper remembers, so that it need not read them from Redis before it changes them."""
