"""A client's side of one room: it makes items of the server's messages, checks them, and writes the trace. Pure.

Clients of tests and load tests use it instead of keeping cursors of their own. It may know the messages, but no
transport; `live_check.py` has the rules.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.checks.live_check import LiveCheck
from touchline_loadtest.checks.trace import Gap, Item, Joined, Received, Refused, Skipped, Trace
from touchline_protocol import messages
from touchline_protocol.codes import UNAVAILABLE
from touchline_protocol.messages import RoomRequest, ServerMessage

NumberOf: TypeAlias = Callable[[messages.Event], int]
"""The number of an event, by which the log and all clients know it."""


class RoomFollower:
    """One room of one client, over all of its connections.

    ``after`` is the cursor that the client begins with; ``restarts`` as in `LiveCheck`.
    """

    def __init__(
        self,
        trace: Trace,
        number_of: NumberOf,
        *,
        after: tuple[str, int] | None = None,
        restarts: bool = False,
    ) -> None:
        self.trace = trace
        self.live = LiveCheck(trace.who, trace.room, trace.deliver, after=after, restarts=restarts)
        self._number_of = number_of
        self._presented = after

    def request(self) -> RoomRequest:
        """What to subscribe with, on a new connection or again."""
        self.present(self.live.cursor)
        return self.live.request()

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
                return Breach("wrong_join", f"{self.trace.who} in {self.trace.room}", f"{text}: {message}")
        return breach

    def _item(self, message: ServerMessage) -> Item | None:
        match message:
            case messages.Event():
                return self._received(message)
            case messages.Subscribed():
                state = {event.key: self._number_of(event) for event in message.state if event.key is not None}
                return Joined(
                    message.epoch, message.head, message.recovered, state, self._presented, message.state_complete
                )
            case messages.Skipped():
                return Skipped(message.from_, message.to, message.count)
            case messages.Error() if message.code != UNAVAILABLE.code:
                return Refused(message.code)
        return None

    def _received(self, event: messages.Event) -> Received:
        epoch = event.epoch or self.live.epoch or ""
        return Received(epoch, event.offset, event.prev, self._number_of(event), event.key, event.data is None)


def _contradictions(joined: messages.Subscribed) -> Iterator[str]:
    """Where an answer contradicts itself."""
    if joined.recovered and joined.state:
        yield "recovered, but with a state"
    if any(event.offset > joined.head for event in (*joined.state, *joined.recent)):
        yield "an event of the state is beyond the head"
    if len({event.key for event in joined.state}) != len(joined.state):
        yield "a key is in the state twice"
    offsets = [event.offset for event in joined.recent]
    if offsets != sorted(set(offsets)):
        yield "the recent events are not in order"
