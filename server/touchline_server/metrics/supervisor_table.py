"""The metrics of a supervisor: how its workers are."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .metric import Kind, Metric, by_label
from .snapshot import Sample


class CrewView(NamedTuple):
    """What is asked of a supervisor, by worker: whether it answers, how many processes of it were started, and how many
    ended by themselves, by why (``crash``, ``hung``)."""

    up: Mapping[str, bool]
    started: Mapping[str, int]
    ended: Mapping[tuple[str, str], int]


def _ended(view: CrewView) -> Iterable[Sample]:
    return [Sample(labels, count) for labels, count in view.ended.items()]


SUPERVISOR_METRICS: tuple[Metric[CrewView], ...] = (
    Metric(
        "touchline_worker_up",
        Kind.GAUGE,
        "1 while a worker serves clients and answers its supervisor.",
        lambda view: by_label(view.up),
        ("worker",),
    ),
    Metric(
        "touchline_worker_starts_total",
        Kind.COUNTER,
        "Processes started for a worker: the first, and those that took its place.",
        lambda view: by_label(view.started),
        ("worker",),
    ),
    Metric(
        "touchline_worker_ends_total",
        Kind.COUNTER,
        "Processes of a worker that ended unexpectedly: by a crash or a signal, or because they hung.",
        _ended,
        ("worker", "reason"),
    ),
)
