"""What a worker was told about the fleet: it turns shards' answers into what has changed since the answer before. Pure.

A shard may name a player who left and came back as one who joined, and a total that is the same again: what is told
onwards is the difference between two answers, so it never says anything twice.
"""

from collections.abc import Set as AbstractSet

import msgspec

from touchline_server.core.presence.member_changes import member_changes
from touchline_server.core.presence.port import TOO_MANY, Answer, TooMany


class RoomMembers(msgspec.Struct, array_like=True):
    """What a shard says of a room's members: all of them, or who has joined or left. Without names if there are more
    than ``members_max``."""

    room: str
    size: int
    is_full: bool
    joined: list[str]
    left: list[str]


class FleetView:
    """The totals and members that were in answers so far, of rooms that are still watched and listed."""

    def __init__(self, members_max: int) -> None:
        self._members_max = members_max
        self._viewers: dict[str, int] = {}
        self._members: dict[str, frozenset[str] | TooMany] = {}
        self._viewers_before: dict[str, int | None] = {}
        self._members_before: dict[str, frozenset[str] | TooMany | None] = {}

    def begin(self, watched: AbstractSet[str] | None, listed: AbstractSet[str] | None) -> None:
        """An exchange begins. Forget the rooms that are not ``watched`` or ``listed`` any more; None if none of them
        has changed."""
        self._viewers_before, self._members_before = {}, {}
        if watched is not None:
            self._viewers = {room: total for room, total in self._viewers.items() if room in watched}
        if listed is not None:
            self._members = {room: members for room, members in self._members.items() if room in listed}

    def take_viewers(self, room: str, total: int) -> None:
        """A shard has named a total."""
        self._viewers_before.setdefault(room, self._viewers.get(room))
        self._viewers[room] = total

    def take_members(self, news: RoomMembers) -> bool:
        """A shard has named members. Returns False if the full list is needed: the changes do not fit."""
        known = self._members.get(news.room)
        self._members_before.setdefault(news.room, known)
        if news.size > self._members_max:
            self._members[news.room] = TOO_MANY
        elif news.is_full:
            self._members[news.room] = frozenset(news.joined)
        elif isinstance(known, frozenset):
            now = known.difference(news.left).union(news.joined)
            self._members[news.room] = now
            return len(now) == news.size
        else:
            return False
        return True

    def changes(self, *, complete: bool) -> Answer:
        """What has changed since the exchange began."""
        viewers = {room: self._viewers[room] for room, before in self._viewers_before.items()}
        return Answer(
            {room: total for room, total in viewers.items() if self._viewers_before[room] != total},
            {
                room: member_changes(before, self._members[room])
                for room, before in self._members_before.items()
                if self._members[room] != before
            },
            complete,
        )
