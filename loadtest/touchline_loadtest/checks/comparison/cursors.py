"""Which cursors a server has to honour, and where a client may be. Pure."""

from collections.abc import Callable
from typing import TypeAlias

from touchline_loadtest.checks.partition_log import LogId, PartitionLog
from touchline_loadtest.checks.room_log import RoomLog
from touchline_loadtest.checks.trace import Joined

LogOf: TypeAlias = Callable[[str], LogId | None]
"""Which partition an epoch stands for, None if nobody knows: `EpochNames.log`, or the ``get`` of a dictionary."""


def may_start_over(room: RoomLog, log_of: LogOf, joined: Joined, epoch: str, offset: int, since: int) -> bool:
    """Whether the cursor could not be honoured, or nobody knows.

    ``since`` is where the client joined: a server counts from there how far it goes back for a client that stays.
    """
    if room.facts.lossy or room.facts.restarts:
        return True
    if (
        room.facts.reach is not None
        and joined.head - (min(since, offset) if joined.live else offset) > room.facts.reach
    ):
        return True
    before, after = log_of(epoch), log_of(joined.epoch)
    if before is None:
        return room.has_other_logs or any(room.starts.by(log, joined.at_ms) > offset + 1 for log in room.parts)
    if before != after and room.has_other_logs:
        return True
    return room.has_moved(before) or room.starts.by(before, joined.at_ms) > offset + 1


def adds_state(joined: Joined, part: PartitionLog | None, epoch: str | None, offset: int) -> bool:
    """Whether a client that stays at a cursor gets a complete state, and loses no event by it.

    ``part`` is None if nobody knows which partition the epoch stands for.
    """
    if not (joined.live and joined.complete):
        return False
    if part is None:
        return (joined.epoch, joined.head) == (epoch, offset)
    first = part.behind(offset)
    return first == len(part) or part.offset_at(first) > joined.head


def passes_no_event(part: PartitionLog | None, log: LogId | None, other: LogId | None, cursor: int, after: int) -> bool:
    """Whether ``after`` is further on in the same log than a cursor, with no event of the room in between."""
    if log is None or log != other or after <= cursor:
        return False
    return part is None or part.behind(after) == part.behind(cursor)


def is_prev(room: RoomLog, log: LogId, index: int, prev: int) -> bool:
    """Whether an event, the one with this index in its log, may say that it follows ``prev``."""
    before = room.parts[log].offset_at(index - 1) if index else None
    if prev == before:
        return True
    # State from before the move, or from the partition that the room has left, has an offset that no event has. And
    # compaction may have taken an event before anybody read it for the checker.
    return (room.has_moved(log) or room.facts.compacted) and (before is None or prev > before)
