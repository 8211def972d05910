"""The verdict's numbers, from Locust's own."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.rig.results.locust_results import Row, failures, quantile, read_rows, time_rows


@given(st.lists(st.integers(0, 50), min_size=1), st.floats(0.001, 1.0))
def test_a_quantile_has_its_share_of_all_times_at_or_below_it(times: list[int], share: float) -> None:
    counted = {str(time): times.count(time) for time in times}
    found = quantile(counted, share)
    assert sum(time <= found for time in times) >= share * len(times)
    assert sum(time < found for time in times) < share * len(times)


def test_rows_are_read_as_locust_writes_them() -> None:
    entry = {
        "name": "event",
        "method": "live",
        "num_requests": 3,
        "num_failures": 0,
        "response_times": {"5": 2, "90": 1},
    }
    (row,) = read_rows(msgspec.json.encode([entry | {"total_response_time": 100}]))
    measured = {each.what: each.measured for each in time_rows([row])}
    assert measured == {"number": 3, "p50": 5.0, "p99": 90.0, "p99.9": 90.0}


def test_a_row_without_times_has_no_percentiles() -> None:
    assert time_rows([Row("gap", "check", 2, 2), Row("event", "live", 0, 0)]) == []


def test_failures_of_all_rows_count() -> None:
    every = failures([Row("gap", "check", 2, 2), Row("connect", "live", 5, 1), Row("event", "live", 9, 0)])
    assert [(row.what.removeprefix("failures: "), row.measured, row.met) for row in every[1:]] == [
        ("gap", 2, False),
        ("connect", 1, False),
    ]
    assert (every[0].measured, every[0].met) == (3, False)


def test_a_run_without_failures_meets_its_bound() -> None:
    (row,) = failures([Row("event", "live", 2, 0)])
    assert (row.measured, row.met) == (0, True)


def test_something_else_than_rows_is_an_error() -> None:
    with pytest.raises(msgspec.DecodeError):
        read_rows(b"{}")
