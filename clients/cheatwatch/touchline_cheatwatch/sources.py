"""What the service reads and writes, as small interfaces: Kafka is behind them, or a log in the same process.

Actions come from `touchline.actions.ActionSource`.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from touchline_protocol.verdicts import VerdictRecord

from .rooms import Event


class RoomEvent(NamedTuple):
    """An event of a room. ``whole``: all of its log since the beginning was handed out."""

    room: str
    event: Event
    complete: bool


class EventsLost(NamedTuple):
    """Events were missed, or the log is another one."""


class EventSource(Protocol):
    """The events of all rooms of some feeds."""

    @property
    def known_ms(self) -> int:
        """All events up to this time (Unix milliseconds) were handed out."""

    async def poll(self) -> Sequence[RoomEvent | EventsLost]:
        """Wait a moment for the next events; there may be none. Each room's are in order."""


class VerdictLog(Protocol):
    """The verdicts of all players: those there are, those that come, and a way to write one."""

    async def current(self) -> Sequence[tuple[str, VerdictRecord]]:
        """Those that there are now, in order. To be called once, before `poll`."""

    async def poll(self) -> Sequence[tuple[str, VerdictRecord]]:
        """Wait a moment for the next ones; there may be none. What was written here comes too."""

    async def write(self, verdicts: Sequence[tuple[str, VerdictRecord]]) -> None:
        """Write verdicts in order; returns when they are durable."""
