"""Whether a client that went on in another log has its place there. Pure.

A mirror has the events of the log before at other offsets, in their order, and may lack the newest. The place is right
if it is just behind the last event that the client has: with one further on, events are missing, and with one before
it, the client gets events twice. A room that moved to another partition has none of the old events there; its place is
right if the client had all of the old partition.

Events are told apart by their values, and removals have none: one shows nothing by itself, and is only the same in both
logs if it follows the same event.
"""

from typing import NamedTuple

from touchline_loadtest.checks.partition_log import LogId, PartitionLog
from touchline_loadtest.checks.room_log import RoomLog


class WrongMove(NamedTuple):
    """What is wrong, as a kind of breach, and at which offset of the new log."""

    kind: str
    text: str
    offset: int


def wrong_move(room: RoomLog, before: LogId | None, cursor: int, after: LogId | None, place: int) -> WrongMove | None:
    """What is wrong with going on at ``place`` in one log after having been at ``cursor`` in another."""
    old, new = (None if log is None else room.parts.get(log) for log in (before, after))
    if before is None or after is None or old is None or new is None:
        return None  # nobody has received anything there that would show which log it is
    had = {old.value_at(index): index for index in range(old.behind(cursor)) if not old[index].removal}
    common = [index for index in range(len(new)) if not new[index].removal and new.value_at(index) in had]
    begin = new.behind(place)
    if not common:
        return _wrong_without_common(room, (before, old), cursor, (after, new), begin)
    if common[-1] >= begin:
        offset = new.offset_at(next(index for index in common if index >= begin))
        return WrongMove("doubled", f"it goes on behind {place}, and has events from there on", offset)
    end = _behind_removals(old, had[new.value_at(common[-1])] + 1, old.behind(cursor), new, common[-1] + 1)
    if end < begin:
        text = f"{begin - end} events up to {place}, where it goes on in another log"
        return WrongMove("missing", text, new.offset_at(end))
    return None


def _behind_removals(old: PartitionLog, index: int, had: int, new: PartitionLog, end: int) -> int:
    """The index in the new log behind those removals that follow the last common event in the old one, too."""
    while index < had and end < len(new) and new[end].removal and old[index].removal and new[end].key == old[index].key:
        index, end = index + 1, end + 1
    return end


def _wrong_without_common(
    room: RoomLog, before: tuple[LogId, PartitionLog], cursor: int, after: tuple[LogId, PartitionLog], begin: int
) -> WrongMove | None:
    (old_id, old), (new_id, new) = before, after
    offset = new.offset_at(max(0, begin - 1)) if len(new) else -1
    if old_id[:2] != new_id[:2]:
        return WrongMove("recovered_wrongly", f"{new_id} has none of the events that it had of {old_id}", offset)
    if begin:
        return WrongMove("missing", f"{begin} events of the partition that the room moved to", new.offset_at(0))
    moved = new.order_at(0) if len(new) else 0
    left_out = [index for index in range(old.behind(cursor), len(old)) if old.order_at(index) < moved - room.facts.lag]
    if left_out:
        text = f"{len(left_out)} events of the partition that the room left, from {old.offset_at(left_out[0])} on"
        return WrongMove("missing", text, offset)
    return None
