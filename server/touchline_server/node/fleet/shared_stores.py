"""What a worker shares with the other processes of its fleet, through Redis.

Rule: redis-py is imported only where the settings name a Redis. It takes as long as a tenth of a server's start.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from touchline_server.config.settings import Settings
from touchline_server.core.counters.processes import CallCounters
from touchline_server.core.players.player_store import PlayerStore
from touchline_server.core.presence.outbox import Outbox
from touchline_server.core.presence.port import PresenceStore
from touchline_server.core.room_keeping import KeptPartition, Progress
from touchline_server.core.room_store import RoomStore


class KeptRoomStore(RoomStore, Protocol):
    """A room store that keepers fill."""

    async def kept(self, partitions: Sequence[KeptPartition]) -> Mapping[KeptPartition, Progress | None]:
        """How far partitions are kept; None if nothing is known of one.

        Raises:
            StoreUnavailable, StoreRefused: the store did not answer.
        """


class SharedStores(Protocol):
    """The stores of one worker."""

    @property
    def rooms(self) -> KeptRoomStore:
        """The rooms that keepers keep."""

    @property
    def presence(self) -> PresenceStore:
        """The presence store."""

    @property
    def outbox(self) -> Outbox | None:
        """The outbox of presence; None unless it is recorded."""

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong now, by subject."""

    @property
    def calls(self) -> CallCounters:
        """The calls of Redis so far."""

    @property
    def redis_problem(self) -> str | None:
        """Why Redis does not answer or refuses; None if it works."""

    def players(self) -> PlayerStore:
        """The player store."""

    def start(self) -> None:
        """Begin to look after the database."""

    async def close(self) -> None:
        """Close all connections."""


def shared_stores(settings: Settings, worker: str) -> SharedStores | None:
    """The stores of a worker; None if the settings name no Redis.

    Raises:
        OperatorError: the address is invalid.
    """
    if settings.redis.url is None:
        return None
    from .redis_stores import RedisStores  # noqa: PLC0415 - see above

    return RedisStores(settings, worker)
