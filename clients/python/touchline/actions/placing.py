"""Where to go on in a partition: from what was committed, what is still remembered of it, and what the log holds.

Pure: handed offsets, hands back an offset.
"""

from typing import NamedTuple

from .handout import Partition


class Bounds(NamedTuple):
    """What Kafka says of a partition: the group's committed offset if there is one, the log's first and next offset."""

    committed: int | None
    begin: int
    end: int


class Start(NamedTuple):
    """Go on at ``offset``. ``remembered``: what was seen before it is known still, so it need not be read back.

    ``problem`` says, for an operator, why it is not where the group stopped; empty if it is.
    """

    offset: int
    remembered: bool
    problem: str = ""


def start_of(bounds: Bounds, kept: Partition | None) -> Start:
    """Where to go on in a partition that was assigned. ``kept`` is how we read it last, if that was not long ago.

    A partition without a commit was added after the group began, so all of it is new.
    """
    wanted, remembered = _where_it_stopped(bounds.committed, kept)
    if wanted is None:
        anew = kept is not None and kept.committed is not None
        return Start(bounds.begin, False, "the topic was made anew: reading all of it" if anew else "")
    if wanted > bounds.end:
        problem = (
            f"its log ends at {bounds.end}, before {wanted} where reading stopped: it was made anew, reading all of it"
        )
        return Start(bounds.begin, False, problem)
    if wanted < bounds.begin:
        gone = bounds.begin - wanted
        return Start(bounds.begin, remembered, f"up to {gone} records were deleted by retention before they were read")
    return Start(wanted, remembered)


def _where_it_stopped(committed: int | None, kept: Partition | None) -> tuple[int | None, bool]:
    """The offset, and whether ``kept`` remembers what is before it.

    Where we are further than the commit, since Kafka took us for dead before we could commit, we go on at our own
    place: nobody has committed anything beyond it.
    """
    if kept is None:
        return committed, False
    if committed is None:
        return (None, False) if kept.committed is not None else (kept.done, kept.remembers)
    return (kept.done, kept.remembers) if kept.done >= committed else (committed, False)
