"""Points over time: merged, broken and fewer, without showing what was not there."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.report.lines import Points, broken, downsampled, interval, largest, total

points = st.lists(
    st.tuples(st.floats(0, 1e4), st.floats(-1e6, 1e6)), max_size=300, unique_by=lambda point: point[0]
).map(sorted)


def every_second(values: list[float], start: float = 0.0) -> Points:
    return [(start + at, value) for at, value in enumerate(values)]


def test_the_interval_is_the_usual_one() -> None:
    assert interval([(0, 1), (1, 1), (2, 1), (60, 1), (61, 1)]) == 1
    assert interval([(5, 1)]) == 0


def test_rates_of_processes_are_added_though_their_clocks_differ() -> None:
    lines = [every_second([10.0] * 8), every_second([5.0] * 8, start=0.4), every_second([1.0] * 8, start=0.9)]
    assert {value for _, value in total(lines)} == {16}


def test_a_process_that_misses_a_sample_still_counts() -> None:
    late = [point for point in every_second([5.0] * 9) if point[0] not in {3, 4}]
    assert {value for _, value in total([every_second([10.0] * 9), late])} == {15}


def test_a_process_that_was_away_for_longer_does_not_count_meanwhile() -> None:
    away = [point for point in every_second([5.0] * 12) if not 3 <= point[0] <= 8]
    assert [value for _, value in total([every_second([10.0] * 12), away])] == [15] * 3 + [10] * 6 + [15] * 3


def test_a_process_that_ends_just_before_another_does_not_look_like_a_drop() -> None:
    assert {value for _, value in total([every_second([10.0] * 5), every_second([5.0] * 4)])} == {15}


def test_a_quantile_of_several_processes_is_their_largest() -> None:
    merged = largest([every_second([3.0, 9.0, 4.0, 1.0]), every_second([5.0, 2.0, 4.0, 8.0], start=0.2)])
    assert [value for _, value in merged] == [5, 9, 4, 8]


@pytest.mark.parametrize("merge", [largest, total])
def test_one_line_stays_as_it_is_and_none_is_nothing(merge: object) -> None:
    assert callable(merge)
    line = every_second([1.0, 2.0])
    assert merge([line, []]) == line
    assert merge([]) == ()
    assert [value for _, value in merge([[(1.0, 2.0)], [(1.0, 2.0)]])] == [4 if merge is total else 2]


def test_a_long_pause_breaks_the_line() -> None:
    assert broken([(0, 1), (1, 2), (2, 3), (20, 4), (21, 5)], 99) == [
        *[(0, 1), (1, 2), (2, 3)],
        (11, None),
        *[(20, 4), (21, 5)],
    ]
    assert broken([(0, 1), (1, 2), (4, 3)], 99) == [(0, 1), (1, 2), (4, 3)]
    assert broken([], 99) == []


def test_points_that_were_left_out_do_not_break_the_line() -> None:
    found = broken([(at, at % 3) for at in range(10_000)] + [(20_000.0, 1.0)], 100)
    assert [at for at, value in found if value is None] == [(9999 + 20_000) / 2]


@given(points, st.integers(8, 100))
def test_a_broken_line_is_in_order_and_not_too_long(given_points: Points, points_max: int) -> None:
    found = broken(given_points, points_max)
    assert len(found) <= points_max
    assert all(before[0] <= after[0] for before, after in pairwise(found))
    assert {at for at, value in found if value is not None} <= {at for at, _ in given_points}


@given(points, st.integers(4, 100))
def test_fewer_points_keep_order_ends_and_extremes(given_points: Points, points_max: int) -> None:
    kept = downsampled(given_points, points_max)
    assert len(kept) <= points_max
    assert all(before[0] < after[0] for before, after in pairwise(kept))
    assert set(kept) <= set(given_points)
    if given_points:
        assert (kept[0], kept[-1]) == (given_points[0], given_points[-1])
        values = [value for _, value in given_points]
        assert {min(values), max(values)} <= {value for _, value in kept}


@given(points, st.integers(4, 100))
def test_each_slice_of_time_keeps_its_lowest_and_highest(given_points: Points, points_max: int) -> None:
    """A reader who zooms out still sees every spike, which averages would lose."""
    kept = downsampled(given_points, points_max)
    if not given_points:
        return
    start, end = given_points[0][0], given_points[-1][0]
    length = (end - start) / (points_max // 4) or 1.0
    for number in range(points_max // 4):
        within = [value for at, value in given_points if start + number * length < at < start + (number + 1) * length]
        around = [value for at, value in kept if start + (number - 1) * length <= at <= start + (number + 2) * length]
        if within:
            assert min(around) <= min(within)
            assert max(around) >= max(within)


@given(st.lists(points.filter(bool), min_size=1, max_size=4))
def test_a_merged_line_is_in_order_and_within_its_parts(lines: list[Points]) -> None:
    merged = largest(lines)
    assert all(before[0] < after[0] for before, after in pairwise(merged))
    values = [value for line in lines for _, value in line]
    assert all(min(values) <= value <= max(values) for _, value in merged)
