"""What is known of one room that somebody on this worker has asked about, and what its askers are told.

Rules:

1. ``total`` and ``listed`` are what the store said last. While they are complete the list is told as it is, and the
   total moved on by the connections that have come and gone here since.
2. While they are not complete, the other workers' part stays at least what it last was: a count that falls to a quarter
   because Redis is away would be wrong for everybody. This worker's own part stays right. All of it is marked.
"""

from collections.abc import Mapping, Sequence
from typing import Generic, Literal, NamedTuple, TypeAlias

from touchline_protocol.messages import Members, MembersChanged, Message, Occupancy
from touchline_server.core.clocks import LoopMs
from touchline_server.core.rooms.room import M, Part, Write

from .bulletin import Bulletin
from .port import TOO_MANY, MemberChanges, TooMany
from .port import Members as MembersAnswer

Listed: TypeAlias = frozenset[str] | Literal[TooMany.TOO_MANY]
"""The members of a room, or that they are too many to list."""


class Viewers(NamedTuple):
    """How many watch, and whether that is the whole fleet."""

    viewers: int
    complete: bool


class Players(NamedTuple):
    """The members of a room, and whether those are the whole fleet's."""

    listed: Listed
    complete: bool


class Own(NamedTuple):
    """This worker's part of a room: connections and players."""

    viewers: int
    players: frozenset[str]


class RoomPresence(Generic[M]):
    """One room. ``own`` is this worker's part in the newest report that arrived."""

    __slots__ = ("_elsewhere", "_listed_elsewhere", "listed", "members", "name", "occupancy", "own", "told_ms", "total")

    def __init__(self, name: str) -> None:
        self.name = name
        self.occupancy: Bulletin[M, Viewers] = Bulletin(self._count, lambda _told, viewers: self._count(viewers))
        self.members: Bulletin[M, Players] = Bulletin(self._list, self._change)
        self.own = Own(0, frozenset())
        self.total: int | None = None
        self.listed: Listed | None = None
        self.told_ms: LoopMs | None = None
        self._elsewhere = 0
        self._listed_elsewhere: Listed = frozenset()

    def learn_members(self, said: MembersAnswer) -> None:
        """Take in what the store says of the room's members."""
        if not isinstance(said, MemberChanges):
            self.listed = said
        elif isinstance(self.listed, frozenset):
            self.listed = (self.listed | said.joined) - said.left

    def keep_elsewhere(self) -> None:
        """The store's numbers are complete: keep the other workers' part, for when they are not."""
        if self.total is not None:
            self._elsewhere = self.total - self.own.viewers
        if isinstance(self.listed, frozenset):
            self._listed_elsewhere = self.listed - self.own.players
        elif self.listed is not None:
            self._listed_elsewhere = TOO_MANY

    def forget_unasked(self) -> None:
        """Forget what nobody asks for any more: the store will not go on with it."""
        if not self.occupancy.has_askers:
            self.total = self.occupancy.state = None
            self._elsewhere = 0
        if not self.members.has_askers:
            self.listed = self.members.state = None
            self._listed_elsewhere = frozenset()

    def viewers(self, own_now: int, *, complete: bool) -> Viewers | None:
        """How many watch; None if that is not known. ``own_now`` is how many do on this worker."""
        if self.total is None:
            return None if complete else Viewers(own_now, complete)
        # Less than nothing if somebody removed keys from the store: the clients here are there all the same.
        elsewhere = max(0, self.total - self.own.viewers)
        return Viewers(own_now + (elsewhere if complete else max(elsewhere, self._elsewhere)), complete)

    def players(self, own_now: frozenset[str], members_max: int, *, complete: bool) -> Players | None:
        """The members of the room; None if they are not known. ``own_now`` are those on this worker."""
        if complete:
            # Not moved on: a player who leaves here may be on another worker too.
            return None if self.listed is None else Players(self.listed, complete)
        if self.listed is TOO_MANY or self._listed_elsewhere is TOO_MANY:
            return Players(TOO_MANY, complete)
        elsewhere = (self.listed or frozenset()) - self.own.players
        listed = own_now | elsewhere | self._listed_elsewhere
        return Players(TOO_MANY if len(listed) > members_max else listed, complete)

    @property
    def has_waiting(self) -> bool:
        """Whether an asker does not know yet what is, or will be, known."""
        return self.occupancy.has_waiting or self.members.has_waiting

    def reaches(self, live: Sequence[Mapping[M, Write]]) -> bool:
        """Whether somebody who waits to be told is live."""
        return self.occupancy.reaches(live) or self.members.reaches(live)

    def take_parts(self, live: Sequence[Mapping[M, Write]]) -> list[Part[M]]:
        """What a flush writes to which of the live members."""
        return self.occupancy.take_parts(live) + self.members.take_parts(live)

    def _count(self, viewers: Viewers) -> Message:
        return Occupancy(room=self.name, viewers=viewers.viewers, complete=viewers.complete)

    def _list(self, players: Players) -> Message:
        listed, complete = players
        if listed is TOO_MANY:
            return Members(room=self.name, too_many=True, complete=complete)
        return Members(room=self.name, players=sorted(listed), complete=complete)

    def _change(self, told: Players, players: Players) -> Message:
        """The change, unless the list is shorter."""
        if told.listed is TOO_MANY or players.listed is TOO_MANY:
            return self._list(players)
        joined, left = players.listed - told.listed, told.listed - players.listed
        if len(joined) + len(left) > len(players.listed):
            return self._list(players)
        return MembersChanged(room=self.name, joined=sorted(joined), left=sorted(left), complete=players.complete)
