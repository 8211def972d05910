"""Rates and percentiles between snapshots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_server.metrics.history import History, Moment, quantile
from touchline_server.metrics.snapshot import Sample, Snapshot

BOUNDS = (1.0, 10.0, 100.0)


def moment(second: int, snapshot: Snapshot) -> Moment:
    return Moment(second * 1000, float(second), snapshot)


def test_a_rate_is_that_of_its_interval_over_all_labels() -> None:
    history = History()
    history.add(moment(0, {"written_total": [Sample(("a",), 5)]}))
    history.add(moment(5, {"written_total": [Sample(("a",), 15), Sample(("b",), 10)]}))
    history.add(moment(10, {"written_total": []}))
    assert [(each.at_ms, each.rate("written_total")) for each in history.intervals] == [(5_000, 4), (10_000, 0)]


def test_only_the_newest_points_are_kept() -> None:
    history = History(points_max=3)
    for second in range(10):
        history.add(moment(second, {}))
    assert [each.at_ms for each in history.intervals] == [7_000, 8_000, 9_000]


def test_percentiles_are_those_of_an_interval_alone() -> None:
    history = History()
    history.add(moment(0, {"took": [Sample(("read",), 0, [0, 0, 90, 0]), Sample(("written",), 0, [1, 1, 1, 1])]}))
    history.add(moment(5, {"took": [Sample(("read",), 0, [0, 10, 90, 0])]}))
    (interval,) = history.intervals
    assert interval.quantiles("took", ("read",), BOUNDS, [0.5, 1.0]) == [5.5, 10.0]
    assert interval.quantiles("took", ("gone",), BOUNDS, [0.5]) == [None]


@pytest.mark.parametrize(("buckets", "share", "value"), [([0, 0, 0, 0], 0.5, None), ([0, 0, 0, 3], 0.5, 100.0)])
def test_without_values_there_is_no_percentile_and_beyond_all_bounds_it_is_the_last(
    buckets: list[int], share: float, value: float | None
) -> None:
    assert quantile(buckets, BOUNDS, share) == value


@given(st.lists(st.integers(0, 9), min_size=4, max_size=4), st.floats(0.01, 1))
def test_a_percentile_lies_in_its_bucket_and_rises_with_its_share(buckets: list[int], share: float) -> None:
    found, median = quantile(buckets, BOUNDS, share), quantile(buckets, BOUNDS, 0.5)
    assert (found is None) == (sum(buckets) == 0)
    if found is not None and median is not None:
        assert 0 <= found <= 100
        assert (found <= median) if share <= 0.5 else (found >= median)
