"""Checks what a measured client receives of a room, and how late each event was. Pure.

It reads the values of `wire/event_values.py`, whose number is the time at which they were due. It decodes no more of a
message than that takes, because the clients share a core with the publisher. `live_check.py` has the rules.
"""

from collections.abc import Mapping

import msgspec

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.live_check import LiveCheck
from touchline_loadtest.checks.trace import Item, Joined, Received, Skipped
from touchline_loadtest.wire.event_values import Due
from touchline_protocol.messages import Deliver, RoomRequest


class _RoomMessage(msgspec.Struct, rename={"from_": "from"}):
    """The fields of a server message that are needed to check it; the decoder skips all others."""

    type: str
    offset: int = -1
    prev: int | None = None
    head: int = -1
    after: int | None = None
    epoch: str = ""
    recovered: bool = False
    from_: int = -1
    to: int = -1
    count: int = 0
    key: str | None = None
    data: Due | None = None
    state: list["_RoomMessage"] = []


_DECODER = msgspec.json.Decoder(_RoomMessage)

HARMLESS = frozenset({"welcome", "beat", "unsubscribed", "replayed"})
"""Message types that say nothing about a room's events."""


class RoomCheck:
    """One client in one room, over all of its connections.

    ``reached_ns`` is when the client first had an event at or after the offset ``goal``.
    """

    __slots__ = (
        "_without_key",
        "breaches",
        "events",
        "goal",
        "latencies_ns",
        "live",
        "reached_ns",
        "resumed",
        "skipped",
        "unexpected",
    )

    def __init__(self, request: RoomRequest) -> None:
        after = None if request.epoch is None or request.after is None else (request.epoch, request.after)
        self.live = LiveCheck("a measured client", request.room, request.deliver or "all", after=after)
        self.events = 0
        self.skipped = 0
        self.resumed = 0
        self.breaches: list[Breach] = []
        self.unexpected: list[str] = []
        self.latencies_ns: list[int] = []
        self._without_key: int | None = None
        self.goal: int | None = None
        self.reached_ns: int | None = None

    @property
    def newest(self) -> Mapping[str | None, int]:
        """When the newest event of each key was due; None stands for all events without a key."""
        newest: dict[str | None, int] = dict(self.live.state.items())
        if self._without_key is not None:
            newest[None] = self._without_key
        return newest

    @property
    def joined(self) -> bool:
        """Whether the server has answered the last request."""
        return self.live.joined

    @property
    def deliver(self) -> Deliver:
        """What the client asked for."""
        return self.live.deliver

    def receive(self, payload: bytes, now_ns: int) -> None:
        """Check a message that arrived at ``now_ns`` of the monotonic clock."""
        message = _DECODER.decode(payload)
        if message.type == "event":
            self._event(message, now_ns)
        elif message.type == "subscribed":
            self.resumed += message.recovered
            state = {event.key: event.data.due for event in message.state if event.key is not None and event.data}
            cursor, place = self.live.cursor, message.after
            self._take(Joined(message.epoch, message.head, message.recovered, state, cursor, place=place))
        elif message.type == "skipped":
            self.skipped += message.count
            self._take(Skipped(message.from_, message.to, message.count))
        elif message.type not in HARMLESS:
            self.unexpected.append(payload.decode(errors="replace")[:200])

    def _event(self, message: _RoomMessage, now_ns: int) -> None:
        self.events += 1
        offset, data = message.offset, message.data
        due_ns = 0 if data is None else data.due
        epoch = message.epoch or self.live.epoch or ""
        if not self._take(Received(epoch, offset, message.prev, due_ns, message.key, data is None)) or data is None:
            return
        self.latencies_ns.append(now_ns - due_ns)
        if message.key is None:
            self._without_key = due_ns
        if self.goal is not None and self.reached_ns is None and offset >= self.goal:
            self.reached_ns = now_ns

    def _take(self, item: Item) -> bool:
        breach = self.live.take(item)
        if breach is not None:
            self.breaches.append(breach)
        return breach is None
