"""Writes snapshots as Prometheus reads them, in its text format or OpenMetrics, as the request's ``Accept`` asks."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from .merge import summed
from .metric import Kind, Metric
from .snapshot import Sample, Snapshot

WORKER = "worker"
"""The label that names the process of a value."""


class _Snapshots(Collector):
    """``snapshots`` by worker, which are shown one by one, or summed."""

    def __init__(self, metrics: Iterable[Metric[Any]], snapshots: Mapping[str, Snapshot], *, by_worker: bool) -> None:
        self._metrics = {metric.name: metric for metric in metrics}
        self._labels = (WORKER,) if by_worker else ()
        self._snapshots = snapshots if by_worker else {"": summed(self._metrics, snapshots.values())}

    def collect(self) -> Iterator[Family]:
        """See `Collector`."""
        for metric in self._metrics.values():
            own_labels = self._labels if WORKER not in metric.labels else ()
            family = _family(metric, own_labels)
            for worker, snapshot in self._snapshots.items():
                prefix = (worker,) if own_labels else ()
                for sample in snapshot.get(metric.name, ()):
                    _add(family, metric, (*prefix, *sample.labels), sample)
            if family.samples:
                yield family


def exposed(
    metrics: Iterable[Metric[Any]], snapshots: Mapping[str, Snapshot], *, by_worker: bool, accept: str
) -> tuple[bytes, str]:
    """The metrics of processes as text, and its content type."""
    encode, content_type = choose_encoder(accept)
    return encode(_Snapshots(metrics, snapshots, by_worker=by_worker)), content_type


def _family(metric: Metric[Any], first_labels: tuple[str, ...]) -> Family:
    labels = (*first_labels, *metric.labels)
    match metric.kind:
        case Kind.COUNTER:
            return CounterMetricFamily(metric.name, metric.meaning, labels=labels)
        case Kind.GAUGE:
            return GaugeMetricFamily(metric.name, metric.meaning, labels=labels)
        case Kind.HISTOGRAM:
            return HistogramMetricFamily(metric.name, metric.meaning, labels=labels)


def _add(family: Family, metric: Metric[Any], labels: tuple[str, ...], sample: Sample) -> None:
    if isinstance(family, HistogramMetricFamily):
        bounds = (*map(str, metric.bounds), "+Inf")
        family.add_metric(labels, list(zip(bounds, accumulate(sample.buckets), strict=True)), sample.value)
    elif isinstance(family, CounterMetricFamily | GaugeMetricFamily):
        family.add_metric(labels, sample.value)
