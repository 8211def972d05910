"""Presence in one room, as the server's messages tell it.

It is as of the newest message, whatever a reader of the room's events has read: a count is of no use later on. While
there is no connection it stays as it was.
"""

from touchline_protocol import messages

from .items import Members, Occupancy


class RoomPresence:
    """How many watch a room, and who. ``occupancy`` and ``members`` are the newest of each, None until the first comes.

    ``asks_occupancy`` and ``asks_members`` are what to ask the server for.
    """

    __slots__ = ("asks_members", "asks_occupancy", "members", "occupancy")

    def __init__(self, *, occupancy: bool, members: bool) -> None:
        self.asks_occupancy = occupancy
        self.asks_members = members
        self.occupancy: Occupancy | None = None
        self.members: Members | None = None

    def count(self, message: messages.Occupancy) -> Occupancy:
        """Take in how many watch."""
        self.occupancy = Occupancy(message.room, message.viewers, message.complete)
        return self.occupancy

    def list_members(self, message: messages.Members) -> Members:
        """Take in a full list. It is compared to the list before, even if the connection was lost since."""
        known = self.members.players if self.members is not None else None
        players = None if message.too_many else frozenset(message.players)
        joined = (players or frozenset()) - (known or frozenset())
        left = (known or frozenset()) - players if players is not None else frozenset()
        self.members = Members(message.room, players, joined, left, message.complete)
        return self.members

    def change_members(self, message: messages.MembersChanged) -> Members | None:
        """Take in changes; None if there is no list that they could apply to."""
        if self.members is None or self.members.players is None:
            return None
        joined, left = frozenset(message.joined), frozenset(message.left)
        players = (self.members.players | joined) - left
        self.members = Members(message.room, players, joined, left, message.complete)
        return self.members
