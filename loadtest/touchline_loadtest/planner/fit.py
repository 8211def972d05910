"""Derives costs from measured runs, by least squares. Pure.

A run's CPU time is a sum: how often each thing happened, times what it costs. With more runs than costs, the costs are
those with the smallest sum of squared *relative* errors: a run of ten seconds counts as much as one of one second. No
cost is negative: where the best solution says so, that cost is 0, and the others are derived again.

Example, with two costs: runs of (1 record, 10 deliveries: 12 us), (1, 20: 22) and (1, 30: 32) say 2 us for a record and
1 us for a delivery.
"""

from collections.abc import Sequence
from statistics import median

from .costs import CpuCosts, Errors, Run

NAMES = CpuCosts.__struct_fields__[1:]
TURNS_MS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Lengths of a turn that are tried, since it is the one number that the sum is not linear in."""


def turns(records_hz: float, turn_ms: float) -> float:
    """How often per second a server wakes up for records: for each at a low rate, every ``turn_ms`` at a high one."""
    return records_hz / (1 + records_hz * turn_ms / 1000)


def counts(run: Run, turn_ms: float) -> list[float]:
    """How often a run had each thing that has a cost, in the order of `NAMES`."""
    kib = run.bytes / 1024
    return [
        run.seconds,
        run.seconds * turns(run.records / run.seconds, turn_ms),
        run.records,
        run.records * kib,
        run.watched,
        run.deliveries,
        run.deliveries * kib,
        run.deliveries * run.connections / 1000,
    ]


def predicted_s(cpu: CpuCosts, run: Run) -> float:
    """The CPU seconds that a run should have taken."""
    costs: list[float] = [getattr(cpu, name) for name in NAMES]
    return sum(cost * count for cost, count in zip(costs, counts(run, cpu.turn_ms), strict=True)) / 1e6


def fit(runs: Sequence[Run]) -> CpuCosts:
    """The costs that explain the runs best.

    Raises:
        ValueError: there are fewer runs than costs.
    """
    if len(runs) < len(NAMES):
        raise ValueError(f"{len(NAMES)} costs cannot be derived from {len(runs)} runs")
    return min((_fit(runs, turn_ms) for turn_ms in TURNS_MS), key=lambda cpu: _squares(cpu, runs))


def _squares(cpu: CpuCosts, runs: Sequence[Run]) -> float:
    return sum((predicted_s(cpu, run) / run.cpu_s - 1) ** 2 for run in runs)


def _fit(runs: Sequence[Run], turn_ms: float) -> CpuCosts:
    rows = [[count / (run.cpu_s * 1e6) for count in counts(run, turn_ms)] for run in runs]
    used = list(range(len(NAMES)))
    while True:
        found = _least_squares([[row[column] for column in used] for row in rows])
        if min(found) >= 0:
            break
        del used[found.index(min(found))]
    derived = {NAMES[column]: round(cost, 4) for column, cost in zip(used, found, strict=True)}
    return CpuCosts(turn_ms=turn_ms, **(dict.fromkeys(NAMES, 0.0) | derived))


def errors(cpu: CpuCosts, runs: Sequence[Run]) -> Errors:
    """How far the costs are from the runs that they were not derived from."""
    found = [predicted_s(cpu, run) / run.cpu_s - 1 for run in runs if not run.fitted]
    if not found:
        return Errors(0, 0.0, 0.0, 0.0)
    return Errors(len(found), median(map(abs, found)), min(found), max(found))


def _least_squares(rows: Sequence[Sequence[float]]) -> list[float]:
    """The x for which the products of x with the rows are as close to 1 as possible: the normal equations."""
    size = len(rows[0])
    scale = [max(abs(row[column]) for row in rows) or 1.0 for column in range(size)]
    scaled = [[value / scale[column] for column, value in enumerate(row)] for row in rows]
    matrix = [
        [sum(row[i] * row[j] for row in scaled) for j in range(size)] + [sum(row[i] for row in scaled)]
        for i in range(size)
    ]
    return [value / scale[column] for column, value in enumerate(_solve(matrix))]


def _solve(matrix: list[list[float]]) -> list[float]:
    """Gauss's elimination, with pivots. A column that says nothing gets 0."""
    size = len(matrix)
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(matrix[row][column]))
        matrix[column], matrix[pivot] = matrix[pivot], matrix[column]
        if abs(matrix[column][column]) < 1e-12:  # noqa: PLR2004 - all values are scaled to about 1
            matrix[column] = [float(index == column) for index in range(size)] + [0.0]
        for row in range(size):
            factor = matrix[row][column] / matrix[column][column] if row != column else 0.0
            matrix[row] = [value - factor * other for value, other in zip(matrix[row], matrix[column], strict=True)]
    return [matrix[row][size] / matrix[row][row] for row in range(size)]
