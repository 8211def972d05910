"""The numbering of one session's actions: which id is next, which wait for the log, which were refused.

A numbering belongs to a player and a session's name, not to a connection: it goes on when the client comes back. It is
what makes a resend harmless, as sequence numbers do in TCP (RFC 9293): an id is taken once, in order, and whoever lost
the answer is told it again.

Rules:

1. An id is waiting, in the log, or refused, or none of these yet. Next is one more than the highest that is.
2. What the log did not take is not there: its id, and all after it, are free again (`go_back`), but for refused ones.
3. The first id that a client sends after it has come back says where it is: what is below it was answered, here or on
   another edge, and is not gone back to.
4. ``actions_window`` bounds the ids from the first that waits to the next, so all of them are remembered.
"""

from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING

from touchline_protocol.messages import Nack

if TYPE_CHECKING:
    from .client import Session


class Place(Enum):
    """Where an id stands in a numbering."""

    NEXT = auto()
    WAITING = auto()
    REFUSED = auto()
    IN_LOG = auto()
    AHEAD = auto()


class Numbering:
    """The ids of one session. ``floor`` is the first that its client sent on this connection."""

    __slots__ = ("_placed", "floor", "in_log", "left_ms", "name", "next_id", "player", "refused", "session", "waiting")

    def __init__(self, player: str, name: str) -> None:
        self.player = player
        self.name = name
        self.next_id = 1
        self.floor = 1
        self._placed = True
        self.session: Session | None = None
        """Who is told the answers: the connection that goes on with it now."""
        self.in_log = 0
        self.waiting: deque[int] = deque()
        self.refused: dict[int, Nack] = {}
        self.left_ms = 0

    @property
    def is_unused(self) -> bool:
        """Whether no action was taken or refused, so that there is nothing to remember."""
        return not (self.in_log or self.waiting or self.refused)

    def come_back(self) -> None:
        """The client goes on with it on another connection."""
        self._placed = False

    def place(self, action_id: int, prev: int | None) -> Place:
        """Where an id stands; ``prev`` is the newest before it that its client has no answer to."""
        if not self._placed:
            self._placed = True  # also where it is not taken now: what follows must not pass it
            self.floor = action_id
            self.next_id = max(self.next_id, action_id)
        next_id = self.next_id
        if action_id < next_id:
            if action_id in self.refused:
                return Place.REFUSED
            # The newest first: who resends does so soon.
            return Place.WAITING if action_id in self.waiting else Place.IN_LOG
        before = action_id - 1 if prev is None else prev
        return Place.NEXT if before < next_id else Place.AHEAD

    def is_full(self, action_id: int, actions_window: int) -> bool:
        """Whether too many ids are not decided to take this one too."""
        return bool(self.waiting) and action_id - self.waiting[0] >= actions_window

    def take(self, action_id: int) -> None:
        """The next id waits for the log from now on."""
        self.waiting.append(action_id)
        self._advance(action_id + 1)

    def refuse(self, nack: Nack, actions_window: int) -> None:
        """The next id is refused for good; what is too old to be asked for again is forgotten."""
        self.refused[nack.id] = nack
        self._advance(nack.id + 1)
        oldest = (self.waiting[0] if self.waiting else nack.id + 1) - actions_window
        while self.refused and (first := next(iter(self.refused))) < oldest:
            del self.refused[first]

    def confirm(self, action_id: int) -> None:
        """The first that waits is in the log."""
        first = self.waiting.popleft()
        assert first == action_id, (first, action_id)  # noqa: S101 - the log keeps the order
        self.in_log = max(self.in_log, action_id)

    def go_back(self, action_id: int) -> None:
        """The log did not take this one, nor any after it."""
        while self.waiting and self.waiting[-1] >= action_id:
            self.waiting.pop()
        self._advance(max(action_id, self.floor))

    def _advance(self, next_id: int) -> None:
        while next_id in self.refused:
            next_id += 1
        self.next_id = next_id
