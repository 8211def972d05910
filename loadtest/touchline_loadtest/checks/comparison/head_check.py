"""Whether a `subscribed` claims no more than the log held when it was sent. Pure."""

from touchline_loadtest.checks.partition_log import LogId, PartitionLog
from touchline_loadtest.checks.room_log import RoomLog
from touchline_loadtest.checks.trace import Joined

NOT_EVENTS_MAX = 64
"""Records behind the last event of a partition that are not events, and that a ``head`` may count: those that cannot be
read, and marks of transactions. The witness reports events alone."""


def wrong_head(room: RoomLog, log: LogId | None, joined: Joined) -> str:
    """What is wrong with ``head``. If nobody knows the log, it must be right in one of them.

    Where the end of a log was cut off, other records may have its offsets now, and nothing can be said.
    """
    if room.facts.lossy:
        return ""
    logs = [log] if log is not None else [*room.parts, *room.starts.ends]
    wrong = [_beyond_end(room, each, joined) or _ahead(room, each, joined) for each in logs]
    return wrong[0] if wrong and all(wrong) else ""


def wrong_recent(room: RoomLog, log: LogId | None, joined: Joined) -> str:
    """What is wrong with ``recent``, which has to hold the newest events up to ``head``, or fewer of them."""
    if log is None and room.facts.lossy:
        return ""
    parts = [room.parts[each] for each in ([log] if log is not None else room.parts) if each in room.parts]
    wrong = [_differs(part, joined) for part in parts or [PartitionLog()]]
    return wrong[0] if all(wrong) else ""


def _beyond_end(room: RoomLog, log: LogId, joined: Joined) -> str:
    end = room.starts.ends.get(log)
    if end is None or joined.head <= max(end, room.starts.at_end(log)) + NOT_EVENTS_MAX:
        return ""
    return f"the log ends at {end}"


def _ahead(room: RoomLog, log: LogId, joined: Joined) -> str:
    part = room.parts.get(log)
    index = 0 if part is None else part.behind(joined.head)
    if part is None or not index or not joined.at_ms:
        return ""
    if part.order_at(index - 1) <= joined.at_ms + room.facts.slack_ms:
        return ""
    return f"the client joined at {joined.at_ms:.0f}, and {part[index - 1]} came later"


def _differs(part: PartitionLog, joined: Joined) -> str:
    end = part.behind(joined.head)
    right = [(part[index].offset, part[index].value) for index in range(max(0, end - len(joined.recent)), end)]
    return "" if list(joined.recent) == right else f"{list(joined.recent)}, not {right}"
