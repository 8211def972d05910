"""The metrics of a node that are not its core's: what it holds in memory, how far it
has read the log, and whether its event loop keeps up.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from touchline_server.core.counters.histogram import LATENCY_MS, Histogram
from touchline_server.core.log import Log

from .metric import Kind, Metric, Over, gauges, seconds
from .snapshot import Sample


class NodeView(NamedTuple):
    """What is asked of a node. ``memory`` is in bytes, by part. ``loop_lag`` is None until it serves clients."""

    log: Log
    memory: Mapping[str, float]
    loop_lag: Histogram | None


def _lag(view: NodeView) -> Iterable[Sample]:
    for (topic, partition), progress in view.log.partitions.items():
        yield Sample((topic, str(partition)), progress.lag)


def _answer_age(view: NodeView) -> Iterable[Sample]:
    for (topic, partition), progress in view.log.partitions.items():
        yield Sample((topic, str(partition)), progress.answer_age_s)


NODE_METRICS: tuple[Metric[NodeView], ...] = (
    gauges(
        "touchline_memory_bytes",
        "part",
        "Bytes of windows of events, state of rooms, events that are not written out yet (pending), replayed records, "
        "records of Kafka that wait to be parsed (log), and what lagging clients have not taken yet (clients).",
        lambda view: view.memory,
    ),
    Metric(
        "touchline_log_lag_records",
        Kind.GAUGE,
        "Offsets of a partition in Kafka that were not read yet, as of the newest answer about it.",
        _lag,
        ("topic", "partition"),
        over=Over.MAX,
    ),
    Metric(
        "touchline_log_answer_age_seconds",
        Kind.GAUGE,
        "Time since Kafka last answered about a partition. It does so some four times a second.",
        _answer_age,
        ("topic", "partition"),
        over=Over.MAX,
    ),
    seconds(
        "touchline_loop_lag_seconds",
        "How late the event loop ran a timer, measured ten times a second.",
        LATENCY_MS,
        lambda view: {} if view.loop_lag is None else {"": view.loop_lag},
    ),
)
