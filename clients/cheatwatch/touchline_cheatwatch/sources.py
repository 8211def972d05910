"""What the service reads and writes, as small interfaces. Behind them is Kafka, or a log in the same process.

Actions come from `touchline.actions.ActionSource`.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from touchline_protocol.verdicts import VerdictRecord

from .rooms import Event
from .types import Decision


class RoomEvent(NamedTuple):
    """An event of a room. ``complete``: the source has handed out all of that log since its beginning."""

    room: str
    event: Event
    complete: bool


class EventsLost(NamedTuple):
    """Events were missed, or the log is a different one."""


class EventSource(Protocol):
    """The events of all rooms of some feeds."""

    @property
    def known_s(self) -> float | None:
        """All events up to this time (of `time.monotonic`) were handed out; None if older ones are still being read."""

    async def poll(self) -> Sequence[RoomEvent | EventsLost]:
        """Wait a moment for the next events; there may be none. Each room's events are in order."""


class VerdictLog(Protocol):
    """The verdicts of all players: the current ones, those that follow, and a way to write more."""

    async def current(self) -> Sequence[tuple[str, VerdictRecord]]:
        """The current verdicts with their players, in order. Call this once, before `poll`."""

    async def poll(self) -> Sequence[tuple[str, VerdictRecord]]:
        """Wait a moment for the next ones; there may be none. They include what was written here."""

    async def write(self, verdicts: Sequence[Decision]) -> None:
        """Write verdicts in order; returns when they are durable.

        Raises:
            RecordsRefused: the log refuses some of them for good; it has the others.
            OperatorError: they cannot be written.
        """
