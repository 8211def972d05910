"""Presence in memory: a fleet of workers within one process. Serving uses it for a single worker, tests for several.

A worker counts until `MemoryFleet.remove` says that it is dead. Without Redis, one of several workers of an edge has a
fleet of its own, which is not ``complete``: it does not see the other workers' clients.
"""

from collections.abc import Callable, Collection
from typing import TypeAlias

from touchline_protocol.presence.records import PresenceKind
from touchline_server.core.presence.member_changes import member_changes
from touchline_server.core.presence.port import (
    NOTHING,
    TOO_MANY,
    Answer,
    InRoom,
    Report,
    TooMany,
    Totals,
)

Observer: TypeAlias = Callable[[PresenceKind, str, str | None], None]
"""What is called with each change: its kind, the room, and the player if it is about one."""


class MemoryFleet:
    """What all workers have reported. A room with more players than ``members_max`` is not listed."""

    def __init__(self, members_max: int, *, complete: bool = True) -> None:
        self.members_max = members_max
        self.complete = complete
        self._viewers: dict[str, dict[str, int]] = {}
        self._players: dict[str, dict[str, dict[str, int]]] = {}
        self._observers: list[Observer] = []

    def observe(self, observer: Observer) -> None:
        """Call ``observer`` with each change of who is where, in order."""
        self._observers.append(observer)

    def worker(self, name: str) -> "MemoryPresenceStore":
        """The store object of one worker."""
        return MemoryPresenceStore(self, name)

    def remove(self, worker: str) -> None:
        """A worker is dead: nothing that it reported counts any more."""
        self.take(worker, NOTHING)

    def take(self, worker: str, report: Report) -> None:
        """Take in a report. Nobody is ever in an empty room, so rooms that are empty come last."""
        viewers, players = dict(report.viewers), dict(report.players)
        if report.is_whole:
            for room in self._viewers:
                viewers.setdefault(room, 0)
            for room, present in self._players.items():
                for player in present:
                    players.setdefault(InRoom(room, player), 0)
        for room, count in viewers.items():
            if count:
                self._set_viewers(worker, room, count)
        for in_room, connections in players.items():
            self._set_player(worker, in_room, connections)
        for room, count in viewers.items():
            if not count:
                self._set_viewers(worker, room, 0)

    def viewers(self, room: str) -> int:
        """How many connections are in a room."""
        return sum(self._viewers.get(room, {}).values())

    def members(self, room: str) -> frozenset[str] | TooMany:
        """Which players are in a room."""
        players = self._players.get(room, {})
        return TOO_MANY if len(players) > self.members_max else frozenset(players)

    def _set_viewers(self, worker: str, room: str, viewers: int) -> None:
        was_occupied = room in self._viewers
        _set(self._viewers, room, worker, viewers)
        if was_occupied != (room in self._viewers):
            self._tell("room_empty" if was_occupied else "room_occupied", room, None)

    def _set_player(self, worker: str, in_room: InRoom, connections: int) -> None:
        players = self._players.setdefault(in_room.room, {})
        was_present = in_room.player in players
        _set(players, in_room.player, worker, connections)
        if was_present != (in_room.player in players):
            self._tell("player_left" if was_present else "player_joined", in_room.room, in_room.player)
        if not players:
            del self._players[in_room.room]

    def _tell(self, kind: PresenceKind, room: str, player: str | None) -> None:
        for observer in self._observers:
            observer(kind, room, player)


class MemoryPresenceStore:
    """One worker's way to a `MemoryFleet`. It implements `PresenceStore`, and never fails."""

    def __init__(self, fleet: MemoryFleet, name: str) -> None:
        self._fleet = fleet
        self._name = name
        self._viewers: dict[str, int] = {}
        self._members: dict[str, frozenset[str] | TooMany] = {}

    async def exchange(self, report: Report) -> Answer:
        """Report this worker's rooms, and learn about the fleet's."""
        self._fleet.take(self._name, report)
        if report.is_whole:
            self._viewers.clear()
            self._members.clear()
        viewers = {room: self._fleet.viewers(room) for room in report.watched}
        members = {room: self._fleet.members(room) for room in report.listed}
        answer = Answer(
            {room: total for room, total in viewers.items() if self._viewers.get(room) != total},
            {
                room: member_changes(before, now)
                for room, now in members.items()
                if (before := self._members.get(room)) != now
            },
            self._fleet.complete,
        )
        self._viewers, self._members = viewers, members
        return answer

    async def viewers(self, rooms: Collection[str]) -> Totals:
        """The totals of rooms."""
        return Totals({room: self._fleet.viewers(room) for room in rooms}, self._fleet.complete)


def _set(table: dict[str, dict[str, int]], key: str, worker: str, number: int) -> None:
    """Set a worker's number in a table; those that are zero are left out."""
    if number:
        table.setdefault(key, {})[worker] = number
    elif key in table:
        table[key].pop(worker, None)
        if not table[key]:
            del table[key]
