"""The result of a load test whose edges share presence: whether the numbers of viewers were right. Pure."""

from collections.abc import Iterator, Sequence

from touchline_loadtest.checks.occupancy import LAG_S_MAX, Disturbance, Findings
from touchline_loadtest.locust.shapes.schedule import CueKind
from touchline_loadtest.rig.faults.carry_out import Fault
from touchline_loadtest.runs.records import SummaryRow

DEAD_S_MAX = 15.0
"""Connections of a process that was killed are counted no longer than this."""
EMPTIED_S_MAX = 15.0
"""A Redis that was emptied has everything again within this time, since all processes report again."""


def disturbances(faults: Sequence[Fault]) -> list[Disturbance]:
    """What the faults of a run do to numbers: too high while the dead count, and stale or incomplete without Redis."""
    found = []
    for fault in faults:
        match fault.what:
            case CueKind.KILL | CueKind.KILL_WORKER:
                found.append(Disturbance(fault.what, fault.began_ms, fault.began_ms, DEAD_S_MAX, only_high=True))
            case CueKind.KILL_REDIS:
                found.append(Disturbance(fault.what, fault.began_ms, fault.undone_ms, LAG_S_MAX))
            case CueKind.EMPTY_REDIS:
                found.append(Disturbance(fault.what, fault.began_ms, fault.undone_ms, EMPTIED_S_MAX))
    return found


def census_rows(findings: Findings, disturbed: Sequence[Disturbance]) -> Iterator[SummaryRow]:
    """What was compared, and how long numbers were wrong."""
    yield SummaryRow("numbers of viewers that were compared", findings.compared, bound="> 0", met=findings.compared > 0)
    for each, after_s in zip(disturbed, findings.right_after_s, strict=True):
        row = f"viewers after {each.what!s}: until all numbers are right"
        yield SummaryRow(row, round(after_s, 1), "s", f"<= {each.bound_s:g}", after_s <= each.bound_s)
    lag_s = findings.lag_s
    measured = round(lag_s, 1) if lag_s < float("inf") else f"wrong: {findings.worst}"
    yield SummaryRow("viewers: until a number is right", measured, "s", f"<= {LAG_S_MAX:g}", lag_s <= LAG_S_MAX)
