"""An action session: which of a client's action ids is next, which wait for the log, which were refused.

It belongs to a player and a session name, not to a connection: it goes on when the client comes back. It makes a resend
harmless, as sequence numbers do in TCP (RFC 9293): an id is taken once, in order, and a client that lost the answer
gets it again.

Rules:

1. An id is waiting, in the log, or refused, or none of these yet. The next id is one more than the highest that is.
2. When the log did not take an action, its id and all after it are free again (`go_back`), except refused ids. Only the
   log itself can refuse an id that waits (`refuse_waiting`).
3. The first id that a client sends after it has come back says where it is: the ids below were answered, here or on
   another edge, and the session never goes back to them.
4. ``window`` bounds the ids from the first that waits to the next, so all of them are remembered.

Example, with a window of 4: ids 1 and 2 wait, 3 is refused for good, 4 waits. The log takes 1 and fails at 2: 1 is in
the log, and the next id is 2. The client sends 2 again, then 4; 3 stays refused.
"""

from collections import deque
from enum import Enum, auto
from typing import Generic, TypeVar

from touchline_protocol.messages import Nack
from touchline_server.core.clocks import LoopMs

C = TypeVar("C")
"""The client that an action session belongs to: opaque here."""


class IdStatus(Enum):
    """The status of an id in its session."""

    NEXT = auto()
    WAITING = auto()
    REFUSED = auto()
    IN_LOG = auto()
    AHEAD = auto()


class ActionSession(Generic[C]):
    """The ids of one session. ``floor`` is the first that its client sent on the present connection.

    ``client`` gets the answers: the connection that goes on with the session now; None while there is none. ``number``
    is what the player store holds it under for this worker, 0 if it does not: see `player_store`.
    """

    __slots__ = (
        "_position_known",
        "client",
        "floor",
        "in_log",
        "left_ms",
        "name",
        "next_id",
        "number",
        "player",
        "refused",
        "waiting",
    )

    def __init__(self, player: str, name: str) -> None:
        self.player = player
        self.name = name
        self.number = 0
        self.next_id = 1
        self.floor = 1
        self.client: C | None = None
        self.in_log = 0
        self.waiting: deque[int] = deque()
        self.refused: dict[int, Nack] = {}
        self.left_ms = LoopMs(0)
        self._position_known = True

    @property
    def is_unused(self) -> bool:
        """Whether no action was taken or refused, so that there is nothing to remember."""
        return not (self.in_log or self.waiting or self.refused)

    def come_back(self) -> None:
        """The client goes on with the session on another connection."""
        self._position_known = False

    def status_of(self, action_id: int, prev: int | None) -> IdStatus:
        """The status of an id; ``prev`` is the newest id before it to which its client has no answer."""
        if not self._position_known:
            self._position_known = True  # even if the action cannot be taken now: later ones must not pass it
            self.floor = action_id
            self.next_id = max(self.next_id, action_id)
        next_id = self.next_id
        if action_id < next_id:
            if action_id in self.refused:
                return IdStatus.REFUSED
            # From the newest: a client that resends does so soon.
            return IdStatus.WAITING if action_id in self.waiting else IdStatus.IN_LOG
        before = action_id - 1 if prev is None else prev
        return IdStatus.NEXT if before < next_id else IdStatus.AHEAD

    def is_full(self, action_id: int, window: int) -> bool:
        """Whether too many ids are undecided to take this one as well."""
        return bool(self.waiting) and action_id - self.waiting[0] >= window

    def take(self, action_id: int) -> None:
        """The next id waits for the log from now on."""
        self.waiting.append(action_id)
        self._advance(action_id + 1)

    def refuse(self, nack: Nack, window: int) -> None:
        """Refuse the next id for good, and forget refusals that are too old to be asked for again."""
        self.refused[nack.id] = nack
        self._advance(nack.id + 1)
        oldest = (self.waiting[0] if self.waiting else nack.id + 1) - window
        while self.refused and (first := next(iter(self.refused))) < oldest:
            del self.refused[first]

    def confirm(self, action_id: int) -> None:
        """The first id that waits is in the log."""
        first = self.waiting.popleft()
        assert first == action_id, (first, action_id)  # noqa: S101 - the log keeps the order
        self.in_log = max(self.in_log, action_id)

    def refuse_waiting(self, nack: Nack) -> None:
        """The log refuses an id that waits: it is used up, and those after it go on."""
        self.waiting.remove(nack.id)
        self.refused = dict(sorted([*self.refused.items(), (nack.id, nack)]))

    def go_back(self, action_id: int) -> None:
        """The log took neither this id nor any after it."""
        while self.waiting and self.waiting[-1] >= action_id:
            self.waiting.pop()
        self._advance(max(action_id, self.floor))

    def _advance(self, next_id: int) -> None:
        while next_id in self.refused:
            next_id += 1
        self.next_id = next_id
