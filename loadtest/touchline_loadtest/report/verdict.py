"""What a run's result amounts to, in one line. Pure."""

from typing import Literal, NamedTuple

from touchline_protocol.printable import counted

from .run import Run


class Verdict(NamedTuple):
    """``measured``: nothing was required of the run. ``unfinished``: it was killed, or is still going on."""

    outcome: Literal["passed", "failed", "unfinished", "measured"]
    text: str


def verdict(run: Run) -> Verdict:
    """Judge a run by its bounds, and by what the checker found."""
    bounded = [row for row in run.info.summary if row.met is not None]
    missed = sum(row.met is False for row in bounded)
    faults = []
    if missed:
        faults.append(f"{missed} of {counted(len(bounded), 'bound')} not met")
    if run.breaches:
        faults.append(f"{counted(len(run.breaches), 'breach', 'breaches')} found by the checker")
    if faults:
        unfinished = "" if run.info.ended_ms is not None else "; it did not finish"
        return Verdict("failed", f"Failed: {', '.join(faults)}{unfinished}")
    if run.info.ended_ms is None:
        return Verdict("unfinished", "Not finished: the run was ended early, or is still going on")
    if not bounded:
        return Verdict("measured", "Measured: this run has no bounds to meet")
    return Verdict("passed", f"Passed: {'the bound' if len(bounded) == 1 else f'all {len(bounded)} bounds'} met")
