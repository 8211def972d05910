"""The result of a load test whose servers failed: how long each fault took, and whether all were carried out. Pure."""

from collections.abc import Iterator

from touchline_loadtest.locust.shapes.schedule import CueKind
from touchline_loadtest.rig.faults.carry_out import Report
from touchline_loadtest.runs.records import SummaryRow


def fault_rows(report: Report, called_for: int) -> Iterator[SummaryRow]:
    """A row for each fault. ``called_for`` is how many the load shape has: a test without them shows nothing."""
    if not called_for:
        return
    faults = report.faults
    for fault in faults:
        if fault.what is not CueKind.NEWCOMERS:
            yield SummaryRow(f"{fault.what}: until all servers are ready again", round(fault.lasted_s, 1), "s")
        if fault.problem:
            yield SummaryRow(f"{fault.what}: not ready again", fault.problem, bound="ready", met=False)
    yield SummaryRow("cues that were carried out", len(faults), bound=str(called_for), met=len(faults) == called_for)
    if (newcomers := report.newcomers) is not None:
        yield SummaryRow("rooms that newcomers joined", newcomers.joins, bound="> 0", met=newcomers.joins > 0)
        yield SummaryRow("of them with an incomplete state at first", newcomers.late)
        yield SummaryRow(
            "of them with an incomplete state until they left",
            newcomers.incomplete,
            bound="0",
            met=newcomers.incomplete == 0,
        )
        yield SummaryRow("rooms without an answer", newcomers.unanswered, bound="0", met=newcomers.unanswered == 0)
