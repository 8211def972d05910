"""Checks the events of one room on one connection: their order, that none is missing, and how late each one was.

The rule is the protocol's own: there is a gap where ``prev`` is greater than the last offset that the client has seen.
"""

import msgspec

from touchline_loadtest.wire.event_values import Due


class RoomMessage(msgspec.Struct):
    """The fields of a server message that are needed to check it; the decoder skips all others."""

    type: str
    offset: int = -1
    prev: int | None = None
    head: int = -1
    epoch: str = ""
    recovered: bool = False
    data: Due | None = None


_DECODER = msgspec.json.Decoder(RoomMessage)

HARMLESS = frozenset({"welcome", "beat", "unsubscribed"})
"""Message types that say nothing about a room's events. Besides these, only `subscribed` and `event` are expected."""


class OrderCheck:
    """The check of one client in one room. ``after`` is the cursor that the client subscribes with."""

    __slots__ = ("_after", "epoch", "events", "gaps", "joined", "last", "latencies_ns", "repeats", "unexpected")

    def __init__(self, after: int | None = None) -> None:
        self._after = after
        self.joined = False
        self.epoch = ""
        self.last = -1
        self.events = 0
        self.gaps = 0
        self.repeats = 0
        self.unexpected: list[str] = []
        self.latencies_ns: list[int] = []

    def receive(self, payload: bytes, now_ns: int) -> None:
        """Check a message that arrived at ``now_ns`` of the monotonic clock."""
        message = _DECODER.decode(payload)
        if message.type == "event":
            self._event(message, now_ns)
        elif message.type == "subscribed" and not self.joined:
            self.joined = True
            self.epoch = message.epoch
            self.last = self._after if message.recovered and self._after is not None else message.head
        elif message.type not in HARMLESS:
            self.unexpected.append(payload.decode(errors="replace")[:200])

    def _event(self, message: RoomMessage, now_ns: int) -> None:
        self.events += 1
        if message.offset <= self.last:
            self.repeats += 1
            return
        if message.prev is not None and message.prev > self.last:
            self.gaps += 1
        elif message.prev is not None and message.prev < self.last:
            self.repeats += 1  # the server claims that this follows an event older than the last one it sent
        self.last = message.offset
        self.epoch = message.epoch or self.epoch
        if message.data is not None:
            self.latencies_ns.append(now_ns - message.data.due)
