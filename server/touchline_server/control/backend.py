"""What the control plane needs of the server, and the shapes in which it gets it. The node implements it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from touchline_server.core.log import Position
from touchline_server.new_events import NewEvent


class StateEvent(NamedTuple):
    """The newest event of a key. ``ts`` is Unix milliseconds, ``value`` its JSON as it was published."""

    key: str
    offset: int
    ts: int
    value: bytes


class RoomState(NamedTuple):
    """A room as it is now: its newest offset, the newest event of every key, and how many connections are in it."""

    epoch: str
    head: int
    state: Sequence[StateEvent]
    viewers: int


class ControlBackend(Protocol):
    """The server, as seen from the control plane. Rooms are names whose feed the server has."""

    def problems(self) -> Mapping[str, str]:
        """Why the server is not ready, in words for an operator, by what it concerns. Empty when it is."""

    async def publish(self, room: str, events: Sequence[NewEvent]) -> Sequence[Position]:
        """Append events to a room, in order; returns where they are once they are durable.

        Raises:
            AppendFailed: not all are in the log for sure; it says which are.
            OperatorError: none is, as when the feed's topic does not exist.
        """

    def room_state(self, room: str) -> RoomState | None:
        """What is known of a room; None where nothing is.

        Raises:
            OperatorError: it cannot be told now, as before the log was read.
        """
