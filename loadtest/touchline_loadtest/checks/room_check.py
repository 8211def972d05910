"""Checks what one client receives of a room over all of its connections, and keeps the cursor to resume with.

Unlike `OrderCheck`, which sees a single connection at full speed, this check also handles `skipped`, resumes, starts
over when the server does not honour its cursor, and keeps the room's state.
"""

import msgspec

from touchline_protocol.messages import Deliver, RoomRequest

from .order_check import HARMLESS, RoomMessage


class _StateMessage(RoomMessage):
    """The additional fields that are needed to keep a cursor and the state."""

    to: int = -1
    count: int = 0
    key: str | None = None
    state: list["_StateMessage"] = msgspec.field(default_factory=list)


_DECODER = msgspec.json.Decoder(_StateMessage)


class RoomCheck:
    """One client in one room.

    ``newest`` maps each key to the time at which its newest event was due; None stands for all events without a key.
    ``latencies_ns`` has how late each event was. ``reached_ns`` is when the client first had an event at or after the
    offset ``goal``.
    """

    __slots__ = (
        "_covered",
        "deliver",
        "epoch",
        "events",
        "gaps",
        "goal",
        "joined",
        "last",
        "latencies_ns",
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
        self.latencies_ns: list[int] = []
        self.goal: int | None = None
        self.reached_ns: int | None = None
        self.epoch = ""
        self.last = -1
        self._covered = -1

    def request(self) -> RoomRequest:
        """What to subscribe with on a new connection, with a cursor if there is one."""
        self.joined = False
        after = self.last if self.epoch else None
        return RoomRequest(room=self.room, epoch=self.epoch or None, after=after, deliver=self.deliver)

    def receive(self, payload: bytes, now_ns: int) -> None:
        """Check a message that arrived at ``now_ns`` of the monotonic clock."""
        message = _DECODER.decode(payload)
        if message.type == "event":
            self._event(message, now_ns)
        elif message.type == "skipped":
            self.skipped += message.count
            self._covered = max(self._covered, message.to)
        elif message.type == "subscribed":
            self._subscribed(message)
        elif message.type not in HARMLESS:
            self.unexpected.append(payload.decode(errors="replace")[:200])

    def _subscribed(self, message: _StateMessage) -> None:
        self.joined = True
        if message.recovered:
            self.resumed += 1
            self.epoch = message.epoch
            self._covered = self.last
            return
        if self.epoch:
            self.started_over += 1
        self.epoch = message.epoch
        self.last = self._covered = message.head
        self.newest = {event.key: event.data.due for event in message.state if event.data is not None}

    def _event(self, message: _StateMessage, now_ns: int) -> None:
        self.events += 1
        if message.offset <= self.last:
            self.repeats += 1
            return
        if message.prev is not None and message.prev > self._covered:
            self.gaps += 1
        self.last = message.offset
        self.epoch = message.epoch or self.epoch
        self._covered = max(self._covered, message.offset)
        if message.data is not None:
            self.newest[message.key] = message.data.due
            self.latencies_ns.append(now_ns - message.data.due)
        if self.goal is not None and self.reached_ns is None and self.last >= self.goal:
            self.reached_ns = now_ns
