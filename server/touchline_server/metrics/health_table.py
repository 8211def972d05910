"""The metrics of health, which edges and keepers share: readiness, the log, Redis, and the build."""

import platform
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from touchline_protocol.version import __version__
from touchline_server.core.counters.histogram import LATENCY_MS
from touchline_server.core.counters.processes import CallCounters

from .metric import Kind, Metric, Over, counters, gauge, one, seconds
from .snapshot import Sample, Snapshot


class HealthView(NamedTuple):
    """The health of a process. ``log_problem`` and ``redis_problem``: why these do not answer, or refuse. ``redis`` is
    None if the settings name none."""

    problems: Mapping[str, str]
    degraded: Mapping[str, str]
    log_problem: str | None
    redis_problem: str | None
    redis: CallCounters | None


def _problems(view: HealthView) -> Iterable[Sample]:
    for severity, subjects in (("unready", view.problems), ("degraded", view.degraded)):
        for subject in subjects:
            yield Sample((subject, severity), 1)


BUILD_INFO: Metric[object] = Metric(
    "touchline_build_info",
    Kind.GAUGE,
    "1, under the versions of Touchline and Python.",
    lambda _: (Sample((__version__, platform.python_version()), 1),),
    ("version", "python"),
    over=Over.MAX,
)

HEALTH_METRICS: tuple[Metric[HealthView], ...] = (
    gauge(
        "touchline_ready",
        "1 while the process is ready, as /readyz says. Of several workers, one is enough.",
        lambda view: not view.problems,
        Over.MAX,
    ),
    Metric(
        "touchline_problem",
        Kind.GAUGE,
        "1 for each problem that /readyz names now: whether it keeps clients away (unready) or does not (degraded).",
        _problems,
        ("subject", "severity"),
        over=Over.MAX,
    ),
    gauge(
        "touchline_log_up",
        "1 while the log answers, as far as is known.",
        lambda view: view.log_problem is None,
        Over.MIN,
    ),
    Metric(
        "touchline_redis_up",
        Kind.GAUGE,
        "1 while Redis works, 0 while it does not answer or refuses. Absent if the settings name none.",
        lambda view: () if view.redis is None else one(view.redis_problem is None),
        over=Over.MIN,
    ),
)

REDIS_METRICS: tuple[Metric[CallCounters], ...] = (
    counters(
        "touchline_redis_calls_total",
        "outcome",
        "Calls to Redis, by outcome; a pipeline is one call. None is made while Redis is known to be away.",
        lambda calls: calls.outcomes,
        ("ok", "unavailable", "refused"),
    ),
    seconds(
        "touchline_redis_call_seconds", "Time that a call to Redis took.", LATENCY_MS, lambda calls: {"": calls.ms}
    ),
)


def health_snapshot(view: HealthView) -> Snapshot:
    """The metrics of health."""
    values = {metric.name: list(metric.read(view)) for metric in HEALTH_METRICS}
    if view.redis is not None:
        values |= {metric.name: list(metric.read(view.redis)) for metric in REDIS_METRICS}
    return values
