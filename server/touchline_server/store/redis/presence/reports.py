"""Cuts a report into parts that a shard takes one by one. Pure.

Rules:

1. A part has at most `PART_MAX` entries, a few milliseconds of work for Redis.
2. Rooms that are occupied come before their players, and rooms that are empty after them: nobody ever is in an empty
   room, whatever part is the last to arrive.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet
from itertools import filterfalse, islice
from typing import NamedTuple

import msgspec

from touchline_server.core.presence.port import Report

from .shard import shard_of

PART_MAX = 250
"""Entries of a part."""
LISTED_ENTRIES = 20
"""What a room whose full list is asked for counts as: it is answered with up to ``members_max`` names."""


class Part(msgspec.Struct):
    """A part of a report for one shard, in the form that ``exchange.lua`` reads."""

    viewers: list[str | int] = msgspec.field(default_factory=list)
    players: list[str | int] = msgspec.field(default_factory=list)
    add_watched: list[str] = msgspec.field(default_factory=list)
    drop_watched: list[str] = msgspec.field(default_factory=list)
    add_listed: list[str] = msgspec.field(default_factory=list)
    drop_listed: list[str] = msgspec.field(default_factory=list)


class Rotation:
    """Takes a few rooms of a set with each report, so that all had their turn after ``reports`` of them.

    A worker only learns about changes of the rooms that it watches, and a change can get lost in Redis like any key.
    """

    def __init__(self, reports: int) -> None:
        self._reports = reports
        self._rest: Iterator[str] = iter(())

    def take(self, rooms: AbstractSet[str], rooms_max: int) -> list[str]:
        """The next rooms, ``rooms_max`` at most."""
        count = min(1 + len(rooms) // self._reports, rooms_max)
        taken = [room for room in islice(self._rest, count) if room in rooms]
        if not taken:
            self._rest = iter(list(rooms))
            taken = list(islice(self._rest, count))
        return taken


class Again(NamedTuple):
    """Rooms that are asked about once more: their totals, and their lists of members."""

    watched: Collection[str] = ()
    listed: Collection[str] = ()


class _Parts:
    """The parts of a shard. The last one has room for more."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._left = 0

    def take(self, entries: int = 1) -> Part:
        """The part that the next ``entries`` go to."""
        if self._left < entries:
            self.parts.append(Part())
            self._left = PART_MAX
        self._left -= entries
        return self.parts[-1]


def cut(report: Report, watched: AbstractSet[str], listed: AbstractSet[str], again: Again) -> dict[int, list[Part]]:
    """The parts of ``report`` by shard. ``watched`` and ``listed`` are those of the report before, without any if it is
    whole."""
    shards: defaultdict[int, _Parts] = defaultdict(_Parts)
    for room in filter(report.viewers.__getitem__, report.viewers):
        shards[shard_of(room)].take().viewers += (room, report.viewers[room])
    for (room, player), connections in report.players.items():
        shards[shard_of(room)].take().players += (room, player, connections)
    for room in filterfalse(report.viewers.__getitem__, report.viewers):
        shards[shard_of(room)].take().viewers += (room, 0)
    added, dropped = _difference(report.watched, watched)
    for room in (*added, *again.watched):
        shards[shard_of(room)].take().add_watched.append(room)
    for room in dropped:
        shards[shard_of(room)].take().drop_watched.append(room)
    added, dropped = _difference(report.listed, listed)
    for room in (*added, *again.listed):
        shards[shard_of(room)].take(LISTED_ENTRIES).add_listed.append(room)
    for room in dropped:
        shards[shard_of(room)].take().drop_listed.append(room)
    return {shard: parts.parts for shard, parts in shards.items()}


def _difference(now: AbstractSet[str], before: AbstractSet[str]) -> tuple[AbstractSet[str], AbstractSet[str]]:
    """What was added and dropped. The same object costs nothing: there may be 10,000 rooms, each second."""
    return (frozenset(), frozenset()) if now is before else (now - before, before - now)
