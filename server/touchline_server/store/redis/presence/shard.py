"""How presence lies in Redis: in shards, each with its own scripts' state in one Cluster slot.

A room is in the shard that its name's CRC-32 names. All keys of shard 3 begin with ``touchline:{presence.3}:``

- ``meta``, a hash: ``seq``, the number of the newest change; ``epoch``, that of the shard's beginning;
  ``viewers_trimmed`` and ``players_trimmed``, the newest changes that are forgotten; ``dropped``, records;
  ``checking``, how far the check of a room has come
- ``checks``, a sorted set: rooms by the time of their next check
- ``workers``, a hash: worker -> mark: its generation and the number of its newest report, or ``dead``
- ``viewers:ROOM``, a hash: worker -> viewers. ``players:ROOM``, a hash: player -> the workers that have it
- ``of:WORKER:rooms`` and ``of:WORKER:players``, sorted sets: what is a worker's, by the generation of its whole report
- ``of:WORKER:watched`` and ``of:WORKER:listed``, sets of rooms
- ``viewers_changed`` and ``players_changed``, sorted sets: rooms by the number of their newest change, for a minute
- ``moves:ROOM``, a sorted set: players by the number of their newest join or leave, for as long
- ``outbox``, a list of records; ``due``, a sorted set: rooms by the time of their next ``room_state``, 0 for at once;
  ``drained_by``, the worker that writes records to the log

Rules:

1. Nothing is counted up or down: a total is the sum of what the workers have, so it cannot drift.
2. Each call is refused unless the shard has exactly what the worker believes: its mark tells. So a shard that was
   emptied, was restored from an older copy, or had buried the worker is noticed at the next call, and a call that
   was given up and arrives late does nothing.
3. Changes of a shard have one order. A worker asks what has changed since a number, and Redis leaves out what it did
   not ask for. Versions per room would make each worker name 10,000 rooms each second; a queue for each worker would
   make each change cost as many writes as there are workers.
4. Anybody can write to Redis, and keys can get lost. Each worker names all that it has again within five minutes
   (`core.presence.verification`), and each room is checked as often, by whichever worker calls: what no known worker
   has reported is removed.
5. One call changes, checks or removes a bounded number of entries, a few milliseconds of work: Redis serves nobody
   meanwhile.
"""

from collections.abc import Mapping
from importlib.resources import files
from typing import Final
from zlib import crc32

import msgspec

from touchline_server.store.redis.connection import RedisConnection
from touchline_server.store.redis.scripts import Call, Script, run_scripts

SHARDS: Final = 16
"""Slots in use: as many nodes of a Cluster can share the work, and an exchange is as many calls. All workers of a
fleet have the same number, of all versions: another one would be another fleet's."""


def load_script(name: str) -> Script:
    """The script ``lua/NAME.lua`` behind what all scripts share."""
    folder = files(__package__) / "lua"
    text = "".join((folder / f"{part}.lua").read_text("utf-8") for part in ("shard", name))
    return Script.of(text)


def shard_of(room: str) -> int:
    """The shard that a room is in."""
    return crc32(room.encode()) % SHARDS


class Shards:
    """Runs scripts in shards. ``connection`` is shared with other stores."""

    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection

    def key(self, shard: int | str) -> str:
        """What the names of a shard's keys begin with; ``*`` stands for all shards."""
        return f"{self._connection.prefix}:{{presence.{shard}}}"

    async def run(self, script: Script, calls: Mapping[int, object]) -> dict[int, bytes]:
        """Run ``script`` in some shards with arguments for each, in one round trip. Returns their answers.

        Raises:
            StoreUnavailable: Redis does not answer. Each of the calls may have run, or not.
            StoreRefused: Redis refuses.
        """
        parts = [Call(script, [self.key(shard)], [msgspec.msgpack.encode(args)]) for shard, args in calls.items()]
        return dict(zip(calls, await run_scripts(self._connection, parts, repeatable=True), strict=True))
