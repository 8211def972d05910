"""What a sampled client checks of every frame: the order of a room's events, that none is missing, and how late it was.

Pure: payloads and times in, findings out. The rule is the protocol's own: a gap is a ``prev`` that is greater than the
last offset that was seen.
"""

import msgspec

from .wire import Due


class Seen(msgspec.Struct):
    """The least of a server's message that can be checked."""

    type: str
    offset: int = -1
    prev: int | None = None
    head: int = -1
    epoch: str = ""
    recovered: bool = False
    data: Due | None = None


_DECODER = msgspec.json.Decoder(Seen)

HARMLESS = frozenset({"welcome", "beat", "unsubscribed"})
"""Messages that say nothing of the room's events. Besides these only `subscribed` and events are expected."""


class OrderCheck:
    """The check of one client in one room. ``after`` is the cursor that it asks with."""

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

    def take(self, payload: bytes, now_ns: int) -> None:
        """Look at a message that came at ``now_ns`` of the monotonic clock."""
        seen = _DECODER.decode(payload)
        if seen.type == "event":
            self._event(seen, now_ns)
        elif seen.type == "subscribed" and not self.joined:
            self.joined = True
            self.epoch = seen.epoch
            self.last = self._after if seen.recovered and self._after is not None else seen.head
        elif seen.type not in HARMLESS:
            self.unexpected.append(payload.decode(errors="replace")[:200])

    def _event(self, seen: Seen, now_ns: int) -> None:
        self.events += 1
        if seen.offset <= self.last:
            self.repeats += 1
            return
        if seen.prev is not None and seen.prev > self.last:
            self.gaps += 1
        elif seen.prev is not None and seen.prev < self.last:
            self.repeats += 1  # the server names a place before one that it has sent already
        self.last = seen.offset
        if seen.data is not None:
            self.latencies_ns.append(now_ns - seen.data.due)
