"""Where to continue in a partition: from what was committed, what is still remembered of it, and what the log holds.

Pure: it is given offsets and leader epochs, and returns an offset. Its rules:

1. Nothing is lost: where the log is not the one that was read, reading goes back to where the two diverge, or to the
   log's beginning if nobody knows where that is. So a record may be handed out twice, but none is left out.
2. The memory of a partition's records counts only as long as the log holds them.
"""

from typing import Any, NamedTuple

from touchline_kafka.leader_epochs import EpochEnd, divergence

from .delivery import Partition
from .log_mark import LogMark


class Bounds(NamedTuple):
    """What Kafka says of a partition: the group's committed offset if any, the log's first offset and its next one.

    ``mark`` was committed with the offset. ``topic_id`` and ``leader_epoch`` are those of now.
    """

    committed: int | None
    begin: int
    end: int
    mark: LogMark | None = None
    topic_id: str = ""
    leader_epoch: int = -1


class Stop(NamedTuple):
    """Where reading stopped, and the log that was read then.

    ``offset`` is None if nothing was read before. If ``remembered``, what came before it is still known.
    """

    offset: int | None
    remembered: bool
    mark: LogMark | None
    problem: str = ""


class Start(NamedTuple):
    """Continue at ``offset``. If ``remembered``, what came before it is still known and need not be read back.

    ``problem`` says, for an operator, why it is not where the group stopped; empty if it is.
    """

    offset: int
    remembered: bool
    problem: str = ""


def stop_of(bounds: Bounds, kept: Partition[Any] | None) -> Stop:
    """Where reading stopped in a partition. ``kept`` is how we read it last, if that was not long ago.

    Where we are further than the commit, since Kafka took us for dead before we could commit, we continue at our own
    offset: nobody has committed anything beyond it. A commit that Kafka had confirmed and that went back is another
    matter: the broker has lost it, and with it perhaps what was read.
    """
    committed = bounds.committed
    if kept is None:
        return Stop(committed, False, bounds.mark)
    if committed is None:
        if kept.committed is not None:
            return Stop(None, False, None, "its commit is gone, so the topic was created again: reading all of it")
        return Stop(kept.done, kept.remembers, kept.mark)
    if kept.committed is not None and committed < kept.committed:
        problem = f"the group's committed offset went back from {kept.committed} to {committed}: reading from there"
        return Stop(committed, False, bounds.mark, problem)
    if kept.done >= committed:
        return Stop(kept.done, kept.remembers, kept.mark)
    return Stop(committed, False, bounds.mark)


def start_of(bounds: Bounds, stop: Stop, end: EpochEnd | None = None) -> Start:
    """Where to continue. ``end`` is where the epoch of the stop's mark ends in the log, if Kafka was asked.

    A partition without a commit was added after the group began, so all of it is new.
    """
    wanted, mark = stop.offset, stop.mark
    if wanted is None:
        return Start(bounds.begin, False, stop.problem)
    if mark is not None and mark.topic_id != bounds.topic_id:
        return Start(bounds.begin, False, "the topic was created again: reading all of it")
    lost_from = divergence(mark.entry, end, wanted) if mark is not None and end is not None else None
    if lost_from is not None:
        again_from = max(lost_from, bounds.begin)
        problem = (
            f"its log was cut back and has lost what it held from offset {again_from} on, of which records up to "
            f"{wanted} had been read: reading again from there"
        )
        return Start(again_from, False, problem)
    if wanted > bounds.end and end is None:
        problem = (
            f"its log ends at {bounds.end}, before {wanted} where reading stopped, so the topic was created again: "
            "reading all of it"
        )
        return Start(bounds.begin, False, problem)
    if wanted < bounds.begin:
        gone = bounds.begin - wanted
        return Start(bounds.begin, stop.remembered, f"retention deleted up to {gone} records before they were read")
    return Start(wanted, stop.remembered, stop.problem)
