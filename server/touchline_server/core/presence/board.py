"""The presence board of a worker: who asks about which rooms, what is reported to the fleet, and what is told.

    join, leave ──► counts ──► take_report ──► store ──► answered / failed ──► announce ──► a flush of the room

Rules:

1. Nothing is told because of a join or leave alone: a crowd that comes in makes one message per room and second.
2. A room's askers are told at most every ``every_ms``, and only if something has changed. Newcomers, and clients that
   had fallen behind, are told once more, as soon as they are live and it is known.
3. The store counts as away once it has not answered for `STALE_MS`: numbers may be three seconds old.
4. A room is forgotten only when a report has been made without it. Otherwise the store, for which it had never gone,
   would not name it again to those who come back.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Generic, NamedTuple

from touchline_protocol.codecs import Codec
from touchline_protocol.messages import RoomRequest
from touchline_server.core.clocks import LoopMs
from touchline_server.core.rooms.room import M, Room

from .port import Answer, Report
from .room_presence import Own, Players, RoomPresence, Viewers
from .verification import Verification
from .worker_counts import Counts, WorkerCounts

STALE_MS = 3_000
"""After this time without an answer, numbers are marked as not complete: they are promised to be right within it."""

ROOMS_PER_CALL_MAX = 500
"""Rooms that one call of `announce` updates, of ten per second: some 3 ms, for which nobody is served."""


class PresenceLimits(NamedTuple):
    """The limits of presence.

    ``members_max``: players of a room that is listed. ``every_ms``: the least time between two messages to a room's
    askers. ``grace_ms``: see `WorkerCounts`.
    """

    members_max: int
    every_ms: int
    grace_ms: int


class PresenceBoard(Generic[M]):
    """Presence on one worker. A member is one connection in one room."""

    def __init__(self, limits: PresenceLimits) -> None:
        self.limits = limits
        self.counts = WorkerCounts(limits.grace_ms)
        self._verification = Verification(self.counts, limits.every_ms)
        self._rooms: dict[str, RoomPresence[M]] = {}
        self._watched: AbstractSet[str] = frozenset()
        self._listed: AbstractSet[str] = frozenset()
        self._asked: set[str] = set()  # rooms that somebody has begun or ceased to ask about since the last report
        self._reporting: dict[str, Own] = {}  # this worker's part in reports since the last answer
        self._changed: dict[str, None] = {}  # rooms about which there may be something new
        self._waiting: dict[str, None] = {}  # rooms where some askers may not be told of what is known
        self._is_whole = True
        self._is_complete = True
        self._answered_ms: LoopMs | None = None

    @property
    def asked_rooms(self) -> int:
        """How many rooms clients ask about."""
        return len(self._rooms)

    @property
    def is_complete(self) -> bool:
        """Whether the numbers are those of the whole fleet, and not old."""
        return self._is_complete

    def viewers(self, room: str) -> int:
        """How many watch a room as far as this worker knows: its own clients, and others if a client here asks."""
        own, known = self.counts.viewers(room), self._rooms.get(room)
        viewers = None if known is None else known.viewers(own, complete=False)
        return own if viewers is None else viewers.viewers

    # Clients.

    def join(self, member: M, codec: Codec, request: RoomRequest, player: str | None) -> None:
        """A connection has come into a room, and may ask about it."""
        self.counts.add(request.room, player)
        if not (request.occupancy or request.members):
            return
        room = self._rooms.get(request.room)
        if room is None:
            room = self._rooms[request.room] = RoomPresence(request.room)
        if request.occupancy:
            room.occupancy.add(member, codec)
        if request.members:
            room.members.add(member, codec)
        self._asked.add(request.room)
        self._waiting[request.room] = None

    def leave(self, member: M, codec: Codec, request: RoomRequest, player: str | None, *, is_lost: bool) -> None:
        """A connection has left a room, or is lost."""
        self.counts.remove(request.room, player, is_lost=is_lost)
        if request.occupancy or request.members:
            room = self._rooms[request.room]
            room.occupancy.discard(member, codec)
            room.members.discard(member, codec)
            self._asked.add(request.room)

    # The store.

    def take_report(self, now_ms: LoopMs) -> Report:
        """What to report now. `answered` or `failed` follows before the next one."""
        if self._answered_ms is None:
            self._answered_ms = now_ms
        changed = self.counts.take_changed(now_ms)
        self._forget_unasked()
        touched = {*changed.viewers, *(in_room.room for in_room in changed.players), *self._asked}
        self._reporting.update((name, self._own(self._rooms[name])) for name in touched & self._rooms.keys())
        self._asked.clear()
        is_whole, self._is_whole = self._is_whole, False
        viewers, players = self.counts.everything() if is_whole else self._with_some_unchanged(changed)
        return Report(is_whole, viewers, players, self._watched, self._listed)

    def answered(self, answer: Answer, now_ms: LoopMs) -> None:
        """The store has taken the report, and has answered it."""
        self._answered_ms = now_ms
        touched = {*self._reporting, *answer.viewers, *answer.members} & self._rooms.keys()
        for name in touched:
            room = self._rooms[name]
            room.own = self._reporting.get(name, room.own)
            if (total := answer.viewers.get(name)) is not None:
                room.total = total
            if (members := answer.members.get(name)) is not None:
                room.learn_members(members)
        self._reporting.clear()
        if answer.complete != self._is_complete:
            self._is_complete = answer.complete
            touched = {*self._rooms}
        if answer.complete:
            for name in touched:
                self._rooms[name].keep_elsewhere()
        self._changed.update(dict.fromkeys(touched))

    def failed(self, now_ms: LoopMs) -> None:
        """The store has not answered: the next report is whole, since nobody knows what became of this one."""
        self._is_whole = True
        if not self._is_complete:
            self._changed.update(dict.fromkeys(self._reporting))
        elif self._answered_ms is not None and now_ms - self._answered_ms >= STALE_MS:
            self._is_complete = False
            self._changed.update(dict.fromkeys(self._rooms))

    # What is told.

    def announce(self, rooms: Mapping[str, Room[M]], now_ms: LoopMs) -> list[Room[M]]:
        """Give rooms their notices for the next flush. Returns those that have some. Call this periodically."""
        due = [name for name in list(islice(self._changed, ROOMS_PER_CALL_MAX)) if self._update(name, now_ms)]
        for name in list(self._waiting):
            if name not in self._rooms or not self._rooms[name].has_waiting:
                del self._waiting[name]
            elif name in rooms and self._rooms[name].reaches(rooms[name].live):
                due.append(name)
        self._waiting.update(dict.fromkeys(due))  # some may not be live
        announced = [rooms[name] for name in due if name in rooms]
        for room in announced:
            room.announce(self._rooms[room.name].take_parts)
        return announced

    def _update(self, name: str, now_ms: LoopMs) -> bool:
        """Bring a room's bulletins up to date. Returns whether there is something new that may be told now."""
        del self._changed[name]
        room = self._rooms.get(name)
        if room is None:
            return False
        viewers, players = self._known(room)
        if (viewers, players) == (room.occupancy.state, room.members.state):
            return False
        if room.told_ms is not None and now_ms - room.told_ms < self.limits.every_ms:
            self._changed[name] = None
            return False
        room.told_ms = now_ms
        room.occupancy.state, room.members.state = viewers, players
        return True

    def _known(self, room: RoomPresence[M]) -> tuple[Viewers | None, Players | None]:
        complete, viewers, players = self._is_complete, None, None
        if room.occupancy.has_askers:
            viewers = room.viewers(self.counts.viewers(room.name), complete=complete)
        if room.members.has_askers:
            own = frozenset() if complete else frozenset(self.counts.players(room.name))
            players = room.players(own, self.limits.members_max, complete=complete)
        return viewers, players

    def _forget_unasked(self) -> None:
        """Note which rooms are asked about by now."""
        watched, listed = set(), set()
        for name in self._asked:
            room = self._rooms[name]
            room.forget_unasked()
            if room.occupancy.has_askers:
                watched.add(name)
            if room.members.has_askers:
                listed.add(name)
            if not (room.occupancy.has_askers or room.members.has_askers):
                del self._rooms[name]
        self._watched = _replaced(self._watched, self._asked, watched)
        self._listed = _replaced(self._listed, self._asked, listed)

    def _with_some_unchanged(self, changed: Counts) -> Counts:
        verified = self._verification.take()
        return Counts({**verified.viewers, **changed.viewers}, {**verified.players, **changed.players})

    def _own(self, room: RoomPresence[M]) -> Own:
        players = self.counts.players(room.name)
        is_listed = room.members.has_askers and len(players) <= self.limits.members_max
        return Own(self.counts.viewers(room.name), frozenset(players if is_listed else ()))


def _replaced(rooms: AbstractSet[str], asked: AbstractSet[str], chosen: AbstractSet[str]) -> AbstractSet[str]:
    """``rooms`` without those that were ``asked`` about and not ``chosen``. The same object if nothing has changed."""
    replaced = rooms - asked | chosen
    return rooms if replaced == rooms else replaced
