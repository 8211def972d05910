"""Thresholds on Locust's command line: what they accept, and when a run keeps them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.locust.observe import rows
from touchline_loadtest.locust.results.thresholds import NAMES, Table, check_threshold, verdict
from touchline_loadtest.runs.series import quantile_of_counts
from touchline_protocol.errors import OperatorError

TABLE = Table({rows.EVENT: {1: 98, 40: 1, 60: 1}, rows.CONNECT: {7: 1}}, failures=2)


def test_every_row_of_the_table_can_be_bounded() -> None:
    assert set(NAMES.values()) == set(rows.ROWS)


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("event.p50=1", True),
        ("event.p99=40", True),
        ("event.p99=39", False),
        ("event.max=60", True),
        ("event.p99.9=59", False),
        ("connect.p99=7", True),
        ("failures=2", True),
        ("failures=1", False),
        ("return.p99=1000", False),  # nobody came back, so nothing is proven
    ],
)
def test_a_run_keeps_a_threshold_or_not(text: str, met: bool) -> None:
    check_threshold(text)
    assert [row.met for row in verdict([text], TABLE)] == [met]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("evnt.p99=50", "event"),
        ("event.p98=50", "p9"),
        ("failure=0", "failures"),
        ("failures=few", "few"),
        ("failures.p99=1", "failures=0"),
        ("event.p99", "event.p99"),
    ],
)
def test_a_threshold_that_means_nothing_is_refused_with_a_hint(text: str, named: str) -> None:
    with pytest.raises(OperatorError, match=named):
        check_threshold(text)


@given(st.dictionaries(st.integers(0, 50), st.integers(1, 20), min_size=1), st.floats(0.01, 1))
def test_a_quantile_of_counted_times_is_that_of_the_times(counts: dict[int, int], share: float) -> None:
    times = sorted(ms for ms, count in counts.items() for _ in range(count))
    below = quantile_of_counts(counts.items(), share)
    assert sum(ms <= below for ms in times) >= share * len(times)
    assert sum(ms < below for ms in times) < share * len(times)
