"""Turns batches of observations into the samples of a run folder. Pure."""

from collections.abc import Mapping

from touchline_loadtest.locust.observe import rows
from touchline_loadtest.runs.records import Sample
from touchline_loadtest.runs.series import (
    ACTION_LATENCY,
    CONNECT_TIME,
    CONNECTIONS,
    DELIVERIES,
    ERRORS,
    EVENT_LATENCY,
    FIRST_STATE,
    QUANTILE,
    QUANTILES,
    quantile_of_counts,
    sample,
)

from .batch import Batch

SERIES: Mapping[str, str] = {
    rows.EVENT: EVENT_LATENCY,
    rows.ACTION: ACTION_LATENCY,
    rows.CONNECT: CONNECT_TIME,
    rows.FIRST_STATE: FIRST_STATE,
    rows.RETURN: "return_time",
}
"""The series of each row. Slow readers are left out: their latency says how slowly they read."""
EVENT_ROWS = (rows.EVENT, rows.EVENT_SLOW, rows.EVENT_STREAM, rows.REPLAY)


def samples(
    batches: Mapping[str, Batch], *, at_ms: float, seconds: float, connections: int, failures: int
) -> list[Sample]:
    """The samples of the last ``seconds`` of one process."""
    delivered = sum(batch.count for name, batch in batches.items() if name in EVENT_ROWS)
    found = [
        sample(at_ms, DELIVERIES, delivered / seconds),
        sample(at_ms, CONNECTIONS, connections),
        sample(at_ms, ERRORS, failures / seconds),
    ]
    for name, series in SERIES.items():
        if name in batches:
            times = batches[name].buckets
            found += [
                Sample(at_ms, series, quantile_of_counts(times.items(), share), "ms", {QUANTILE: label})
                for label, share in QUANTILES.items()
            ]
    return found
