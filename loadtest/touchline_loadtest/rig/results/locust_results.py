"""Locust's statistics at the end of a test, as its option ``--json-file`` writes them. Pure."""

from collections.abc import Mapping, Sequence

import msgspec

from touchline_loadtest.locust.observe import rows as names
from touchline_loadtest.runs.records import SummaryRow
from touchline_loadtest.runs.series import ACTION_LATENCY, CONNECT_TIME, EVENT_LATENCY, FIRST_STATE, quantile_of_counts
from touchline_loadtest.runs.series import QUANTILES as SHARES
from touchline_loadtest.runs.thresholds import Threshold

QUANTILES: Mapping[str, float] = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
"""The percentiles of the verdict's table."""
NAMES: Mapping[str, str] = {
    CONNECT_TIME: names.CONNECT,
    FIRST_STATE: names.FIRST_STATE,
    EVENT_LATENCY: names.EVENT,
    ACTION_LATENCY: names.ACTION,
}
"""Locust's rows by the run folder's series."""
TIMED = "live"
"""The type of rows with times; all others count what went wrong."""


class Row(msgspec.Struct, frozen=True):
    """A row of Locust's table. ``response_times`` counts the times in ms, rounded as Locust does."""

    name: str
    method: str
    num_requests: int
    num_failures: int
    response_times: Mapping[str, int] = {}


def read_rows(document: bytes) -> list[Row]:
    """The rows.

    Raises:
        msgspec.DecodeError: that is not what Locust writes.
    """
    return msgspec.json.decode(document, type=list[Row])


def quantile(times: Mapping[str, int], share: float) -> float:
    """The quantile of counted times, by nearest rank. There has to be at least one time."""
    return quantile_of_counts(((float(time), count) for time, count in times.items()), share)


def measured(rows: Sequence[Row], threshold: Threshold) -> float | None:
    """What a threshold bounds, in ms; None if nothing of the kind was measured."""
    name = NAMES[threshold.series]
    times = next((row.response_times for row in rows if row.method == TIMED and row.name == name), {})
    return quantile(times, SHARES[threshold.quantile]) if times else None


def time_rows(rows: Sequence[Row]) -> list[SummaryRow]:
    """Number and percentiles of everything that has times."""
    found = []
    for row in rows:
        if row.method == TIMED and row.response_times:
            found.append(SummaryRow("number", row.num_requests, group=row.name))
            found += [
                SummaryRow(name, quantile(row.response_times, share), "ms", group=row.name)
                for name, share in QUANTILES.items()
            ]
    return found


def failures(rows: Sequence[Row]) -> list[SummaryRow]:
    """What went wrong, by the users' own observation: first the number of all failures."""
    count = sum(row.num_failures for row in rows)
    failed = [row for row in rows if row.num_failures]
    return [
        SummaryRow("failures that users saw", count, bound="0", met=count == 0),
        *(SummaryRow(f"failures: {row.name}", row.num_failures, bound="0", met=False) for row in failed),
    ]
