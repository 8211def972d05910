"""Where reading a partition continues."""

import pytest

from touchline_kafka.group.delivery import Partition
from touchline_kafka.group.log_mark import LogMark
from touchline_kafka.group.start_offsets import Bounds, start_of, stop_of
from touchline_kafka.leader_epochs import UNKNOWN_EPOCH, EpochEnd, EpochEntry


class Everything:
    """A memory that takes everything for new."""

    forgotten = 0

    def is_new(self, item: object, at_ms: int) -> bool:
        return True


def kept(done: int, committed: int | None, *, reached: int | None = None) -> Partition[object]:
    partition: Partition[object] = Partition(0, read_from=0, deliver_from=done, memory=Everything())
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
        (Bounds(5, 10, 90), None, 10, False, "5 records"),
        (Bounds(91, 0, 90), None, 0, False, "created again"),
        (Bounds(50, 10, 90), kept(50, 50), 50, True, ""),
        (Bounds(50, 10, 90), kept(70, 50), 70, True, ""),
        (Bounds(60, 10, 90), kept(50, 50), 60, False, ""),
        (Bounds(50, 10, 90), kept(50, 50, reached=49), 50, False, ""),
        (Bounds(None, 0, 90), kept(20, None), 20, True, ""),
        (Bounds(None, 0, 90), kept(20, None, reached=19), 20, False, ""),
        (Bounds(None, 0, 90), kept(20, 20), 0, False, "created again"),
        (Bounds(5, 10, 90), kept(5, 5), 10, True, "5 records"),
        (Bounds(50, 0, 40), kept(50, 50), 0, False, "created again"),
    ],
)
def test_where_reading_continues(
    bounds: Bounds, read_before: Partition[object] | None, offset: int, remembered: bool, problem: str
) -> None:
    start = start_of(bounds, stop_of(bounds, read_before))
    assert (start.offset, start.remembered) == (offset, remembered)
    assert problem in start.problem
    assert bool(problem) == bool(start.problem)


MARK = LogMark("topic", EpochEntry(4, 20))


@pytest.mark.parametrize(
    ("mark", "end", "offset"),
    [
        (MARK, EpochEnd(4, 60), 50),
        (MARK, EpochEnd(4, 50), 50),
        (MARK, EpochEnd(4, 40), 40),
        (MARK, EpochEnd(3, 60), 20),
        (MARK, EpochEnd(3, 15), 15),
        (MARK, EpochEnd(3, 5), 10),
        (MARK, EpochEnd(UNKNOWN_EPOCH, -1), 10),
        (MARK._replace(topic_id="another"), None, 10),
        (None, None, 50),
    ],
)
def test_where_reading_continues_in_a_log_that_may_be_another_one(
    mark: LogMark | None, end: EpochEnd | None, offset: int
) -> None:
    bounds = Bounds(50, 10, 90, mark, "topic", 6)
    start = start_of(bounds, stop_of(bounds, None), end)
    assert start.offset == offset
    assert bool(start.problem) == (offset != 50)


def test_a_commit_that_went_back_counts() -> None:
    bounds = Bounds(30, 0, 90)
    start = start_of(bounds, stop_of(bounds, kept(50, 50)))
    assert (start.offset, start.remembered, bool(start.problem)) == (30, False, True)


@pytest.mark.parametrize(
    "text", ["", None, "any text", "[]", "7", "[" * 10_000, '{"topic_id": "t", "leader_epoch": "4"}']
)
def test_a_text_of_another_program_is_not_a_mark(text: str | None) -> None:
    assert LogMark.parse(text) is None


def test_a_mark_is_read_as_it_was_written() -> None:
    assert LogMark.parse(MARK.text()) == MARK
