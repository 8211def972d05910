"""What this worker reports: how many connections are in each room, and which players they belong to.

Rules:

1. A few dict operations per join and leave, nothing per delivery, and nothing per connection between reports.
2. A player whose last connection to a room was lost, instead of leaving it, still counts there for ``grace_ms`` after
   the next report. Players on phones come back within seconds, to any worker: others should not see them go.
   Connections have no grace, since that would count each one that comes back twice.
3. ``changed`` holds what differs from the last report that was taken. A report that did not arrive is not kept: the
   next one is whole.
"""

from collections.abc import Iterator, Mapping, Set
from typing import NamedTuple

from touchline_server.core.clocks import LoopMs

from .port import InRoom


class Counts(NamedTuple):
    """Connections per room, and per room and player; see `port.Report`."""

    viewers: Mapping[str, int]
    players: Mapping[InRoom, int]


class WorkerCounts:
    """The connections of this worker, by room and player."""

    def __init__(self, grace_ms: int) -> None:
        self._grace_ms = grace_ms
        self._viewers: dict[str, int] = {}
        self._players: dict[str, dict[str, int]] = {}
        self._changed_rooms: set[str] = set()
        self._changed_players: set[InRoom] = set()
        self._lost: set[InRoom] = set()  # since the last report: their grace begins with the next one
        self._graces: dict[InRoom, LoopMs] = {}  # when each grace ends, the earliest first

    def add(self, room: str, player: str | None) -> None:
        """A connection has come into a room."""
        self._viewers[room] = self._viewers.get(room, 0) + 1
        self._changed_rooms.add(room)
        if player is not None:
            players = self._players.setdefault(room, {})
            players[player] = players.get(player, 0) + 1
            self._changed_players.add(InRoom(room, player))

    def remove(self, room: str, player: str | None, *, is_lost: bool) -> None:
        """A connection has left a room, or is lost."""
        self._viewers[room] -= 1
        if not self._viewers[room]:
            del self._viewers[room]
        self._changed_rooms.add(room)
        if player is None:
            return
        in_room = InRoom(room, player)
        self._changed_players.add(in_room)
        players = self._players[room]
        players[player] -= 1
        if players[player]:
            return
        if is_lost:
            self._lost.add(in_room)
        else:
            self._forget(in_room)

    def viewers(self, room: str) -> int:
        """How many connections are in a room now."""
        return self._viewers.get(room, 0)

    def players(self, room: str) -> Set[str]:
        """The players in a room now, with those that have their grace."""
        return self._players.get(room, {}).keys()

    def take_changed(self, now_ms: LoopMs) -> Counts:
        """What has changed since the last report."""
        self._end_graces(now_ms)
        viewers = {room: self.viewers(room) for room in self._changed_rooms}
        players = {in_room: self._reported(in_room) for in_room in self._changed_players}
        self._changed_rooms.clear()
        self._changed_players.clear()
        return Counts(viewers, players)

    def everything(self) -> Counts:
        """All that there is, for a whole report. To be called after `take_changed`."""
        players = {
            InRoom(room, player): max(1, connections)
            for room, in_room in self._players.items()
            for player, connections in in_room.items()
        }
        return Counts(dict(self._viewers), players)

    @property
    def size(self) -> int:
        """How many rooms and players there are."""
        return len(self._viewers) + sum(map(len, self._players.values()))

    def in_slices(self, entries_max: int) -> Iterator[Counts]:
        """All that there is, in slices of at most ``entries_max`` rooms and players, each as of when it is taken.

        Rooms and players that come meanwhile may be left out. To be called after `take_changed`.
        """
        viewers: dict[str, int] = {}
        players: dict[InRoom, int] = {}
        for room in list(self._viewers.keys() | self._players.keys()):
            for player in (None, *self._players.get(room, ())):
                if player is None:
                    if room in self._viewers:
                        viewers[room] = self._viewers[room]
                elif connections := self._reported(InRoom(room, player)):
                    players[InRoom(room, player)] = connections
                if len(viewers) + len(players) >= entries_max:
                    yield Counts(viewers, players)
                    viewers, players = {}, {}
        if viewers or players:
            yield Counts(viewers, players)

    def _reported(self, in_room: InRoom) -> int:
        connections = self._players.get(in_room.room, {}).get(in_room.player)
        return 0 if connections is None else max(1, connections)

    def _end_graces(self, now_ms: LoopMs) -> None:
        for in_room in self._lost:
            self._graces.pop(in_room, None)  # an earlier one, from which the player had come back
            self._graces[in_room] = LoopMs(now_ms + self._grace_ms)
        self._lost.clear()
        while self._graces:
            in_room, ends_ms = next(iter(self._graces.items()))
            if ends_ms > now_ms:
                return
            del self._graces[in_room]
            if self._players.get(in_room.room, {}).get(in_room.player) == 0:
                self._forget(in_room)
                self._changed_players.add(in_room)

    def _forget(self, in_room: InRoom) -> None:
        players = self._players[in_room.room]
        del players[in_room.player]
        if not players:
            del self._players[in_room.room]
