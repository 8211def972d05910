"""Where to continue in a partition: from what was committed, what is still remembered of it, and what the log holds.

Pure: it is given offsets and returns one.
"""

from typing import Any, NamedTuple

from .delivery import Partition


class Bounds(NamedTuple):
    """What Kafka says of a partition: the group's committed offset if any, the log's first offset and its next one."""

    committed: int | None
    begin: int
    end: int


class Start(NamedTuple):
    """Continue at ``offset``. If ``remembered``, what came before it is still known and need not be read back.

    ``problem`` says, for an operator, why it is not where the group stopped; empty if it is.
    """

    offset: int
    remembered: bool
    problem: str = ""


def start_of(bounds: Bounds, kept: Partition[Any] | None) -> Start:
    """Where to continue in a partition that was assigned. ``kept`` is how we read it last, if that was not long ago.

    A partition without a commit was added after the group began, so all of it is new.
    """
    wanted, remembered = _where_it_stopped(bounds.committed, kept)
    if wanted is None:
        recreated = kept is not None and kept.committed is not None
        return Start(bounds.begin, False, "the topic was created again: reading all of it" if recreated else "")
    if wanted > bounds.end:
        problem = (
            f"its log ends at {bounds.end}, before {wanted} where reading stopped, so the topic was created again: "
            "reading all of it"
        )
        return Start(bounds.begin, False, problem)
    if wanted < bounds.begin:
        gone = bounds.begin - wanted
        return Start(bounds.begin, remembered, f"retention deleted up to {gone} records before they were read")
    return Start(wanted, remembered)


def _where_it_stopped(committed: int | None, kept: Partition[Any] | None) -> tuple[int | None, bool]:
    """The offset, and whether ``kept`` remembers what came before it.

    Where we are further than the commit, since Kafka took us for dead before we could commit, we continue at our own
    place: nobody has committed anything beyond it.
    """
    if kept is None:
        return committed, False
    if committed is None:
        return (None, False) if kept.committed is not None else (kept.done, kept.remembers)
    return (kept.done, kept.remembers) if kept.done >= committed else (committed, False)
