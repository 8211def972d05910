"""The usual series, their units and labels, and samples of them. Pure.

Every kind of run uses these names, so that one report fits all. A series with another name may be written too: the
report draws it in a chart of its own.

Rates (``deliveries``) are per second since the sample before it. Where several processes write the same series, the
report adds their rates and counts up, and shows the largest of their quantiles: the quantile of all observations
together is never above it.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from .records import Sample

CONNECT_TIME = "connect_time"
"""From the first attempt to connect to ``welcome``; ms, by quantile."""
FIRST_STATE = "first_state"
"""From ``subscribe`` to the room's state; ms, by quantile."""
EVENT_LATENCY = "event_latency"
"""From a record's timestamp to its event at the client; ms, by quantile."""
ACTION_LATENCY = "action_latency"
"""From an action to its ack; ms, by quantile."""
DELIVERIES = "deliveries"
"""Events that clients received; /s."""
CONNECTIONS = "connections"
"""Open connections; a count."""
CPU = "cpu"
"""CPU of a process, 100 for one whole core; %, by process."""
MEMORY = "memory"
"""Memory of a process; MiB, by process."""
OPEN_FILES = "open_files"
"""Open files of a process, its connections among them; a count, by process."""
LOG_LAG = "log_lag"
"""Events between the newest record of the log and the newest one that a client has, over all rooms; a count, by
``edge`` if each edge has such a client."""
ERRORS = "errors"
"""Errors of clients; /s."""
RECONNECTS = "reconnects"
"""Clients that left an edge because it drains, to reconnect at once; /s, by ``edge``."""

UNITS: Mapping[str, str] = {
    CONNECT_TIME: "ms",
    FIRST_STATE: "ms",
    EVENT_LATENCY: "ms",
    ACTION_LATENCY: "ms",
    DELIVERIES: "/s",
    CONNECTIONS: "",
    CPU: "%",
    MEMORY: "MiB",
    OPEN_FILES: "",
    LOG_LAG: "events",
    ERRORS: "/s",
    RECONNECTS: "/s",
}

PROCESS = "process"
"""The label with the name of a process."""
QUANTILE = "quantile"
"""The label with the name of a quantile, which is one of `QUANTILES`."""

QUANTILES: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


def sample(at_ms: float, series: str, value: float, **labels: str) -> Sample:
    """A sample of one of the usual series, with its unit."""
    return Sample(at_ms, series, value, UNITS[series], labels)


def quantile_samples(at_ms: float, series: str, values: Sequence[float], **labels: str) -> list[Sample]:
    """The quantiles of the values that were observed since the last call, by nearest rank; none without values."""
    if not values:
        return []
    ordered = sorted(values)
    return [
        Sample(at_ms, series, quantile(ordered, share), UNITS.get(series, "ms"), {**labels, QUANTILE: name})
        for name, share in QUANTILES.items()
    ]


def quantile_of_counts(counts: Iterable[tuple[float, int]], share: float) -> float:
    """The quantile of values that were counted, by nearest rank. There must be values."""
    ordered = sorted(counts)
    wanted = share * sum(count for _, count in ordered)
    seen = accumulate(count for _, count in ordered)
    return next(float(value) for (value, _), count in zip(ordered, seen, strict=True) if count >= wanted)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The quantile ``share`` of values in ascending order, by nearest rank. There must be values."""
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]
