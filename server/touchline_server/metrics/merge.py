"""The metrics of several processes together, some of which may have ended. Pure.

Rules:

1. A counter never goes down: what a process had counted, as far as that is known, counts for its worker from then on.
   The rest, from after it was last asked, is lost with it.
2. A gauge is what holds now. A worker that does not answer has none.
3. A sum over workers is each metric's own (`Over`): memory adds up, but each worker reads all records by itself.
"""

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

from .metric import Kind, Metric, Over
from .snapshot import Sample, Snapshot

_CHOICE = {Over.MAX: max, Over.MIN: min}


class WorkerTotals:
    """The counters of workers, over all processes that took their place."""

    def __init__(self, metrics: Iterable[Metric[Any]]) -> None:
        self._kinds = {metric.name: metric.kind for metric in metrics}
        self._ended: dict[str, Snapshot] = {}
        self._latest: dict[str, Snapshot] = {}

    def answered(self, worker: str, snapshot: Snapshot) -> Snapshot:
        """The process of a worker has answered; returns what holds for the worker."""
        self._latest[worker] = self._counters(snapshot)
        return _added(self._ended.get(worker, {}), snapshot)

    def without_answer(self, worker: str) -> Snapshot:
        """What is known of a worker that does not answer."""
        return _added(self._ended.get(worker, {}), self._latest.get(worker, {}))

    def ended(self, worker: str) -> None:
        """The process of a worker has ended."""
        self._ended[worker] = self.without_answer(worker)
        self._latest.pop(worker, None)

    def _counters(self, snapshot: Snapshot) -> Snapshot:
        return {name: samples for name, samples in snapshot.items() if self._kinds[name] is not Kind.GAUGE}


def summed(metrics: Mapping[str, Metric[Any]], snapshots: Iterable[Snapshot]) -> Snapshot:
    """The metrics of all processes together."""
    by_name: dict[str, list[list[Sample]]] = {}
    for snapshot in snapshots:
        for name, samples in snapshot.items():
            by_name.setdefault(name, []).append(samples)
    return {name: _over(metrics[name], every) for name, every in by_name.items()}


def _over(metric: Metric[Any], every: Iterable[list[Sample]]) -> list[Sample]:
    choice = _CHOICE.get(metric.over)
    if choice is None:
        return reduce(_added_samples, every, [])
    values: dict[tuple[str, ...], float] = {}
    for samples in every:
        for sample in samples:
            known = values.get(sample.labels)
            values[sample.labels] = sample.value if known is None else choice(known, sample.value)
    return [Sample(labels, value) for labels, value in values.items()]


def _added(before: Snapshot, now: Snapshot) -> Snapshot:
    """Two snapshots, of which the first has only counters."""
    return {name: _added_samples(before.get(name, []), now.get(name, [])) for name in {**before, **now}}


def _added_samples(first: list[Sample], second: list[Sample]) -> list[Sample]:
    found = {sample.labels: sample for sample in first}
    for sample in second:
        known = found.get(sample.labels)
        found[sample.labels] = sample if known is None else _sum(known, sample)
    return list(found.values())


def _sum(first: Sample, second: Sample) -> Sample:
    buckets = [one + other for one, other in zip(first.buckets, second.buckets, strict=True)]
    return Sample(first.labels, first.value + second.value, buckets)
