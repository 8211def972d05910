"""The result of a run: its numbers, its thresholds, and what was checked on how many clients. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from touchline_loadtest.checks.breach import Breach
from touchline_loadtest.runs.records import SummaryRow
from touchline_loadtest.runs.series import CONNECT_TIME, EVENT_LATENCY, FIRST_STATE, QUANTILES, quantile
from touchline_loadtest.runs.thresholds import Threshold, judge

from .commands import Verdict
from .monitor import Monitor
from .plan import Plan, Settings

SHOWN_QUANTILES = ("p50", "p99", "p99.9")
NAMES = {CONNECT_TIME: "connect", FIRST_STATE: "first state", EVENT_LATENCY: "event"}


class Outcome(NamedTuple):
    """``breaches`` has the first of those found."""

    rows: Sequence[SummaryRow]
    notes: Sequence[str]
    breaches: Sequence[Breach]

    @property
    def failed(self) -> bool:
        """Whether something that had to hold did not."""
        return any(row.met is False for row in self.rows)


def summarise(settings: Settings, plan: Plan, monitor: Monitor, verdict: Verdict) -> Outcome:
    """Put the result together."""
    values = {series: sorted(ms) for series, ms in monitor.values.items()}

    def measured(threshold: Threshold) -> float | None:
        ordered = values.get(threshold.series)
        return quantile(ordered, QUANTILES[threshold.quantile]) if ordered else None

    rows = [
        SummaryRow(f"{NAMES[series]} {name}", quantile(ordered, QUANTILES[name]), "ms")
        for series, ordered in values.items()
        if ordered
        for name in SHOWN_QUANTILES
    ]
    lost = sum(map(len, plan.counters)) - verdict.exact - verdict.wrong - verdict.undecided
    rows += [
        SummaryRow("most connections", monitor.connections_max),
        SummaryRow("connects tried again after hello_timeout", monitor.retries),
        SummaryRow("events that counters received", verdict.events),
        SummaryRow("counters that match to the byte", verdict.exact),
        SummaryRow("counters that were lost", lost, bound="= 0", met=lost == 0),
        SummaryRow("counters that do not match", verdict.wrong, bound="= 0", met=verdict.wrong == 0),
        SummaryRow("counters that cannot be decided", verdict.undecided),
        SummaryRow("broken promises", monitor.breach_count, bound="= 0", met=monitor.breach_count == 0),
        *judge(settings.thresholds, measured),
    ]
    return Outcome(rows, _notes(settings, plan), monitor.breaches)


def _notes(settings: Settings, plan: Plan) -> list[str]:
    sampled = len(plan.witnesses) + len(plan.sample)
    notes = [
        f"order, prev, skips, resumes and state were checked on {sampled} of {settings.clients} clients, which read "
        "every frame; the others counted bytes, and each must have received, to the byte, what the sample received "
        "between the position at which it joined each of its rooms and the last event that it read at the end",
        "event latency is from the record's timestamp, in whole milliseconds, to a client of the sample; connect and "
        "first state are of all clients",
        "deliveries of counters over time are their bytes, divided by the mean size of the sample's events",
    ]
    if settings.shape == "avalanche":
        notes.append(
            "counters return with the cursors of the sample, so what they had received just before the cut is not "
            "compared to the byte; all that they receive from their cursors on is"
        )
    return notes
