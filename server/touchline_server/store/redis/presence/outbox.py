"""The outbox of presence in Redis: each shard has its own, and one worker at a time writes it to the log."""

from collections.abc import Sequence
from typing import Any

import msgspec

from touchline_protocol.presence.records import PresenceKind, PresenceRecord
from touchline_server.config.presence import PresenceSettings
from touchline_server.config.values import milliseconds
from touchline_server.core.presence.outbox import Taken, Waiting
from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.contents import reading
from touchline_server.store.redis.store_errors import raises_store_errors

from .shard import SHARDS, Shards, load_script

RECORDS_MAX = 100
"""Records that are taken from one shard at once: 1,600 from all, or some 5 MB if many of them list members."""
LEASE_MS = 10_000
"""A shard is left to the worker that has taken its records for this long. An append takes less; if it does not, another
worker writes them again, with the same numbers."""

DRAIN = load_script("drain")


class _Drained(msgspec.Struct):
    """The answer of ``drain.lua``. Each record has its number, its kind, its room, and more by its kind."""

    records: list[list[Any]]
    dropped: int


_ANSWER = msgspec.msgpack.Decoder(_Drained)


@raises_store_errors
class RedisOutbox:
    """The outbox of all workers that share a Redis. It implements `Outbox` for one of them."""

    def __init__(self, connection: RedisConnection, worker: str, settings: PresenceSettings) -> None:
        self._shards = Shards(connection)
        self._common = {
            "worker": worker,
            "lease_ms": LEASE_MS,
            "room_state_ms": milliseconds(settings.room_state_s),
            "members_max": settings.members_max,
        }

    async def take(self, written: Sequence[Waiting] = ()) -> Taken:
        """Remove what was written, and take the next records."""
        return await self._drain(written, RECORDS_MAX)

    async def leave(self, written: Sequence[Waiting] = ()) -> None:
        """Remove what was written, and leave the rest to other workers."""
        await self._drain(written, 0)

    async def _drain(self, written: Sequence[Waiting], records_max: int) -> Taken:
        newest = {waiting.part: waiting.record.seq for waiting in written}  # those of a part are in order
        calls = {
            shard: {**self._common, "written": newest.get(shard, 0), "max": records_max} for shard in range(SHARDS)
        }
        waiting: list[Waiting] = []
        dropped = 0
        for shard, raw in (await self._shards.run(DRAIN, calls)).items():
            with reading(f"{self._shards.key(shard)}:outbox", "delete it; its records are lost"):
                answer = _ANSWER.decode(raw)
                waiting += [Waiting(shard, _record(*record)) for record in answer.records]
            dropped += answer.dropped
        return Taken(waiting, dropped)


def _record(seq: int, kind: PresenceKind, room: str, detail: Any = None) -> PresenceRecord:
    fields: dict[str, Any] = {"kind": kind, "room": room, "seq": seq}
    fields["time_ms"] = seq // 1000  # see `next_seq` in shard.lua
    if kind != "room_state":
        fields["player"] = detail
    else:
        viewers, players = detail
        fields |= {"viewers": viewers, "players": players if players is not False else None}
    return msgspec.convert(fields, PresenceRecord)  # this checks the types
