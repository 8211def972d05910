"""Checks what one client sees of a room, item by item, as it arrives. Pure.

These are the rules of `protocol/README.md`, "Following a room", that need no log: a server that breaks one of them is
caught at once, at the cost of a few comparisons. They cannot tell whether the events are the right ones, nor whether
any is missing at the end: `comparison` compares the whole trace with the log.
"""

from collections import deque

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.trace import Gap, Item, Joined, Received, Refused, Skipped
from touchline_protocol.messages import Deliver, RoomRequest

RECENT_OFFSETS = 64
"""How many offsets are remembered, to tell an event that arrives twice from one that is late."""


class LiveCheck:
    """One client in one room, over all of its connections.

    ``after`` is the cursor that the client begins with. ``restarts``: the server may have reasons to start the room
    over, such as a topic that is created again.

    ``epoch`` and ``offset`` are where the client resumes; the epoch is None before the first answer. ``covered`` is the
    last offset that it has, or knows to be left out. ``state`` maps each key to the value of its newest event.
    ``joined``: the server has answered the last `request`.
    """

    __slots__ = (
        "_lacks_state",
        "_recent",
        "_restarts",
        "_resumed_with",
        "client",
        "covered",
        "deliver",
        "epoch",
        "joined",
        "offset",
        "room",
        "state",
    )

    def __init__(
        self,
        client: str,
        room: str,
        deliver: Deliver = "all",
        *,
        after: tuple[str, int] | None = None,
        restarts: bool = False,
    ) -> None:
        self.client = client
        self.room = room
        self.deliver: Deliver = deliver
        self.joined = False
        self.state: dict[str, int] = {}
        self.epoch: str | None
        self.epoch, self.offset = after or (None, -1)
        self._resumed_with: tuple[str, int] | None = None  # by a resume since which it has received nothing
        self._restarts = restarts
        self._lacks_state = False  # or may lack some of it
        self._recent: deque[int] = deque(maxlen=RECENT_OFFSETS)
        self.covered = self.offset

    @property
    def cursor(self) -> tuple[str, int] | None:
        """Where the client resumes: an epoch and an offset."""
        return None if self.epoch is None else (self.epoch, self.offset)

    def request(self) -> RoomRequest:
        """What to subscribe with, on a new connection or again. The server has to answer with ``subscribed``."""
        self.joined = False
        epoch, after = self.cursor or (None, None)
        return RoomRequest(room=self.room, epoch=epoch, after=after, deliver=self.deliver)

    def is_gap(self, event: Received) -> bool:
        """Whether the server has left out an event before this one. A client that finds a gap should reconnect."""
        return event.prev is not None and event.offset > self.offset and event.prev > self.covered

    def take(self, item: Item) -> Breach | None:
        """The next item that the client sees; returns what is wrong with it.

        A repeated event is ignored, as clients have to do. After a gap, the check continues behind it.
        """
        epoch, offset = self.epoch, self.offset
        match item:
            case Received():
                kind = self._receive(item)
            case Joined():
                kind = self._join(item)
            case Skipped():
                kind = self._skip(item)
            case Gap():
                kind = "gap"
            case Refused():
                kind = "refused"
            case _:
                kind = None
        if kind is None:
            return None
        return Breach(kind, self.client, f"{item} after {epoch}/{offset}", self.room, _offset_of(item))

    def _receive(self, event: Received) -> str | None:
        kind = self._misplaced(event)
        if event.offset <= self.offset and self.joined:
            return kind
        self._resumed_with = None
        self.epoch = event.epoch
        self.offset = event.offset
        self.covered = max(self.covered, event.offset)
        self._recent.append(event.offset)
        if event.key is None:
            return kind
        if event.removal:
            self.state.pop(event.key, None)
        else:
            self.state[event.key] = event.value
        return kind

    def _misplaced(self, event: Received) -> str | None:
        if not self.joined:
            return "before_joined"
        if event.offset <= self.offset:
            return "doubled" if event.offset in self._recent else "reordered"
        if event.prev is None:
            return None
        if event.prev > self.covered:
            return "missing"
        # The head of a join may be beyond the room's newest event, so only events show what ``prev`` has to be.
        return "wrong_prev" if self._recent and event.prev < self._recent[-1] else None

    def _join(self, joined: Joined) -> str | None:
        if joined.recovered:
            return self._resume(joined)
        kind = None
        if self.epoch is not None and not self._restarts and not self._completes(joined):
            kind = "lost_cursor"
        self._lacks_state = not joined.complete
        self.joined = True
        self.epoch = joined.epoch
        self.offset = self.covered = joined.head if joined.place is None else joined.place
        self._recent.clear()
        self.state = dict(joined.state)
        return kind

    def _completes(self, joined: Joined) -> bool:
        """Whether the server only adds what was missing in the state, to a client that stays. The log says more."""
        stays = self.joined and joined.epoch == self.epoch and joined.head >= self.offset
        return stays and self._lacks_state and joined.complete

    def _resume(self, joined: Joined) -> str | None:
        self._lacks_state = True
        elsewhere = self.joined or self.epoch is None or joined.after not in (None, self.cursor, self._resumed_with)
        self._resumed_with = joined.after  # the id that an event stream keeps
        self.joined = True
        self.epoch = joined.epoch
        self.covered = self.offset
        return "resumed_elsewhere" if elsewhere else None

    def _skip(self, skipped: Skipped) -> str | None:
        self.covered = max(self.covered, skipped.last)
        if not self.joined:
            return "before_joined"
        wanted = self.deliver == "all" and skipped.left_out > 0
        return "wrong_skip" if wanted or skipped.first > skipped.last or skipped.left_out < 0 else None


def _offset_of(item: Item) -> int | None:
    match item:
        case Received():
            return item.offset
        case Joined():
            return item.head
        case Skipped():
            return item.first
        case Gap():
            return item.prev
        case _:
            return None
