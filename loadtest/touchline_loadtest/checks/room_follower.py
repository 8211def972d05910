"""A client's side of one room: it makes items of the server's messages, checks them, and writes the trace. Pure.

Clients of tests and load tests use it instead of keeping cursors of their own. It may know the messages, but no
transport; `live_check.py` has the rules.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.live_check import LiveCheck
from touchline_loadtest.checks.trace import Asked, Gap, Item, Joined, Received, Refused, Skipped, TraceSink
from touchline_loadtest.checks.values import value_of
from touchline_protocol import messages
from touchline_protocol.codes import UNAVAILABLE
from touchline_protocol.messages import RoomRequest, ServerMessage

ValueOf: TypeAlias = Callable[[messages.Event], int]
"""The value of an event, by which the log and all clients know it."""


def digest(event: messages.Event) -> int:
    """The value of an event whose run has not given it a number."""
    return value_of(event.key, event.data, event.ts)


class RoomFollower:
    """One room of one client, over all of its connections.

    ``after`` is the cursor that the client begins with; ``restarts`` as in `LiveCheck`.
    ``now_ms`` is the clock, in Unix milliseconds; without it, times in the trace are 0.
    """

    def __init__(
        self,
        trace: TraceSink,
        value_of: ValueOf = digest,
        *,
        after: tuple[str, int] | None = None,
        restarts: bool = False,
        now_ms: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.trace = trace
        self._now_ms = now_ms
        self.live = LiveCheck(trace.client, trace.room, trace.deliver, after=after, restarts=restarts)
        self._value_of = value_of
        self._presented = after

    def request(self) -> RoomRequest:
        """What to subscribe with, on a new connection or again."""
        self.ask(self.live.cursor)
        return self.live.request()

    def ask(self, cursor: tuple[str, int] | None, *, prompt: bool = True) -> None:
        """Note that the client asks to join with this cursor. ``prompt`` as in `Asked`."""
        self.present(cursor)
        self.trace.add(Asked(self._now_ms(), prompt))

    def present(self, cursor: tuple[str, int] | None) -> None:
        """Note the cursor that a connection presents, for a client that keeps it by itself."""
        self.live.joined = False
        self._presented = cursor

    def receive(self, message: ServerMessage) -> Breach | None:
        """Process a message of the room; returns what is wrong with it. After a gap the client has to reconnect."""
        item = self._item(message)
        if item is None:
            return None
        if isinstance(item, Received) and self.live.is_gap(item):
            item = Gap(item.prev, self.live.covered)
        self.trace.add(item)
        breach = self.live.take(item)
        if isinstance(message, messages.Subscribed) and breach is None:
            for text in _contradictions(message):
                return Breach("wrong_join", self.trace.client, f"{text}: {message}", self.trace.room, message.head)
        return breach

    def _item(self, message: ServerMessage) -> Item | None:
        match message:
            case messages.Event():
                return self._received(message)
            case messages.Subscribed():
                state = {event.key: self._value_of(event) for event in message.state if event.key is not None}
                return Joined(
                    message.epoch,
                    message.head,
                    message.recovered,
                    state,
                    None if self.live.joined else self._presented,
                    message.state_complete,
                    live=self.live.joined,
                    recent=tuple((event.offset, self._value_of(event)) for event in message.recent),
                    at_ms=self._now_ms(),
                    place=message.after,
                )
            case messages.Skipped():
                return Skipped(message.from_, message.to, message.count, self._now_ms())
            case messages.Error() if message.code != UNAVAILABLE.code:
                return Refused(message.code, self._now_ms())
        return None

    def _received(self, event: messages.Event) -> Received:
        epoch = event.epoch or self.live.epoch or ""
        removal = event.key is not None and event.data is None
        return Received(epoch, event.offset, event.prev, self._value_of(event), event.key, removal)


def _contradictions(joined: messages.Subscribed) -> Iterator[str]:
    """Where an answer contradicts itself."""
    if joined.recovered and joined.state:
        yield "recovered, but with a state"
    if joined.after is not None and (joined.recovered or joined.after > joined.head):
        yield "a place in another log that does not fit"
    if any(event.offset > joined.head for event in (*joined.state, *joined.recent)):
        yield "an event of the state is beyond the head"
    if len({event.key for event in joined.state}) != len(joined.state):
        yield "a key is in the state twice"
    offsets = [event.offset for event in joined.recent]
    if offsets != sorted(set(offsets)):
        yield "the recent events are not in order"
