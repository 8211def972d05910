"""Thresholds: what they accept, and when a run has failed."""

import pytest

from touchline_loadtest.runs.thresholds import Threshold, judge, parse_threshold
from touchline_protocol.errors import OperatorError


def test_a_threshold_bounds_a_quantile_of_a_series() -> None:
    threshold = parse_threshold("event.p99.9=12.5")
    assert threshold == Threshold("event", "p99.9", 12.5)
    assert threshold.series == "event_latency"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("event.p99", "event.p99"),
        ("event.p99=fast", "event.p99=fast"),
        ("event.p99=-1", "event.p99=-1"),
        ("event.p99=inf", "event.p99=inf"),
        ("event.p98=1", "p98"),
        ("evnt.p99=1", "event"),
        ("event=1", "p99"),
    ],
)
def test_a_wrong_threshold_is_named(text: str, named: str) -> None:
    with pytest.raises(OperatorError, match=named.replace(".", r"\.")):
        parse_threshold(text)


def test_a_run_is_within_its_bounds_or_not_and_not_where_nothing_was_measured() -> None:
    measured = {"event": 50.0, "connect": 50.1, "action": None}
    rows = judge([parse_threshold(f"{name}.p99=50") for name in measured], lambda threshold: measured[threshold.name])
    assert [(row.what, row.met) for row in rows] == [("event p99", True), ("connect p99", False), ("action p99", False)]
