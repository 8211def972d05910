"""The outbox port: records of presence that wait to be written to the log.

The step that makes a room occupied or empty, or a player come or leave, also puts a record into the outbox. A worker
takes the oldest, appends them to the log, and says so; then they are removed.

Rules that each implementation keeps:

1. A record stays until it `was written`; so one may be taken twice, by another worker too.
2. Records of a room are taken in the order of their ``seq``, and all before a record is taken were taken before.
3. The outbox is bounded. If it is full the oldest are dropped, and counted, and each of their rooms gets a record
   ``room_state``, once less waits.
4. Each occupied room gets a record ``room_state`` once per ``room_state_s``.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from touchline_protocol.presence.records import PresenceRecord


class Waiting(NamedTuple):
    """A record that waits, and which part of the outbox it is from."""

    part: int
    record: PresenceRecord


class Taken(NamedTuple):
    """The oldest waiting records, and how many were dropped since somebody was told before."""

    waiting: Sequence[Waiting]
    dropped: int = 0


class Outbox(Protocol):
    """Records that wait to be written. One object belongs to one worker."""

    async def take(self, written: Sequence[Waiting] = ()) -> Taken:
        """Remove those that are in the log by now, and take the next. They are left to this worker for a while.

        Raises:
            StoreUnavailable: the store did not answer. ``written`` may have been removed or not: name them again.
            StoreRefused: the store refuses until an operator has changed something.
        """

    async def leave(self, written: Sequence[Waiting] = ()) -> None:
        """Remove those that are in the log by now, and leave the others to other workers.

        Raises:
            StoreUnavailable: the store did not answer. They are left to others after a while.
            StoreRefused: the store refuses until an operator has changed something.
        """
