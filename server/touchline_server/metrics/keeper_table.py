"""The metrics of ``touchline keeper``."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from touchline_server.core.counters.histogram import LATENCY_MS
from touchline_server.core.counters.processes import KeeperCounters

from .health_table import BUILD_INFO, HEALTH_METRICS, REDIS_METRICS
from .metric import Kind, Metric, counter, counters, gauge, seconds
from .process_table import PROCESS_METRICS
from .snapshot import Sample


class KeeperView(NamedTuple):
    """What is asked of a keeper. ``lags`` are those of its partitions, by topic and number."""

    counters: KeeperCounters
    partitions: int
    lags: Mapping[tuple[str, int], int]
    cached_rooms: int
    cache_bytes: int


KEEPER_METRICS: tuple[Metric[KeeperView], ...] = (
    gauge("touchline_keeper_partitions", "Partitions that this keeper has.", lambda view: view.partitions),
    Metric(
        "touchline_keeper_lag_records",
        Kind.GAUGE,
        "Offsets of a partition that Redis does not have yet, as of at most 5 s ago.",
        lambda view: [Sample((topic, str(index)), lag) for (topic, index), lag in view.lags.items()],
        ("topic", "partition"),
    ),
    counters(
        "touchline_keeper_records_read_total",
        "topic",
        "Records read from the log.",
        lambda view: view.counters.records,
    ),
    counters(
        "touchline_keeper_writes_total",
        "outcome",
        "Batches of a partition written to Redis, by outcome.",
        lambda view: view.counters.writes,
        ("ok", "failed"),
    ),
    seconds(
        "touchline_keeper_write_seconds",
        "Time to write a batch of a partition to Redis.",
        LATENCY_MS,
        lambda view: {"": view.counters.write_ms},
    ),
    counter(
        "touchline_keeper_builds_total",
        "Times that a partition's rooms were rebuilt: at first, or because they were lost.",
        lambda view: view.counters.builds,
    ),
    gauge("touchline_keeper_cached_rooms", "Rooms in memory.", lambda view: view.cached_rooms),
    gauge("touchline_keeper_cache_bytes", "Bytes of the rooms in memory.", lambda view: view.cache_bytes),
)

ALL_KEEPER_METRICS = cast(
    "tuple[Metric[Any], ...]", (*KEEPER_METRICS, *HEALTH_METRICS, *REDIS_METRICS, *PROCESS_METRICS, BUILD_INFO)
)
"""All of them, in the order in which they are shown and documented."""
