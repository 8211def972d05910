"""One metric: its name, what it means, and how it is read. A table of these is all that a process has to tell.

Names follow Prometheus' conventions: units last (``_seconds``, ``_bytes``), counters end in ``_total``. docs/metrics.md
has a row for each, and a test holds it to the tables.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from touchline_server.core.counters.histogram import Histogram

from .snapshot import Sample, Snapshot

S = TypeVar("S")
"""What a metric is read from."""


class Kind(StrEnum):
    """The types of Prometheus that are used."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Over(StrEnum):
    """What the value of several processes together is. Counters and histograms are always summed."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"


class Metric(NamedTuple, Generic[S]):
    """A metric. ``bounds`` are the buckets of a histogram, in the unit of the name."""

    name: str
    kind: Kind
    meaning: str
    read: Callable[[S], Iterable[Sample]]
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    over: Over = Over.SUM


def counter(name: str, meaning: str, read: Callable[[S], float]) -> Metric[S]:
    """A counter without labels."""
    return Metric(name, Kind.COUNTER, meaning, lambda source: one(read(source)))


def counters(
    name: str,
    label: str,
    meaning: str,
    read: Callable[[S], Mapping[str, float]],
    known: Sequence[str] = (),
) -> Metric[S]:
    """A counter by a label. Those that are ``known`` are there from the start, so that a first increase is seen."""
    zeros = dict.fromkeys(known, 0.0)
    return Metric(name, Kind.COUNTER, meaning, lambda source: by_label({**zeros, **read(source)}), (label,))


def gauge(name: str, meaning: str, read: Callable[[S], float], over: Over = Over.SUM) -> Metric[S]:
    """A gauge without labels."""
    return Metric(name, Kind.GAUGE, meaning, lambda source: one(read(source)), over=over)


def gauges(
    name: str, label: str, meaning: str, read: Callable[[S], Mapping[str, float]], over: Over = Over.SUM
) -> Metric[S]:
    """A gauge by a label."""
    return Metric(name, Kind.GAUGE, meaning, lambda source: by_label(read(source)), (label,), over=over)


def seconds(
    name: str, meaning: str, bounds_ms: Sequence[int], read: Callable[[S], Mapping[str, Histogram]], label: str = ""
) -> Metric[S]:
    """A histogram of milliseconds, shown in seconds; by a label, or with one histogram under the name ````."""
    bounds = tuple(ms / 1000 for ms in bounds_ms)
    labels = (label,) if label else ()

    def samples(source: S) -> Iterable[Sample]:
        return [
            Sample((value,) if label else (), histogram.total / 1000, list(histogram.counts))
            for value, histogram in read(source).items()
        ]

    return Metric(name, Kind.HISTOGRAM, meaning, samples, labels, bounds)


def sizes(name: str, meaning: str, bounds: Sequence[int], read: Callable[[S], Histogram]) -> Metric[S]:
    """A histogram of numbers."""

    def samples(source: S) -> Iterable[Sample]:
        histogram = read(source)
        return [Sample((), histogram.total, list(histogram.counts))]

    return Metric(name, Kind.HISTOGRAM, meaning, samples, bounds=tuple(map(float, bounds)))


def one(value: float) -> list[Sample]:
    """The sample of a metric without labels."""
    return [Sample((), float(value))]


def by_label(values: Mapping[str, float]) -> list[Sample]:
    """The samples of a metric with one label."""
    return [Sample((label,), float(value)) for label, value in values.items()]


def snapshot(table: Iterable[Metric[S]], source: S) -> Snapshot:
    """Read all metrics of a table."""
    return {metric.name: list(metric.read(source)) for metric in table}
