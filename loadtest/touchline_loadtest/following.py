"""What a client that follows a room finds, over all of its connections: the protocol's table of what to do on what.

Unlike `checking.OrderCheck`, which sees one connection at full speed, this one keeps a cursor to come back with, takes
`skipped` and starts over, and keeps the state. Pure: payloads and times in, findings out.
"""

import msgspec

from touchline_protocol.messages import Deliver, RoomRequest

from .checking import HARMLESS, Seen


class _Told(Seen):
    """What more of a server's message has to be known to follow a room than to check it."""

    to: int = -1
    count: int = 0
    key: str | None = None
    state: list["_Told"] = msgspec.field(default_factory=list)


_DECODER = msgspec.json.Decoder(_Told)


class Following:
    """One client in one room.

    ``newest`` has the time at which the newest event of each key was due, None being all that have no key, and
    ``reached_ns`` when an event with the offset ``goal`` or a later one had come.
    """

    __slots__ = (
        "_covered",
        "_cursor",
        "_epoch",
        "deliver",
        "events",
        "gaps",
        "goal",
        "joined",
        "newest",
        "reached_ns",
        "repeats",
        "resumed",
        "room",
        "skipped",
        "started_over",
        "unexpected",
    )

    def __init__(self, room: str, deliver: Deliver = "all") -> None:
        self.room = room
        self.deliver: Deliver = deliver
        self.joined = False
        self.events = 0
        self.skipped = 0
        self.gaps = 0
        self.repeats = 0
        self.resumed = 0
        self.started_over = 0
        self.unexpected: list[str] = []
        self.newest: dict[str | None, int] = {}
        self.goal: int | None = None
        self.reached_ns: int | None = None
        self._epoch: str | None = None
        self._cursor = -1
        self._covered = -1

    @property
    def cursor(self) -> int:
        """The offset to go on from."""
        return self._cursor

    def request(self) -> RoomRequest:
        """What to subscribe with on a new connection: with a cursor where there is one."""
        self.joined = False
        after = None if self._epoch is None else self._cursor
        return RoomRequest(room=self.room, epoch=self._epoch, after=after, deliver=self.deliver)

    def take(self, payload: bytes, now_ns: int) -> None:
        """Follow the room by a message that came at ``now_ns`` of the monotonic clock."""
        told = _DECODER.decode(payload)
        if told.type == "event":
            self._event(told, now_ns)
        elif told.type == "skipped":
            self.skipped += told.count
            self._covered = max(self._covered, told.to)
        elif told.type == "subscribed":
            self._subscribed(told)
        elif told.type not in HARMLESS:
            self.unexpected.append(payload.decode(errors="replace")[:200])

    def _subscribed(self, told: _Told) -> None:
        self.joined = True
        if told.recovered:
            self.resumed += 1
            self._covered = self._cursor
            return
        if self._epoch is not None:
            self.started_over += 1
        self._epoch = told.epoch
        self._cursor = self._covered = told.head
        self.newest = {event.key: event.data.due for event in told.state if event.data is not None}

    def _event(self, told: _Told, now_ns: int) -> None:
        self.events += 1
        if told.offset <= self._cursor:
            self.repeats += 1
            return
        if told.prev is not None and told.prev > self._covered:
            self.gaps += 1
        self._cursor = told.offset
        self._covered = max(self._covered, told.offset)
        if told.data is not None:
            self.newest[told.key] = told.data.due
        if self.goal is not None and self.reached_ns is None and self._cursor >= self.goal:
            self.reached_ns = now_ns
