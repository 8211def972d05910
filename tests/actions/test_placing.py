"""Where a partition is gone on with."""

import pytest

from touchline.actions.handout import Partition
from touchline.actions.placing import Bounds, start_of
from touchline.actions.seen import Seen


def kept(done: int, committed: int | None, *, reached: int | None = None) -> Partition:
    partition = Partition(0, read_from=0, hand_from=done, seen=Seen(1000))
    partition.reached = done if reached is None else reached
    partition.done, partition.committed = done, committed
    return partition


@pytest.mark.parametrize(
    ("bounds", "read_before", "offset", "remembered", "problem"),
    [
        (Bounds(50, 10, 90), None, 50, False, ""),
        (Bounds(90, 10, 90), None, 90, False, ""),
        (Bounds(10, 10, 90), None, 10, False, ""),
        (Bounds(None, 0, 90), None, 0, False, ""),
        (Bounds(5, 10, 90), None, 10, False, "up to 5 records were deleted"),
        (Bounds(91, 0, 90), None, 0, False, "made anew"),
        (Bounds(50, 10, 90), kept(50, 50), 50, True, ""),
        (Bounds(50, 10, 90), kept(70, 50), 70, True, ""),
        (Bounds(60, 10, 90), kept(50, 50), 60, False, ""),
        (Bounds(50, 10, 90), kept(50, 50, reached=49), 50, False, ""),
        (Bounds(None, 0, 90), kept(20, None), 20, True, ""),
        (Bounds(None, 0, 90), kept(20, None, reached=19), 20, False, ""),
        (Bounds(None, 0, 90), kept(20, 20), 0, False, "made anew"),
        (Bounds(5, 10, 90), kept(5, 5), 10, True, "up to 5 records were deleted"),
        (Bounds(50, 0, 40), kept(50, 50), 0, False, "made anew"),
    ],
)
def test_where_to_go_on(
    bounds: Bounds, read_before: Partition | None, offset: int, remembered: bool, problem: str
) -> None:
    start = start_of(bounds, read_before)
    assert (start.offset, start.remembered) == (offset, remembered)
    assert problem in start.problem
    assert bool(problem) == bool(start.problem)
