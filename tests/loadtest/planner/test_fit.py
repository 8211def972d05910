"""Costs are derived from runs, and runs are predicted from costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from touchline_loadtest.planner.costs import CpuCosts, Run
from touchline_loadtest.planner.fit import NAMES, TURNS_MS, errors, fit, predicted_s

SHAPES = [
    (1, 400, 0, 0, 200),
    (1, 4000, 0, 0, 200),
    (1, 40000, 0, 0, 200),
    (1, 8000, 0, 0, 4000),
    (400, 4000, 4000, 4000, 200),
    (1600, 4000, 4000, 16000, 200),
    (2000, 100, 100, 200_000, 200),
    (1000, 200, 200, 200_000, 100),
    (1000, 50, 50, 50_000, 4000),
    (8000, 20, 20, 160_000, 200),
    (500, 5, 5, 2500, 200),
]
"""Connections, records, watched records, deliveries and bytes of runs that differ in what they have much of."""


def run_of(cpu: CpuCosts, shape: tuple[int, int, int, int, int], *, fitted: bool = True, factor: float = 1.0) -> Run:
    """A run that took what it must, times ``factor``."""
    connections, records, watched, deliveries, size = shape
    run = Run("a run", connections, 5.0, records, watched, deliveries, size, 1.0, fitted)
    return Run(run.name, connections, 5.0, records, watched, deliveries, size, predicted_s(cpu, run) * factor, fitted)


costs = st.floats(0.5, 100)


@given(
    st.builds(
        CpuCosts, turn_ms=st.sampled_from(TURNS_MS), idle=st.floats(500, 20_000), **dict.fromkeys(NAMES[1:], costs)
    )
)
def test_costs_are_found_again_in_runs_that_they_explain(cpu: CpuCosts) -> None:
    runs = [run_of(cpu, shape) for shape in SHAPES]
    found = fit(runs)
    assert [predicted_s(found, run) for run in runs] == pytest.approx([run.cpu_s for run in runs], rel=0.01)


def test_a_cost_is_never_negative() -> None:
    """Large events that took less than small ones would make a KiB cost less than nothing."""
    cpu = CpuCosts(1, 5000, 200, 5, 0, 50, 7, 0, 0)
    runs = [run_of(cpu, shape, factor=0.9 if shape[4] == 4000 else 1) for shape in SHAPES]
    found = fit(runs)
    assert min(getattr(found, name) for name in NAMES) == 0
    assert found.delivery == pytest.approx(7, rel=0.1)


def test_errors_are_those_of_runs_that_costs_do_not_come_from() -> None:
    cpu = CpuCosts(1, 5000, 200, 5, 1, 50, 7, 1, 0.2)
    runs = [run_of(cpu, shape) for shape in SHAPES]
    runs += [run_of(cpu, SHAPES[0], fitted=False, factor=1.25), run_of(cpu, SHAPES[6], fitted=False)]
    found = errors(cpu, runs)
    assert found.runs == 2
    assert found.median == pytest.approx(0.1)
    assert found.lowest == pytest.approx(-0.2)
    assert found.highest == pytest.approx(0)
    assert found.more_edges == pytest.approx(0.25)


def test_predictions_that_are_too_high_take_no_more_edges() -> None:
    cpu = CpuCosts(1, 5000, 200, 5, 1, 50, 7, 1, 0.2)
    found = errors(cpu, [run_of(cpu, SHAPES[0], fitted=False, factor=0.8)])
    assert found.lowest == pytest.approx(0.25)
    assert found.highest == pytest.approx(0.25)
    assert found.more_edges == 0


def test_too_few_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="8"):
        fit([run_of(CpuCosts(1, 1, 1, 1, 1, 1, 1, 1, 1), shape) for shape in SHAPES[:6]])
